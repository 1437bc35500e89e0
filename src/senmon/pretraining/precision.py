"""Which arithmetic this machine is fast at, measured; and whether compiling pays."""

from __future__ import annotations

import shutil
from typing import Literal

import torch

from senmon.bases.arithmetic import bf16_pays
from senmon.errors import ConfigError

Precision = Literal["fp32", "bf16"]
COMPILE_FROM_MINUTES = 30.0


def choose_precision(wanted: str, device: str) -> Precision:
    """`auto`: bf16 on a GPU and on a CPU that multiplies it clearly faster, which is measured.

    Raises ConfigError for another word than auto, fp32 and bf16.
    """
    if wanted == "fp32" or wanted == "bf16":
        return wanted  # type: ignore[return-value]  # narrowed by value, which mypy does not follow
    if wanted != "auto":
        raise ConfigError(f"--precision {wanted}: unknown", remedy="choose auto, fp32 or bf16")
    if device != "cpu":
        return "bf16"
    return "bf16" if bf16_pays() else "fp32"


def use_threads(count: int | None) -> None:
    """So many threads for torch; None leaves its own choice."""
    if count is not None:
        torch.set_num_threads(count)


def torch_dtype(precision: Precision) -> torch.dtype:
    return torch.bfloat16 if precision == "bf16" else torch.float32


def compiler() -> str | None:
    """The C++ compiler that compiling for a CPU needs."""
    return next((path for name in ("g++", "clang++", "c++") if (path := shutil.which(name))), None)


def choose_compile(wanted: bool | None, device: str, minutes: float | None) -> bool:
    """On for a GPU, and on a CPU for runs long enough to earn its minute or two back.

    Raises ConfigError when it is asked for on a CPU and there is no C++ compiler.
    """
    if device != "cpu":
        return wanted is not False
    if wanted and compiler() is None:
        raise ConfigError(
            "--compile needs a C++ compiler", remedy="install g++ or clang++, or leave --compile out"
        )
    if wanted is not None:
        return wanted
    return minutes is not None and minutes >= COMPILE_FROM_MINUTES and compiler() is not None
