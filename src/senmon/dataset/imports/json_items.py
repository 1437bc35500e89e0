"""The objects of a JSON file, one after the other: a JSON array or JSON Lines, in bounded memory.

The array reader decodes an item from a growing piece of the file with `json`'s own decoder and passes over
what it can't decode by counting brackets, so that one broken or gigantic item costs only itself. (`ijson`
reads arrays too, but stops at the first syntax error and has no bound on an item.)
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from senmon.dataset.imports.source_file import check_file
from senmon.errors import Problem
from senmon.packs.jsonl import MAX_LINE_BYTES, JsonLine, parse_object, read_jsonl

MAX_ITEM = MAX_LINE_BYTES
_CHUNK = 64 * 1024
_SPACE = re.compile(r"[ \t\n\r]*")
_UNDECODED = re.compile("[\udc80-\udcff]")
_TURNS = re.compile(r'["\\{}\[\],]')


def json_items(path: Path) -> Iterator[JsonLine]:
    """Each object of `path` with the line where it begins, or what is wrong with it.

    Raises DataInvalid when the file can't be read or is not text. Never holds more than an item of 1 MB.
    """
    check_file(path)
    if not _is_array(path):
        yield from read_jsonl(path)
        return
    with path.open("rb") as file:
        yield from _Array(file, str(path)).items()


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.read(3)
        rest = file.read(_CHUNK) if first == codecs.BOM_UTF8 else first
        while rest and not rest.strip():
            rest = file.read(_CHUNK)
        return rest.lstrip().startswith(b"[")


class _Array:
    """Reads one JSON array. `buffer[at:]` is what is still to be read; `line` is where `at` is."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.file, self.path = file, path
        self.decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self.buffer, self.at, self.line, self.ended = "", 0, 1, False

    def items(self) -> Iterator[JsonLine]:
        self._space()
        self._go(self.at + 1)  # the opening bracket
        if self._next() == "]":
            yield from self._rest(self.line)
            return
        while True:
            line = self.line
            if not self._next():
                yield self._fault(line, "the file ends within the list", "is it complete?")
                return
            yield self._item(line)
            mark = self._next()
            if mark not in (",", "]"):
                why = "broken JSON: after an item a comma or ] is missing" if mark else "ends within the list"
                yield self._fault(self.line, why, "correct it; nothing behind it was read")
                return
            self._go(self.at + 1)
            if mark == "]":
                yield from self._rest(self.line)
                return
            self._next()

    def _rest(self, line: int) -> Iterator[JsonLine]:
        if self.buffer[self.at : self.at + 1] == "]":
            self._go(self.at + 1)
        if self._next():
            remedy = "one list per file, or one object per line"
            yield self._fault(line, "there is text behind the list", remedy)

    def _item(self, line: int) -> JsonLine:
        """The item at `at`; leaves `at` behind it."""
        size = _CHUNK
        while True:
            end = self._end(self.at + size)
            if end is not None:
                text = self.buffer[self.at : end]
                self._go(end)
                return self._parsed(text, line)
            if size >= MAX_ITEM:
                self._pass_over()
                return self._fault(line, f"is larger than {MAX_ITEM // 1024**2} MB", "shorten it")
            size *= 2

    def _end(self, until: int) -> int | None:
        """Where the item at `at` ends; None when that is not in sight."""
        self._fill(until)
        end: int | None
        try:
            end = _DECODER.raw_decode(self.buffer, self.at)[1]
        except (ValueError, RecursionError):
            end = self._bracket_end()
        return end if end is not None and (end < len(self.buffer) or self.ended) else None

    def _bracket_end(self) -> int | None:
        """Where a broken item ends by its brackets: at the comma or bracket behind it."""
        walk = _Walk()
        for match in _TURNS.finditer(self.buffer, self.at):
            if walk.ends(match[0], match.start()):
                return match.start()
        return len(self.buffer) if self.ended else None

    def _pass_over(self) -> None:
        walk = _Walk()
        while True:
            for match in _TURNS.finditer(self.buffer, self.at):
                if walk.ends(match[0], match.start()):
                    self._go(match.start())
                    return
            end = len(self.buffer)
            self._go(end)
            self._fill(self.at + _CHUNK)
            walk.moved(end, self.at)
            if self.at >= len(self.buffer):
                return

    def _parsed(self, text: str, line: int) -> JsonLine:
        if not text.isascii() and _UNDECODED.search(text):
            return self._fault(line, "is not UTF-8 text", "save the file with the encoding UTF-8")
        try:
            return JsonLine(line, parse_object(text))
        except ValueError as error:
            return self._fault(line, str(error), "each item of the list must be one JSON object")

    def _next(self) -> str:
        """The next character that is no space, at `at`; empty at the end."""
        self._space()
        return self.buffer[self.at : self.at + 1]

    def _space(self) -> None:
        while True:
            self._fill(self.at + 1)
            match = _SPACE.match(self.buffer, self.at)
            self._go(match.end() if match else self.at)
            if self.at < len(self.buffer) or self.ended:
                return

    def _go(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to

    def _fill(self, until: int) -> None:
        if self.at > _CHUNK * 4:
            until -= self.at
            self.buffer, self.at = self.buffer[self.at :], 0
        while len(self.buffer) < until and not self.ended:
            raw = self.file.read(_CHUNK)
            self.ended = not raw
            self.buffer += self.decode(raw, final=self.ended)

    def _fault(self, line: int, why: str, remedy: str) -> JsonLine:
        return JsonLine(line, None, Problem(self.path, line, "", why, remedy))


class _Walk:
    """Follows brackets and strings. In broken JSON a guess, but one that goes on at the next item."""

    def __init__(self) -> None:
        self.depth = 0
        self.text = False
        self.escaped = -1

    def ends(self, mark: str, at: int) -> bool:
        """Whether the item has ended before `mark`, which stands at `at`."""
        if self.text:
            if mark == "\\" and self.escaped != at:
                self.escaped = at + 1
            elif mark == '"' and self.escaped != at:
                self.text = False
            return False
        if self.depth == 0 and mark in ",]":
            return True
        self.text = mark == '"'
        self.depth += (mark in "{[") - (mark in "}]")
        return False

    def moved(self, end: int, start: int) -> None:
        """What stood at `end` stands at `start` now: an escape may lie between two pieces."""
        self.escaped = start if self.escaped == end else -1


def _plain(pairs: list[tuple[str, Any]]) -> None:
    """Only the end of the item is wanted here; `parse_object` reads it."""


_DECODER = json.JSONDecoder(object_pairs_hook=_plain)
