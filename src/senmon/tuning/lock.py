"""One tuning of a pack into a folder at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from senmon.errors import TuningInProgress


@contextmanager
def tuning_lock(out: Path, pack: str) -> Iterator[None]:
    """Raises TuningInProgress when another tuning holds it. The system frees it when a process dies."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / f".tuning-{pack}.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read(20).strip() or "unknown"
            raise TuningInProgress(
                f"the pack {pack!r} is being tuned into {out} by process {holder}",
                remedy="wait for it, or stop that process: it leaves a checkpoint to go on from",
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
