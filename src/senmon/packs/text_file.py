"""Reading a pack's text files: bounded, UTF-8, with the line of what is wrong."""

from __future__ import annotations

from pathlib import Path

from senmon.errors import PackInvalid, Problem

MAX_TEXT_BYTES = 256 * 1024


def invalid(problem: Problem, *more: Problem) -> PackInvalid:
    """A PackInvalid of these problems, for the loader to gather."""
    return PackInvalid("The pack is not valid", (problem, *more))


def read_text(path: Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """The text of `path` without a byte order mark and with `\\n` line ends.

    Raises PackInvalid when the file is missing, over `limit` bytes, or not UTF-8 (with the line).
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        why = error.strerror or "can't be read"
        raise invalid(
            Problem(str(path), 0, "", f"can't be read: {why}", "check that it is a file")
        ) from error
    if len(data) > limit:
        raise invalid(Problem(str(path), 0, "", f"is larger than {limit // 1024} KiB", "make it shorter"))
    return decode(data, str(path))


def decode(data: bytes, path: str) -> str:
    """`data` as text. Raises PackInvalid with the line of the first byte that is not UTF-8."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem(path, line, "", "is not UTF-8 text", "save the file with the encoding UTF-8")
        raise invalid(problem) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
