"""Reading a corpus: JSONL or JSONL.xz files of `{"text"}` or `{"messages"}`, one group per file stem."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from senmon.errors import DataInvalid, Problem
from senmon.messages import Message
from senmon.rendering import CALL_START, parse_call

MAX_LINE_CHARS = 2_000_000
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
        """UTF-8 bytes of the text itself, markers excluded: the unit of bits per byte."""
        parts = (self.content,) if isinstance(self.content, str) else (m.content for m in self.content)
        return sum(len(part.encode()) for part in parts)


def group_of(path: Path) -> str:
    """`support` for `support-00.jsonl.xz`. Raises DataInvalid for another kind of file."""
    match = _STEM.match(path.name)
    if match is None:
        problem = Problem(
            str(path), 0, "", "not a .jsonl or .jsonl.xz file", "name JSONL files or their folder"
        )
        raise DataInvalid("the corpus can't be read", [problem])
    return match["group"]


def read_documents(path: Path, *, group: str | None = None) -> Iterator[Document]:
    """Documents of one file, streamed. A broken line raises DataInvalid with its number."""
    name = group or group_of(path)
    opener: Any = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _document(line, path, number, name)


def _document(line: str, path: Path, number: int, group: str) -> Document:
    try:
        if len(line) > MAX_LINE_CHARS:
            raise ValueError(f"longer than {MAX_LINE_CHARS:,} characters")
        record = json.loads(line)
        if "messages" in record:
            content: Any = tuple(_message(message) for message in record["messages"])
        else:
            content = record["text"]
        if not content or not isinstance(content, str | tuple):
            raise ValueError("neither `text` nor `messages`")
        return Document(group, str(record.get("source", group)), content)
    except (ValueError, KeyError, TypeError) as error:
        problem = Problem(str(path), number, "", f"not a document: {error}", "mend or remove the line")
        raise DataInvalid("the corpus can't be read", [problem]) from error


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
