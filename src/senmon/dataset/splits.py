"""Which split an example belongs to, and whether the splits leak into each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import cast

from senmon.dataset.example import Example, Split
from senmon.dataset.likeness import core
from senmon.dataset.normal_form import conversation_key, request_key
from senmon.dataset.record import Record
from senmon.dataset.twins import twins
from senmon.errors import Problem

#: Below this many distinct requests nothing is held out by force.
FEWEST = 5


def assign_splits(records: Sequence[Record], valid_percent: int) -> tuple[Split, ...]:
    """The split of each record.

    A split that is given is kept. The others go by the hash of what they ask, greetings, politeness, emoji,
    case and punctuation taken away, so that `hi, X please!` is where `X` is; twins (`dataset.twins`) stay
    together, and with one whose split is given. Only the very request of a given test example joins `test`:
    a fixed test set stays what it is, and what is merely like it goes to `valid`. When the hash holds nothing
    out, the request with the smallest hash is held out.
    """
    if all(record.split for record in records):
        return tuple(cast(Split, record.split) for record in records)
    requests = [request_key(_request(record)) for record in records]
    keys = _joined([core(_request(record), 1) for record in records], records)
    equal: dict[str, str] = {}
    given: dict[str, str] = {}
    for request, key, record in zip(requests, keys, records, strict=True):
        if record.split:
            equal.setdefault(request, record.split)
            given.setdefault(key, "train" if record.split == "train" else "valid")
    decided = [
        record.split or equal.get(request) or given.get(key, "")
        for request, key, record in zip(requests, keys, records, strict=True)
    ]
    free = {key: _share(key) for key in keys if key not in given}
    held = {key for key, share in free.items() if share < valid_percent / 100}
    if not held and "valid" not in decided and len(free) >= FEWEST:
        held = {min(free, key=lambda key: free[key])}
    sides = (side or ("valid" if key in held else "train") for side, key in zip(decided, keys, strict=True))
    return tuple(cast(Split, side) for side in sides)


def _joined(keys: Sequence[str], records: Sequence[Record]) -> list[str]:
    """The keys, with one key (the first in the alphabet) for all that twins join."""
    roots = {key: key for key in keys}

    def root(key: str) -> str:
        while roots[key] != key:
            roots[key] = roots[roots[key]]
            key = roots[key]
        return key

    for group in twins([record.messages for record in records]):
        for at in group[1:]:
            one, other = root(keys[group[0]]), root(keys[at])
            roots[max(one, other)] = min(one, other)
    return [root(key) for key in keys]


def _request(record: Record) -> str:
    return next((message.content for message in record.messages if message.role == "user"), "")


def _share(key: str) -> float:
    """A number in [0, 1) that depends on `key` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def leaks(examples: Sequence[Example]) -> Iterator[Problem]:
    """Identical normalised conversations on two sides of a split."""
    first: dict[str, Example] = {}
    for example in examples:
        other = first.setdefault(conversation_key(example.messages), example)
        if other.split != example.split:
            path, _, line = example.source.rpartition(":")
            why = (
                f"the same conversation is in `{example.split}` here and in `{other.split}` at {other.source}"
            )
            yield Problem(
                path, int(line or 0), "split", why, "remove one of the two, or give both the same split"
            )
