"""What is wrong with a dataset as a whole: repetition, contradiction, leakage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senmon.dataset.example import Dataset, Example
from senmon.dataset.near_duplicates import near_duplicates
from senmon.dataset.normal_form import conversation_key, normalised
from senmon.packs.jsonl import read_jsonl

Ids = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """One request that stands under several intents. `sources` are `file:line`."""

    request: str
    intents: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leak:
    """A training example that holds an evaluation item's turns."""

    source: str
    item: str


def exact_duplicates(dataset: Dataset) -> tuple[Ids, ...]:
    """Groups of example ids whose normalised conversations are equal."""
    groups: dict[str, list[str]] = defaultdict(list)
    for example in dataset.examples:
        groups[conversation_key(example.messages)].append(example.id)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def alike(dataset: Dataset) -> tuple[tuple[Example, ...], ...]:
    """Groups of examples whose conversations are near-duplicates; exact ones are included."""
    examples = dataset.examples
    groups = near_duplicates([conversation_key(example.messages) for example in examples])
    return tuple(tuple(examples[index] for index in group) for group in groups)


def conflicts(dataset: Dataset) -> tuple[Conflict, ...]:
    """Equal normalised requests with different intents: the router can't learn both."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in dataset.examples:
        groups[normalised(example.request)].append(example)
    return tuple(
        Conflict(group[0].request, intents, tuple(example.source for example in group))
        for group in groups.values()
        if len(intents := tuple(sorted({example.intent for example in group}))) > 1
    )


def suite_leaks(dataset: Dataset, suites: Iterable[Path]) -> tuple[Leak, ...]:
    """Training examples whose user turns begin with all user turns of an evaluation item."""
    items = {turns: item for path in suites for turns, item in _suite_turns(path)}
    found = []
    for example in dataset.split("train"):
        said = tuple(normalised(message.content) for message in example.messages if message.role == "user")
        match = next((items[said[:end]] for end in range(len(said), 0, -1) if said[:end] in items), None)
        if match:
            found.append(Leak(example.source, match))
    return tuple(found)


def _suite_turns(path: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """User turns of each readable item; the suite's own loader reports what is wrong with the others."""
    for line in read_jsonl(path):
        turns = tuple(_user_turns((line.record or {}).get("messages")))
        if turns:
            yield turns, f"{path.parent.name}/{path.name}:{line.number}"


def _user_turns(messages: Any) -> Iterator[str]:
    for message in messages if isinstance(messages, Sequence) else ():
        if (
            isinstance(message, dict)
            and message.get("role") == "user"
            and isinstance(message.get("content"), str)
        ):
            yield normalised(message["content"])


def suite_requests(path: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """The normalised user turns of each readable item of a suite, and its place (`eval/x.jsonl:3`)."""
    return _suite_turns(path)
