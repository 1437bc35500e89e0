"""Which examples the router learns from: bounded, spread evenly over intents, the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from senmon.routing.features import plain

#: More of one intent repeats itself; more in total only costs time: 20,000 are encoded in about 90 s, once.
PER_INTENT = 120
IN_TOTAL = 20_000
#: However many intents there are, this many of each are taken.
AT_LEAST = 10
#: Where one split is held out for calibration: every sixth example of an intent, ten at most.
HELD_OUT_EVERY = 6
HELD_OUT_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, its class and its rank among the chosen texts of this class."""

    text: str
    label: int
    rank: int


def select(
    examples: Mapping[int, Sequence[str]], *, each: int = PER_INTENT, limit: int = IN_TOTAL
) -> tuple[Labelled, ...]:
    """Distinct texts per class in hash order, at most `each` of a class and `limit` together."""
    ordered = {label: _distinct(texts)[:each] for label, texts in sorted(examples.items())}
    least = AT_LEAST * len(ordered) if limit == IN_TOTAL else limit
    quota = _quota([len(texts) for texts in ordered.values()], max(limit, least))
    return tuple(
        Labelled(text, label, rank)
        for label, texts in ordered.items()
        for rank, text in enumerate(texts[:quota])
    )


def held_out(chosen: Sequence[Labelled]) -> list[bool]:
    """Marks the single calibration split."""
    return [
        one.rank % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 and one.rank < HELD_OUT_EVERY * HELD_OUT_AT_MOST
        for one in chosen
    ]


def _distinct(texts: Iterable[str]) -> list[str]:
    """By hash, so that no order in a file decides; texts that differ in case or spacing only count once."""
    unique: dict[str, str] = {}
    for text in sorted(texts):
        key = plain(text)
        if key:
            unique.setdefault(key, text)
    return [unique[key] for key in sorted(unique, key=lambda key: hashlib.sha256(key.encode()).digest())]


def _quota(sizes: Sequence[int], limit: int) -> int:
    """The largest number per class such that no more than `limit` are taken together; at least one."""
    low, high = 1, max(sizes, default=1)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(size, middle) for size in sizes) <= limit:
            low = middle
        else:
            high = middle - 1
    return low
