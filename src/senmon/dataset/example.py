"""What is learned from: one conversation, and an ordered set of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from senmon.messages import Message

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
#: How the origin of a line begins that a reviewer's decision made.
REVIEWED = "reviewed"


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation to learn from. It has no system message; `source` is `file:line`. `rejected` are replies
    that people did not want in place of the last one."""

    id: str
    messages: tuple[Message, ...]
    intent: str
    split: Split
    source: str = ""
    licence: str = ""
    origin: str = ""
    tags: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()

    @property
    def request(self) -> str:
        """The first user message: what routing and splitting look at."""
        return next((message.content for message in self.messages if message.role == "user"), "")

    @property
    def reviewed(self) -> bool:
        """Made of a reviewer's decision about a real conversation."""
        return self.origin.startswith(f"{REVIEWED}:")


@dataclass(frozen=True)
class Dataset:
    """Examples in order. Equal contents in equal order have equal digests, wherever the files lie."""

    examples: tuple[Example, ...]

    @cached_property
    def digest(self) -> str:
        """sha256 over messages, intents, splits, tags and rejected replies, no ids, sources, licences."""
        total = hashlib.sha256()
        for example in self.examples:
            total.update(_canonical(example) + b"\n")
        return total.hexdigest()

    def split(self, name: Split) -> tuple[Example, ...]:
        return tuple(example for example in self.examples if example.split == name)

    def intents(self) -> Mapping[str, int]:
        """Intent → number of examples, the most frequent first."""
        counts = Counter(example.intent for example in self.examples)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def __len__(self) -> int:
        return len(self.examples)


def content_key(messages: tuple[Message, ...], intent: str) -> str:
    """sha256 hex of a conversation and its intent."""
    value = [[message.to_json() for message in messages], intent]
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _canonical(example: Example) -> bytes:
    value: list[object] = [content_key(example.messages, example.intent), example.split, list(example.tags)]
    if example.rejected:
        value.append(list(example.rejected))
    return json.dumps(value, ensure_ascii=False).encode()
