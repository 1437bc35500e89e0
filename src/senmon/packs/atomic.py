"""Files and folders that appear whole or not at all.

What is still being written is hidden (`.name.XXXXXXXX.part`) and locked; what a killed process left behind
is no longer locked, and the next one that writes to the same name removes it.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from senmon.errors import PackExists

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE, linux/fs.h
_PART = ".part"
#: A part is locked at once; until then it is too young to be taken for a dead process's.
_YOUNG_S = 60.0


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that becomes `target` when the block succeeds, else vanishes.

    Raises PackExists when `target` is there, before and after the block.
    """
    _refuse(target)
    temporary = Path(tempfile.mkdtemp(dir=_parent(target), prefix=f".{target.name}.", suffix=_PART))
    lock = _locked(temporary)
    try:
        temporary.chmod(0o755)
        yield temporary
        _refuse(target)
        for path in temporary.rglob("*"):
            if path.is_file():
                _sync(path)
        temporary.rename(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _unlocked(lock)


@contextmanager
def replaced_file(target: Path) -> Iterator[IO[str]]:
    """A text stream (UTF-8, `\\n`) that replaces `target` when the block succeeds, else vanishes."""
    handle, name = tempfile.mkstemp(dir=_parent(target), prefix=f".{target.name}.", suffix=_PART)
    temporary = Path(name)
    lock = _locked(temporary)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
        _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
        _unlocked(lock)


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """A copy of `target` (empty when it is not there) that takes its place when the block succeeds.

    On Linux the two change places in one step. Elsewhere two renames follow each other; a process that dies
    between them leaves the old folder beside, and the next call puts it back. One writer at a time: hold
    `locked_folder` on the parent.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.replaced")
    _tidy_up(target, aside)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.new.", dir=target.parent))
    try:
        if target.exists():
            shutil.copytree(target, temporary, symlinks=True, dirs_exist_ok=True)
        temporary.chmod(0o755)
        yield temporary
        for path in [*temporary.rglob("*"), temporary]:
            if not path.is_symlink():
                _sync(path)
        _exchange(temporary, target, aside)
        _sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """One process and one thread at a time; the system frees it when a process dies."""
    if os.name == "nt":  # folders can't be opened there
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _parent(target: Path) -> Path:
    """The folder of `target`, made, and rid of what dead processes left of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = re.compile(re.escape(f".{target.name}.") + r"[a-z0-9_]{8}" + re.escape(_PART))
    with suppress(OSError):
        for path in [path for path in target.parent.iterdir() if part.fullmatch(path.name)]:
            if _is_dead(path):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return target.parent


def _is_dead(path: Path) -> bool:
    try:
        if path.is_symlink() or time.time() - path.stat().st_mtime < _YOUNG_S:
            return False
        lock = _locked(path)
    except OSError:
        return False
    _unlocked(lock)
    return lock is not None


def _locked(path: Path) -> int | None:
    """An exclusive lock on a file or folder that dies with the process; None where there are none.

    Raises BlockingIOError when another has it.
    """
    if os.name == "nt":
        return None
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    return descriptor


def _unlocked(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def _tidy_up(target: Path, aside: Path) -> None:
    """What a process that died left behind."""
    if aside.exists() and not target.exists():
        aside.rename(target)
    for left in target.parent.glob(f".{target.name}.new.*"):
        shutil.rmtree(left, ignore_errors=True)


def _exchange(temporary: Path, target: Path, aside: Path) -> None:
    if not target.exists():
        temporary.rename(target)
    elif not _exchanged(temporary, target):
        target.rename(aside)
        try:
            temporary.rename(target)
        except BaseException:
            aside.rename(target)
            raise


def _exchanged(first: Path, second: Path) -> bool:
    """Whether the system could swap two names in one step (renameat2(2))."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(swap(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0)


def _refuse(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise PackExists(f"{target} is there already", remedy="choose another name, or move the folder away")


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows can't open folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
