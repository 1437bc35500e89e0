"""Processes that die where they are told to: before their n-th change of a file, or in the middle of a write.

The work runs in a forked child, so that a hundred points cost a hundred forks and not a hundred starts.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from senmon.store.sqlite import Connection

#: Seconds after which a child counts as stuck: a hang is a failure too.
PATIENCE = 120
CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link"})
WRITING = os.O_WRONLY | os.O_RDWR
#: Of Linux's `prctl`.
_DEATH_SIGNAL = 1
Work = Callable[[], None]


def forked(work: Work, before: Work = lambda: None, *, patience: int = PATIENCE) -> int:
    """The exit status of a child that does `before`, then `work`; a signal's number is negative."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            dies_with_parent()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(patience)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            before()
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dies_with_parent() -> None:
    """Whoever stops a measurement leaves none of its processes behind. Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


def changes_of(work: Work, root: Path) -> int:
    """How many files `work` changes below `root`, counted in a child that does it to the end."""
    reader, writer = os.pipe()
    last = 0

    def reached(count: int) -> None:
        nonlocal last
        last = count

    def told() -> None:
        work()
        os.write(writer, str(last).encode())

    status = forked(told, lambda: _watch(root, reached))
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    if status != 0 or not text:
        raise RuntimeError(f"the work that is to be killed fails by itself (status {status})")
    return int(text)


def killed_before(work: Work, root: Path, change: int) -> int:
    """`work`, killed with SIGKILL before its `change`-th change of a file below `root`."""

    def reached(count: int) -> None:
        if count == change:
            os.kill(os.getpid(), signal.SIGKILL)

    return forked(work, lambda: _watch(root, reached))


def killed_within(work: Work, size: int) -> int:
    """`work`, killed by the system in the write that makes any file longer than `size` bytes."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return forked(work, limited)


def killed_after(work: Work, seconds: float) -> int:
    """`work`, killed with SIGKILL so many seconds after its start; 0 when it was faster."""

    def alarmed() -> None:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-4))

    return forked(work, alarmed)


def killed_at_commit(work: Work, commit: int, *, before: bool) -> int:
    """`work`, killed with SIGKILL right before or right after its `commit`-th change of a SQLite database."""

    def reached(count: int, early: bool) -> None:
        if (count, early) == (commit, before):
            os.kill(os.getpid(), signal.SIGKILL)

    return forked(work, lambda: watch_commits(reached))


def watch_commits(reached: Callable[[int, bool], None]) -> None:
    """From here on `reached` hears of each commit of this process that changes a SQLite database: its number,
    and whether it is still to come."""
    commit, count = Connection.commit, 0

    async def watched(self: Connection) -> None:
        nonlocal count
        writing = self.writing
        count += writing
        if writing:
            reached(count, True)
        await commit(self)
        if writing:
            reached(count, False)

    setattr(Connection, "commit", watched)  # noqa: B010 — of this process only, which ends soon


def full_disk(size: int) -> None:
    """From here on, this process is refused every write beyond `size` bytes of a file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _watch(root: Path, reached: Callable[[int], None]) -> None:
    place, count = str(root.resolve()), 0

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal count
        changes = event in CHANGES or (event == "open" and isinstance(given[2], int) and given[2] & WRITING)
        if changes and any(place in str(Path.cwd() / os.fspath(one)) for one in given[:2] if _names(one)):
            count += 1
            reached(count)

    sys.addaudithook(hook)


def _names(one: Any) -> bool:
    return isinstance(one, str | os.PathLike)
