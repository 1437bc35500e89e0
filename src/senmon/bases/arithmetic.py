"""Which arithmetic is the faster one on this processor: measured, since no flag tells how fast it is."""

from __future__ import annotations

import time
from functools import cache

import torch
from torch import Tensor

#: How much faster bf16 must multiply before it is worth its rounding.
CLEARLY = 1.5
#: Rows, inputs and outputs of the product that is timed: a linear layer of a small base.
_ROWS, _INPUTS, _OUTPUTS = 1024, 320, 960
_REPETITIONS = 5


@cache
def bf16_pays() -> bool:
    """Whether this CPU multiplies bf16 clearly faster than float32; takes some 20 ms, once per process.

    True with AVX-512 BF16 or AMX; without such instructions bf16 is emulated and slower.
    """
    return _seconds(torch.float32) > CLEARLY * _seconds(torch.bfloat16)


@torch.inference_mode()
def _seconds(dtype: torch.dtype) -> float:
    """The best of a few products, in CPU seconds: other programs on the machine do not count."""
    left = torch.ones(_ROWS, _INPUTS, dtype=dtype)
    right = torch.ones(_OUTPUTS, _INPUTS, dtype=dtype)
    return min(_once(left, right) for _ in range(_REPETITIONS))


def _once(left: Tensor, right: Tensor) -> float:
    start = time.process_time()
    torch.nn.functional.linear(left, right)
    return time.process_time() - start
