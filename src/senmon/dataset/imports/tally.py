"""What an import counts while it runs, in bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from senmon.dataset.imports.imported import Imported, LeftOut
from senmon.dataset.imports.judged import Judged
from senmon.dataset.problem_list import ProblemList
from senmon.errors import Problem

PLACEHOLDER = re.compile(r"\{\{([^{}]{1,80})\}\}")
#: More different intents than this are texts in the wrong column, not labels.
MAX_INTENTS = 10_000
_MAX_NAMES = 1000
_PIECE = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of the replies in words and punctuation marks: about ¾ of a tokenizer's count."""

    median: int = 0
    p95: int = 0
    longest: int = 0


@dataclass(slots=True)
class Tally:
    """Counts of rows, intents, splits, changes, placeholders and lengths of the replies."""

    refused: ProblemList = field(default_factory=ProblemList)
    rows: int = 0
    taken: int = 0
    placeholders: int = 0
    intents: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    slots: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)

    def take(self, item: Imported, taken: Judged) -> None:
        """Counts a conversation that is taken."""
        replies = [str(said["content"]) for said in taken.messages if _speaks(said)]
        names = {" ".join(name.split()) for text in replies for name in PLACEHOLDER.findall(text)}
        self.taken += 1
        self.placeholders += bool(names)
        self.intents[item.intent] += 1
        self.splits[item.split] += 1
        self.lengths.update(len(_PIECE.findall(text)) for text in replies)
        for note in {*item.notes, *taken.notes}:
            _add(self.notes, note)
        for name in {*item.slots, *names}:
            _add(self.slots, name)

    def pass_over(self, item: Problem | LeftOut) -> None:
        """Counts a row that is not taken."""
        if isinstance(item, Problem):
            self.refused.add(item)
        else:
            _add(self.left_out, item.why)

    def measured(self) -> Lengths:
        total = sum(self.lengths.values())
        longest = max(self.lengths, default=0)
        return Lengths(_quantile(self.lengths, total, 0.5), _quantile(self.lengths, total, 0.95), longest)


def _speaks(message: Mapping[str, Any]) -> bool:
    return message.get("role") == "assistant" and bool(message.get("content"))


def ordered(counts: Counter[str]) -> Mapping[str, int]:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _add(counts: Counter[str], name: str) -> None:
    if name in counts or len(counts) < _MAX_NAMES:
        counts[name] += 1


def _quantile(counts: Counter[int], total: int, share: float) -> int:
    seen = 0
    for length in sorted(counts):
        seen += counts[length]
        if seen >= share * total:
            return length
    return 0
