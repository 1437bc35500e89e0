"""One data line's fields, checked: everything but the split, which needs the whole set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from senmon.dataset.call_rules import Fault, PackRules
from senmon.dataset.example import SPLITS
from senmon.dataset.talk import read_messages
from senmon.messages import Message

FIELDS = ("messages", "intent", "id", "split", "licence", "origin", "tags", "rejected")
MAX_LABEL = 80
#: Rejected replies of one line.
MOST_REJECTED = 8


@dataclass(frozen=True, slots=True)
class Record:
    """A line that is right in itself. `id` and `split` may still be empty."""

    messages: tuple[Message, ...]
    intent: str
    id: str
    split: str
    licence: str
    origin: str
    tags: tuple[str, ...]
    source: str
    rejected: tuple[str, ...] = ()


def read_record(data: Mapping[str, Any], rules: PackRules, source: str) -> Record | tuple[Fault, ...]:
    """The record, or all of its faults."""
    messages, faults = read_messages(data.get("messages"), rules)
    every = [*_field_faults(data), *faults]
    if every:
        return tuple(every)
    return Record(
        messages=messages,
        intent=data["intent"],
        id=data.get("id") or "",
        split=data.get("split") or "",
        licence=data.get("licence") or rules.licence,
        origin=data.get("origin") or "",
        tags=tuple(data.get("tags") or ()),
        source=source,
        rejected=tuple(data.get("rejected") or ()),
    )


def _field_faults(data: Mapping[str, Any]) -> Iterator[Fault]:
    for name in sorted(set(data) - set(FIELDS)):
        yield name, "unknown field", f"known: {', '.join(FIELDS)}"
    intent = data.get("intent")
    if not isinstance(intent, str) or not intent or intent != intent.strip() or not intent.isprintable():
        yield "intent", "is missing or not a label", 'add "intent": "opening_hours"'
    for name in ("intent", "id", "split", "licence", "origin"):
        value = data.get(name, "")
        if not isinstance(value, str):
            yield name, "is not text", "put it in quotes"
        elif name in ("intent", "id") and len(value) > MAX_LABEL:
            yield name, f"has more than {MAX_LABEL} characters", "shorten it"
    if data.get("split", "train") not in SPLITS:
        yield "split", f"unknown split `{data['split']}`", f"one of {', '.join(SPLITS)}, or leave it out"
    tags = data.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield "tags", "is not a list of texts", 'write ["tag"]'
    yield from _rejected_faults(data)


def _rejected_faults(data: Mapping[str, Any]) -> Iterator[Fault]:
    rejected = data.get("rejected", [])
    if not isinstance(rejected, list) or not all(isinstance(one, str) and one.strip() for one in rejected):
        yield "rejected", "is not a list of replies", 'write ["a reply that nobody wanted"]'
        return
    if len(rejected) > MOST_REJECTED:
        yield "rejected", f"has more than {MOST_REJECTED} replies", "keep the most frequent ones"
    messages = data.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if isinstance(last, dict) and last.get("content") in rejected:
        yield "rejected", "holds the reply that is to be learnt", "take it out"
