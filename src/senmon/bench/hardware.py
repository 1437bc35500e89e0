"""What this machine can do at most: products and reading of memory, measured beside what is compared."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

_SIDE, _ROWS = 1024, 512
_READ = 1 << 26
_REPETITIONS = 12


@dataclass(frozen=True, slots=True)
class Hardware:
    """float32 operations and bytes read per CPU second of one thread, times `threads`; best of several."""

    processor: str
    threads: int
    flops: float
    bytes: float

    def seconds(self, flops: float, bytes: float) -> float:
        """The least time for so much arithmetic on so much memory (Williams et al. 2009, the roofline)."""
        return max(flops / self.flops, bytes / self.bytes)


@torch.inference_mode()
def measure_hardware() -> Hardware:
    """With torch's present number of threads; about a second."""
    threads = torch.get_num_threads()
    left, right = torch.ones(_ROWS, _SIDE), torch.ones(_SIDE, _SIDE)
    big = torch.ones(_READ)
    product = _best(_products(left, right))
    read = _best([lambda: big.sum()])
    return Hardware(_processor(), threads, 2 * _ROWS * _SIDE * _SIDE / product, 4 * _READ / read)


def _products(left: torch.Tensor, right: torch.Tensor) -> list[Callable[[], object]]:
    ways: list[Callable[[], object]] = [lambda: left @ right]
    if torch.backends.mkldnn.is_available():
        packed = torch.ops.mkldnn._reorder_linear_weight(right, _ROWS)
        ways.append(lambda: torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], ""))
    return ways


def _best(ways: list[Callable[[], object]]) -> float:
    """The least CPU seconds per thread; other programs on the machine do not count."""
    found = []
    for way in ways:
        way()
        for _ in range(_REPETITIONS):
            start = time.process_time()
            way()
            found.append(time.process_time() - start)
    return min(found) / torch.get_num_threads()


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
