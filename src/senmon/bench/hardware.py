"""What this machine can do at most: products and reading of memory, measured beside what is compared."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    #: The same in bf16; None where it is not faster.
    half_flops: float | None = None

    def seconds(self, flops: float, bytes: float) -> float:
        """The least time for so much arithmetic on so much memory (Williams et al. 2009, the roofline)."""
        return max(flops / self.flops, bytes / self.bytes)


@torch.inference_mode()
def measure_hardware(pick: Callable[[list[float]], float] = min) -> Hardware:
    """With torch's present number of threads; about a second. `pick` chooses among repetitions: `min` for
    the best, a median for what the machine gives while others use it."""
    threads = torch.get_num_threads()
    left, right = torch.ones(_ROWS, _SIDE), torch.ones(_SIDE, _SIDE)
    big = torch.ones(_READ)
    product = _seconds(_products(left, right), pick)
    read = _seconds([big.sum], pick)
    half = _seconds(_halves(left, right), pick)
    flops = 2.0 * _ROWS * _SIDE * _SIDE
    return Hardware(
        processor(), threads, flops / product, 4 * _READ / read, flops / half if half < product else None
    )


@torch.inference_mode()
def measure_products(
    shapes: Sequence[tuple[int, int]], rows: int, pick: Callable[[list[float]], float] = min
) -> float:
    """Operations per CPU second of `rows` rows through matrices [in, out], one after another, in float32.

    As a model runs them: no matrix is in the cache when its turn comes. The best way for each is counted.
    """
    given = {width: torch.ones(rows, width) for width, _ in shapes}
    weights = [torch.ones(height, width) for width, height in shapes]
    ways: list[Callable[[], object]] = [
        lambda: [torch.nn.functional.linear(given[w.shape[1]], w) for w in weights]
    ]
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        packed = [(w.shape[1], torch.ops.mkldnn._reorder_linear_weight(w, rows)) for w in weights]
        linear = torch.ops.mkldnn._linear_pointwise
        ways.append(lambda: [linear(given[width], w, None, "none", [], "") for width, w in packed])
    if torch.backends.quantized.engine in ("x86", "fbgemm"):
        halves = [(w.shape[1], torch.ops.quantized.linear_prepack_fp16(w, None)) for w in weights]
        ways.append(lambda: [torch.ops.quantized.linear_dynamic_fp16(given[k], w) for k, w in halves])
    flops = 2.0 * rows * sum(width * height for width, height in shapes)
    return flops / _seconds(ways, pick)


def _products(left: torch.Tensor, right: torch.Tensor) -> list[Callable[[], object]]:
    ways: list[Callable[[], object]] = [lambda: left @ right]
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        packed = torch.ops.mkldnn._reorder_linear_weight(right, _ROWS)
        ways.append(lambda: torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], ""))
    return ways


def _halves(left: torch.Tensor, right: torch.Tensor) -> list[Callable[[], object]]:
    one, other = left.bfloat16(), right.bfloat16()
    return [lambda: one @ other]


def _seconds(ways: list[Callable[[], object]], pick: Callable[[list[float]], float]) -> float:
    """CPU seconds per thread of the best way; waiting for other programs does not count."""
    found = []
    for way in ways:
        way()
        spent = []
        for _ in range(_REPETITIONS):
            start = time.process_time()
            way()
            spent.append(time.process_time() - start)
        found.append(pick(spent))
    return min(found) / torch.get_num_threads()


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
