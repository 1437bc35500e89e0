"""What this process holds and held at most, in MB."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path


def memory_now() -> float:
    """Resident memory; where the system does not tell it, the most so far."""
    return _status("VmRSS") or peak_memory()


def peak_memory() -> float:
    """The most since the start, or since `forget_peak`."""
    unit = 2**20 if sys.platform == "darwin" else 1024
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> float:
    """Starts the peak anew where the system can; what the process holds now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return memory_now()


def _status(name: str) -> float | None:
    """A field of Linux' /proc/self/status."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.startswith(f"{name}:")), None)
    return int(line.split()[1]) / 1024 if line else None
