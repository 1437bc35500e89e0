"""Reading a corpus: JSONL or JSONL.xz files of `{"text"}` or `{"messages"}`, one group per file stem."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from senmon.errors import DataInvalid, Problem
from senmon.messages import Message
from senmon.rendering import CALL_START, call_text, parse_call

MAX_LINE_CHARS = 2_000_000
PATTERNS = ("*.jsonl", "*.jsonl.xz")
UNREADABLE = "the corpus can't be read"
_STEM = re.compile(r"^(?P<group>.+?)(-\d+)?\.jsonl(\.xz)?$")


class Renders(Protocol):
    """What is needed of a renderer here."""

    def encode(self, text: str) -> tuple[int, ...]: ...
    def prompt(self, messages: Sequence[Message], *, released: str = "") -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document. `source` names its origin within the group."""

    group: str
    source: str
    content: str | tuple[Message, ...]

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of the text itself, calls included, markers of turns not: the unit of bits per byte."""
        if isinstance(self.content, str):
            return len(self.content.encode())
        calls = (call_text(call) for message in self.content for call in message.tool_calls)
        return sum(len(text.encode()) for text in (*(m.content for m in self.content), *calls))

    @property
    def is_conversation(self) -> bool:
        return not isinstance(self.content, str)

    @property
    def uses_tools(self) -> bool:
        """A conversation with calls or results of actions."""
        if isinstance(self.content, str):
            return False
        return any(message.role == "tool" or message.tool_calls for message in self.content)


def corpus_files(places: Iterable[Path], *, leave_out: Iterable[Path | None] = ()) -> list[Path]:
    """The corpus files that `places` (files and folders) stand for, sorted within a folder.

    Files in `leave_out` (held-out ones) are not taken. Raises DataInvalid naming every place that is
    missing, holds nothing, or is no corpus file.
    """
    problems: list[Problem] = []
    held = {path.resolve() for path in leave_out if path is not None}
    found: dict[Path, None] = {}
    for place in places:
        inside = sorted(path for pattern in PATTERNS for path in place.glob(pattern))
        if place.is_dir():
            found |= dict.fromkeys(path for path in inside if path.resolve() not in held)
            if not inside:
                problems.append(Problem(str(place), 0, "", "holds no .jsonl or .jsonl.xz file", _REMEDY))
        elif not place.is_file():
            problems.append(Problem(str(place), 0, "", "no such file or folder", _REMEDY))
        elif _STEM.match(place.name) is None:
            problems.append(Problem(str(place), 0, "", "not a .jsonl or .jsonl.xz file", _REMEDY))
        elif place.resolve() not in held:
            found[place] = None
    if problems:
        raise DataInvalid(UNREADABLE, problems)
    return list(found)


_REMEDY = "name JSONL or JSONL.xz files, or their folder"


def group_of(path: Path) -> str:
    """`support` for `support-00.jsonl.xz`. Raises DataInvalid for another kind of file."""
    match = _STEM.match(path.name)
    if match is None:
        raise DataInvalid(UNREADABLE, [Problem(str(path), 0, "", "not a .jsonl or .jsonl.xz file", _REMEDY)])
    return match["group"]


def read_documents(path: Path, *, group: str | None = None) -> Iterator[Document]:
    """Documents of one file, streamed. A broken line raises DataInvalid with its number."""
    name = group or group_of(path)
    number = 0
    opener: Any = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            while line := file.readline(MAX_LINE_CHARS + 1):
                number += 1
                if line.strip():
                    yield _document(line, path, number, name)
    except (UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        kind = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "a damaged .xz file"
        problem = Problem(str(path), number + 1, "", f"{kind} ({error})", "fetch or save the file again")
        raise DataInvalid(UNREADABLE, [problem]) from error


def _document(line: str, path: Path, number: int, group: str) -> Document:
    try:
        if len(line) > MAX_LINE_CHARS:
            raise ValueError(f"longer than {MAX_LINE_CHARS:,} characters")
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")
        if "messages" in record:
            content: Any = tuple(_message(message) for message in record["messages"])
        else:
            content = record.get("text")
        if not content or not isinstance(content, str | tuple):
            raise ValueError("neither `text` nor `messages`")
        return Document(group, str(record.get("source", group)), content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"a message without {error}" if isinstance(error, KeyError) else str(error)
        problem = Problem(str(path), number, "", f"not a document: {why}", "mend or remove the line")
        raise DataInvalid(UNREADABLE, [problem]) from error


def _message(data: dict[str, Any]) -> Message:
    """A message; an assistant's text that is wholly a call becomes a call, so that its markers are tokens."""
    if data["role"] not in ("system", "user", "assistant", "tool"):
        raise ValueError(f"unknown role {data['role']!r}")
    content = str(data["content"])
    if data["role"] == "assistant" and content.startswith(CALL_START):
        try:
            return Message("assistant", tool_calls=(parse_call(content),))
        except ValueError:
            return Message("assistant", content)
    return Message(data["role"], content)


def token_ids(document: Document, renderer: Renders, end: int) -> list[int]:
    """A document as tokens, closed by `end` (end of text)."""
    if isinstance(document.content, str):
        return [*renderer.encode(document.content), end]
    opened = renderer.prompt(())  # an opened assistant turn: what `prompt` appends after the messages
    ids = renderer.prompt(document.content)
    return [*ids[: len(ids) - len(opened)], end]
