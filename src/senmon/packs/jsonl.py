"""Reading JSON Lines with the line of every fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from senmon.errors import Problem

MAX_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One line that is not blank: an object, or the problem that kept it from being one."""

    number: int
    record: dict[str, Any] | None
    problem: Problem | None = None


def read_jsonl(path: Path) -> Iterator[JsonLine]:
    """The lines of `path` in order, in bounded memory. Never raises for what the file holds."""
    try:
        with path.open("rb") as file:
            yield from _lines(file, str(path))
    except OSError as error:
        why = f"can't be read: {error.strerror or error}"
        yield JsonLine(0, None, Problem(str(path), 0, "", why, "check that it is a file"))


def _lines(file: BinaryIO, path: str) -> Iterator[JsonLine]:
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            why = f"line is longer than {MAX_LINE_BYTES // 1024**2} MB"
            yield JsonLine(number, None, Problem(path, number, "", why, "one example per line; shorten it"))
            _skip_rest(file, raw)
        elif raw.strip(b"\xef\xbb\xbf\t\r\n ") or (number > 1 and raw.strip()):
            yield _line(raw, number, path)


def _skip_rest(file: BinaryIO, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(MAX_LINE_BYTES)


def _line(raw: bytes, number: int, path: str) -> JsonLine:
    try:
        return JsonLine(number, parse_object(raw.decode("utf-8-sig" if number == 1 else "utf-8")))
    except UnicodeDecodeError:
        why, remedy = "is not UTF-8 text", "save the file with the encoding UTF-8"
    except ValueError as error:
        why, remedy = str(error), "one JSON object per line"
    return JsonLine(number, None, Problem(path, number, "", why, remedy))


def parse_object(text: str) -> dict[str, Any]:
    """A JSON object, strictly: no duplicate key, NaN or lone surrogate. Raises ValueError saying why not."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"broken JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise ValueError("broken JSON: nested too deep") from error
    except ValueError as error:
        if "int_max_str_digits" in str(error):  # Python's words, for its own users
            raise ValueError("holds a number of thousands of digits; write it as text") from None
        raise
    if not isinstance(value, dict):
        raise ValueError(f"is a JSON {type(value).__name__}, not an object")
    if "\\ud" in text.lower():
        _refuse_surrogates(value)
    return value


def _refuse_surrogates(value: dict[str, Any]) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a surrogate pair (\\ud…), which is not text") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key `{twice}` is given twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
