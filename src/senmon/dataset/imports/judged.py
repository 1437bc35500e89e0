"""Whether a conversation may enter a pack, and what of its text must be cleaned first."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from senmon.dataset.call_rules import PackRules
from senmon.dataset.imports.imported import Imported
from senmon.dataset.record import Record, read_record
from senmon.errors import Problem
from senmon.packs.jsonl import MAX_LINE_BYTES

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: What chat templates put around turns and calls. A model that learns it as text says it as text.
MARKER = re.compile(r"<\|[A-Za-z0-9_]{2,40}\|>|</?tool_(?:call|response)s?>|\[/?INST\]|<</?SYS>>")


@dataclass(frozen=True, slots=True)
class Judged:
    """A conversation that may enter: its data line with `\\n`, its messages, what was cleaned."""

    line: str
    messages: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]


def judged(item: Imported, rules: PackRules, origin: str) -> Judged | Problem:
    """The data line of a conversation, or why it is refused."""
    notes: list[str] = []
    messages = [_clean(dict(message), notes) for message in item.messages]
    for index, message in enumerate(messages):
        if message.get("role") == "assistant" and (found := MARKER.search(str(message.get("content") or ""))):
            why = f"holds the control marker {found[0]}, which the model would learn to say"
            return _problem(item, f"messages.{index}.content", why, "remove it from the reply")
    data = _record(item, messages, origin)
    record = read_record(data, rules, "")
    if not isinstance(record, Record):
        field, why, remedy = record[0]
        return _problem(item, field, why, remedy)
    line = json.dumps(data, ensure_ascii=False) + "\n"
    try:
        size = len(line.encode())
    except UnicodeEncodeError:
        why = "holds half of a surrogate pair (\\ud…), which is not text"
        return _problem(item, "messages", why, "correct the character")
    if size > MAX_LINE_BYTES:
        why = f"makes a line of more than {MAX_LINE_BYTES // 1024**2} MB"
        return _problem(item, "messages", why, "divide the conversation")
    return Judged(line, tuple(messages), tuple(notes))


def _record(item: Imported, messages: list[dict[str, Any]], origin: str) -> dict[str, Any]:
    data: dict[str, Any] = {"messages": messages, "intent": item.intent, "origin": origin}
    if item.split:
        data["split"] = item.split
    if item.licence:
        data["licence"] = item.licence
    if item.tags:
        data["tags"] = list(item.tags)
    return data


def _clean(message: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    text = message.get("content")
    if not isinstance(text, str):
        return message
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        notes.append("line ends made alike")
    if _CONTROL.search(text):
        text = _CONTROL.sub("", text)
        notes.append("control characters removed")
    if message.get("role") != "assistant" and MARKER.search(text):
        notes.append("control markers kept as plain text")
    message["content"] = text
    return message


def _problem(item: Imported, field: str, why: str, remedy: str) -> Problem:
    return Problem(item.path, item.line, field, why, remedy)
