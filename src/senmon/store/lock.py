"""One server process per state: an advisory lock on `<state>.lock` that dies with its process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from senmon.errors import StateLocked


class StateLock:
    """Holds the lock from `acquire` to `release`. The file holds the pid of the owner, for people."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> None:
        """Raises StateLocked, naming the owner's pid."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise StateLocked(
                f"another senmon server (pid {owner}) uses the state {self.path.parent}",
                remedy=f"stop it (`kill {owner}`), or set SENMON_HOME to another folder; SQLite state serves "
                "one process: for more, set SENMON_DATABASE_URL to a PostgreSQL database",
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode("ascii"), 0)
        self._file = file

    def release(self) -> None:
        """The file stays: unlinking it would let two processes lock two files of one name."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def __enter__(self) -> StateLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
