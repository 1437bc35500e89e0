"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from senmon.errors import PackExists

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE, linux/fs.h


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that becomes `target` when the block succeeds, else vanishes.

    Raises PackExists when `target` is there, before and after the block.
    """
    _refuse(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
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


@contextmanager
def replaced_file(target: Path) -> Iterator[IO[str]]:
    """A text stream (UTF-8, `\\n`) that replaces `target` when the block succeeds, else vanishes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
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
