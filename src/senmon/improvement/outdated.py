"""Which of a pack's own lines reviewers' corrections have made untrue.

A reply that an intent's lines teach is outdated when reviewers corrected just these words REJECTED times, or
when they wrote the same other reply to the intent so often and to requests like those that the lines answer:
a model that answers something else altogether hides the former reply, but not what people were told is right.
What anybody called good, or wrote as a correction, is never outdated.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from senmon.dataset.example import Example
from senmon.dataset.near_index import NearIndex
from senmon.dataset.normal_form import normalised
from senmon.messages import Message
from senmon.store.exchanges import Review

#: Corrections after which lines that teach otherwise are outdated.
REJECTED = 3
#: Requests of one intent ask the same from this share of common word pairs on: openings and thanks differ.
ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Outdated:
    """A line of the pack's own data that teaches what reviewers corrected `rejected` times."""

    path: str
    number: int
    intent: str
    reply: str
    rejected: int


class Opinions:
    """What reviewers said about replies, intent by intent."""

    def __init__(self) -> None:
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._written: Counter[tuple[str, str]] = Counter()
        self._good: set[tuple[str, str]] = set()
        self._asked: dict[tuple[str, str], NearIndex] = defaultdict(lambda: NearIndex(ALIKE))

    def hear(self, review: Review, request: str, said: Sequence[Message]) -> None:
        """A decision about `said` (of this pack; else empty), the reply to `request`."""
        intent = str(review.data.get("intent", ""))
        before = (intent, reply_of(said)) if said and said[-1].role == "assistant" else None
        if review.kind == "good" and before:
            self._good.add(before)
        if review.kind != "correct":
            return
        wanted = review.data.get("reply")
        after = (intent, reply_of([Message("assistant", wanted)])) if wanted else None
        if before and before != after:
            self._rejected[before] += 1
        if after:
            self._written[after] += 1
            self._asked[after].add(normalised(request), review.run)

    def outdated(self, own: Sequence[Example]) -> tuple[Outdated, ...]:
        """Lines of `own` to take out, in their order."""
        against = self._against(own)
        found = []
        for example in own:
            times = against.get((example.intent, reply_of(example.messages)), 0)
            if times >= REJECTED:
                path, _, number = example.source.rpartition(":")
                said = example.messages[-1].content
                found.append(Outdated(path, int(number), example.intent, said, times))
        return tuple(found)

    def _against(self, own: Sequence[Example]) -> dict[tuple[str, str], int]:
        """(intent, reply) of `own` → how many corrections speak against it."""
        found: dict[tuple[str, str], int] = {}
        for example in own:
            taught = (example.intent, reply_of(example.messages))
            if taught in self._good or taught in self._written:
                continue
            contrary = 0 if example.messages[-1].tool_calls else self._contrary(example)
            found[taught] = max(found.get(taught, 0), self._rejected[taught], contrary)
        return found

    def _contrary(self, example: Example) -> int:
        """How many corrections wrote one other reply to what this example asks."""
        request = normalised(example.request)
        others = (
            (count, self._asked[key]) for key, count in self._written.items() if key[0] == example.intent
        )
        return max((count for count, asked in others if count >= REJECTED and asked.like(request)), default=0)


def reply_of(messages: Sequence[Message]) -> str:
    """The last reply in a form that can be compared, its calls included."""
    last = messages[-1]
    calls = [[one.name, dict(one.arguments)] for one in last.tool_calls]
    return json.dumps([normalised(last.content), calls], ensure_ascii=False, sort_keys=True)
