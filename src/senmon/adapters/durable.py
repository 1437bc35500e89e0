"""Files that survive a kill: atomic replacement, fsynced appends, folder renames, a lock per folder."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY = ".tmp-"
#: Left-over temporary folders older than this belong to a process that died.
SWEEP_SECONDS = 3600
#: Of Linux's `renameat2`.
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def canonical_json(data: Any) -> str:
    """One text per value: keys sorted, no spaces, no NaN (ValueError)."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def write_text(path: Path, text: str) -> None:
    """Replaces `path` in one step: a reader sees the old or the new text, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_json(path: Path, data: Any) -> None:
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Appends one JSON line and waits for the disk. A torn line of an earlier kill stays on its own line."""
    line = json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            line = line if file.read(1) == b"\n" else "\n" + line
        file.write(line.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> tuple[dict[str, Any], ...]:
    """The records of an append-only file, oldest first. A torn line is skipped."""
    if not path.is_file():
        return ()
    records = (_record(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return tuple(record for record in records if record is not None)


def _record(line: str) -> dict[str, Any] | None:
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder beside its destination (same filesystem); removed unless it was renamed away."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install_folder(folder: Path, destination: Path) -> None:
    """Makes a finished temporary folder appear at `destination`, replacing what is there."""
    for path in folder.iterdir():
        fsync_file(path)
    fsync_folder(folder)
    aside = destination.with_name(f"{TEMPORARY}old-{uuid.uuid4().hex[:8]}")
    if destination.exists():
        if not _exchange(folder, destination):
            _replace(folder, destination, aside)
    else:
        folder.replace(destination)
    fsync_folder(destination.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Two folders change names in one step, so that a kill never finds neither; False where the system or
    the file system can't (renameat2 of Linux)."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0)


def _replace(folder: Path, destination: Path, aside: Path) -> None:
    destination.replace(aside)
    try:
        folder.replace(destination)
    except BaseException:
        aside.replace(destination)
        raise


def sweep(parent: Path, *, older_than: float = SWEEP_SECONDS) -> None:
    """Removes temporary files and folders that a killed process left in `parent`."""
    limit = time.time() - older_than
    for path in parent.glob(f"{TEMPORARY}*"):
        try:
            if path.lstat().st_mtime > limit:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        except OSError:
            continue


@contextmanager
def locked(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Holds the folder's lock: one process and one thread at a time, freed by the system on a kill."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a+b") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield


@contextmanager
def try_locked(folder: Path, name: str) -> Iterator[bool]:
    """Like `locked`, but gives False at once when somebody else holds the lock."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a+b") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
