"""What a source file is, before anything reads it: its true kind counts, not its name."""

from __future__ import annotations

import os
from pathlib import Path

from senmon.dataset.imports.target import refusal
from senmon.errors import Problem

_HEAD = 4096
#: First bytes → what it is, what to do.
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive", "unpack it and import a file of it"),
    (b"\x1f\x8b", "a gzip file", "unpack it first: gunzip"),
    (b"BZh", "a bzip2 file", "unpack it first: bunzip2"),
    (b"\xfd7zXZ", "an xz file", "unpack it first: unxz"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it first: unzstd"),
    (b"\x80\x02", "a Python pickle, which is never read", "ask for the data as JSONL or Parquet"),
    (b"\x80\x03", "a Python pickle, which is never read", "ask for the data as JSONL or Parquet"),
    (b"\x80\x04", "a Python pickle, which is never read", "ask for the data as JSONL or Parquet"),
    (b"\x80\x05", "a Python pickle, which is never read", "ask for the data as JSONL or Parquet"),
    (b"PAR1", "a Parquet file", "use `senmon import parquet`"),
    (b"ARROW1", "an Arrow file", "use `senmon import hf` on its folder"),
    (b"SQLite format 3\0", "an SQLite database", "export its table as CSV"),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
)


def check_file(path: Path, *, wanted: bytes = b"") -> None:
    """Raises DataInvalid when `path` can't be read, is no regular file, or is of another kind.

    `wanted`: the file must begin with these bytes (Parquet); without it, it must be text.
    """
    head = _head(path)
    if wanted:
        if not head.startswith(wanted):
            raise _refused(path, f"is {_kind(head) or 'not a Parquet file'}", "name a .parquet file")
        return
    if kind := _kind(head):
        remedy = next(remedy for _, name, remedy in _KINDS if name == kind)
        raise _refused(path, f"is {kind}", remedy)
    if not head.strip(b"\xef\xbb\xbf\r\n\t "):
        if path.stat().st_size <= _HEAD:
            raise _refused(path, "is empty", "check the path")
    elif head.count(0) > len(head) // 10:
        raise _refused(path, "is not text", "check the path, and the format")


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe or a device would be waited for
            there = path.is_dir() or os.path.lexists(path)
            why = "is a folder" if path.is_dir() else "is not a regular file" if there else "can't be read"
            raise _refused(path, why, "name one file" if there else "check the path")
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise _refused(path, f"can't be read: {error.strerror or error}", "check the path") from error
    except ValueError as error:  # a NUL in the name
        raise _refused(path, f"can't be read: {error}", "check the path") from error


def _kind(head: bytes) -> str:
    return next((name for magic, name, _ in _KINDS if head.startswith(magic)), "")


def _refused(path: Path, why: str, remedy: str) -> Exception:
    return refusal(path.name, Problem(str(path), 0, "", why, remedy))
