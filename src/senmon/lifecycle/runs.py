"""The state of tuning runs on disk, for whoever watches: `home/runs/<pack>/<run>/progress.json`."""

from __future__ import annotations

import time
import uuid
from asyncio import CancelledError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from senmon.adapters import durable
from senmon.errors import SenmonError, TuningInProgress

PROGRESS = "progress.json"
LOCK = ".tuning.lock"
#: Progress is written at most this often; a change of phase at once.
WRITE_SECONDS = 0.5


class RunProgress(BaseModel):
    """Where a run stands. `phase` goes from `loading` over tuning's own phases to `gate` and `done`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    pack: str
    phase: str = "loading"
    step: int = 0
    steps: int = 0
    loss: float | None = None
    valid_loss: float | None = None
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    note: str = ""
    started: str = ""
    finished: str = ""
    error: str = ""
    version: str | None = None
    passed: bool | None = None
    promoted: bool = False
    result: str = ""


class RunRecorder:
    """Writes the progress of one run, atomically and not too often. Used by one thread at a time."""

    def __init__(self, home: Path, pack: str) -> None:
        started = datetime.now(UTC)
        run = f"{started:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.folder = home / "runs" / pack / run
        self.progress = RunProgress(id=run, pack=pack, started=started.isoformat(timespec="seconds"))
        self._written = 0.0
        self._write()

    def update(self, **fields: Any) -> None:
        """Changes fields of the progress; unknown ones are a ValueError."""
        unknown = set(fields) - set(RunProgress.model_fields)
        if unknown:
            raise ValueError(f"no progress field {sorted(unknown)}")
        turned = fields.get("phase", self.progress.phase) != self.progress.phase
        self.progress = self.progress.model_copy(update=fields)
        if turned or "finished" in fields or time.monotonic() - self._written >= WRITE_SECONDS:
            self._write()

    def finish(self, **fields: Any) -> None:
        self.update(finished=datetime.now(UTC).isoformat(timespec="seconds"), eta_seconds=0.0, **fields)

    def _write(self) -> None:
        durable.write_json(self.folder / PROGRESS, self.progress.model_dump(mode="json"))
        self._written = time.monotonic()


@contextmanager
def recorded(home: Path, pack: str) -> Iterator[RunRecorder]:
    """A run under the pack's lock: one at a time. What is raised inside is the run's error.

    Raises TuningInProgress when another process or thread tunes this pack.
    """
    folder = home / "runs" / pack
    with durable.try_locked(folder, LOCK) as free:
        if not free:
            raise TuningInProgress(
                f"{pack} is being tuned by another process",
                remedy=f"wait for it; its progress is in {folder}/*/{PROGRESS}",
            )
        recorder = RunRecorder(home, pack)
        try:
            yield recorder
        except BaseException as error:
            with suppress(OSError):  # a full disk may be why it failed
                recorder.finish(phase="failed", error=_words(error))
            raise


def _words(error: BaseException) -> str:
    """What people are told: our own errors in full, of others the kind only (they may hold private text)."""
    if isinstance(error, SenmonError):
        return str(error)
    return "stopped" if isinstance(error, CancelledError | KeyboardInterrupt) else type(error).__name__


def tuning_now(home: Path, pack: str) -> bool:
    """Whether a run of this pack holds the lock."""
    folder = home / "runs" / pack
    if not (folder / LOCK).exists():
        return False
    with durable.try_locked(folder, LOCK) as free:
        return not free


def runs(home: Path, pack: str) -> tuple[RunProgress, ...]:
    """The runs of a pack, oldest first. One that was killed is `failed`, with an error that says so."""
    folder = home / "runs" / pack
    found = [_read(path) for path in sorted(folder.glob(f"*/{PROGRESS}"))] if folder.is_dir() else []
    known = [progress for progress in found if progress is not None]
    busy = any(not progress.finished for progress in known) and tuning_now(home, pack)
    newest = known[-1].id if known else ""
    return tuple(
        progress if progress.finished or (busy and progress.id == newest) else _killed(progress)
        for progress in known
    )


def latest_runs(home: Path) -> tuple[Mapping[str, Any], ...]:
    """The newest run of each pack, as JSON objects, newest first."""
    root = home / "runs"
    packs = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    newest = [found[-1] for pack in packs if (found := runs(home, pack))]
    newest.sort(key=lambda progress: progress.started, reverse=True)
    return tuple(progress.model_dump(mode="json") for progress in newest)


def _read(path: Path) -> RunProgress | None:
    try:
        return RunProgress.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None


def _killed(progress: RunProgress) -> RunProgress:
    return progress.model_copy(update={"phase": "failed", "error": "the process ended before the run did"})
