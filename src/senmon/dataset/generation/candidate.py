"""An example that was generated, before anybody accepted it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from senmon.dataset.example import Dataset, Example
from senmon.packs.jsonl import read_jsonl
from senmon.packs.pack import Pack

#: `traffic`: proposed from what visitors wrote (`senmon gaps`).
Method = Literal["templates", "paraphrase", "noise", "self-instruct", "traffic"]
METHODS: tuple[Method, ...] = ("templates", "paraphrase", "noise", "self-instruct")


@dataclass(frozen=True, slots=True)
class Parent:
    """A training example and its data line, which names articles, so that children never go stale."""

    example: Example
    record: Mapping[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.record["messages"])


@dataclass(frozen=True, slots=True)
class Candidate:
    """`parent` is the id of the example (or `file/name` of the template) that it was made from."""

    method: Method
    seed: int
    parent: str
    intent: str
    messages: tuple[Mapping[str, Any], ...]
    licence: str = ""

    @property
    def origin(self) -> str:
        return f"generated:{self.method}:{self.seed}:{self.parent}"

    @property
    def id(self) -> str:
        """The same for the same conversation, whoever generates it."""
        text = json.dumps([self.intent, self.messages], ensure_ascii=False, sort_keys=True)
        return f"gen-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def record(self) -> dict[str, Any]:
        """The data line. It is for training: what is held out stays written by people."""
        data = {"id": self.id, "intent": self.intent, "split": "train", "messages": list(self.messages)}
        licence = {"licence": self.licence} if self.licence else {}
        return {**data, **licence, "origin": self.origin}


def training_parents(pack: Pack, dataset: Dataset) -> tuple[Parent, ...]:
    """Every training example that people wrote, with its line. Generated ones have no children."""
    by_source = {example.source: example for example in dataset.split("train")}
    return tuple(
        Parent(by_source[source], record)
        for source, record in _lines(pack)
        if source in by_source and not by_source[source].origin.startswith("generated:")
    )


def _lines(pack: Pack) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in pack.data_files:
        name = path.relative_to(pack.path).as_posix()
        for line in read_jsonl(path):
            if line.record is not None:
                yield f"{name}:{line.number}", line.record


def with_request(parent: Parent, text: str, method: Method, seed: int) -> Candidate:
    """The parent's conversation with another first user message."""
    messages = parent.messages
    first = next(index for index, message in enumerate(messages) if message.get("role") == "user")
    messages[first] = {**messages[first], "content": text}
    example = parent.example
    return Candidate(
        method, seed, example.id, example.intent, tuple(messages), str(parent.record.get("licence", ""))
    )
