"""Twins: conversations so alike that one in training gives the other, held out, away.

Twins are near-duplicates as a whole *and* in what the visitor says: a short request before a long stock reply
makes two conversations near-duplicates, whatever is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from senmon.dataset.likeness import core, user_turns
from senmon.dataset.near_duplicates import near_duplicates
from senmon.dataset.normal_form import conversation_key
from senmon.messages import Message

Messages = Sequence[Message]
#: Share of the visitor's words in common, slips of the pen counted as the same word.
ALIKE_WORDS = 0.8
#: Words of so many letters may differ by one slip; by two, one on each side.
ONE_SLIP, TWO_SLIPS = 4, 7
#: In a group of near-duplicates each is compared with so many that follow in alphabetical order.
NEIGHBOURS = 64


def twins(conversations: Sequence[Messages]) -> tuple[tuple[int, ...], ...]:
    """Groups (two members or more, in order) of indices of twins, taken transitively."""
    return tuple(
        twin
        for group in near_duplicates([conversation_key(messages) for messages in conversations])
        for twin in _within(group, conversations)
    )


def _within(group: Sequence[int], conversations: Sequence[Messages]) -> Iterator[tuple[int, ...]]:
    said = {at: "\n".join(core(turn) for turn in user_turns(conversations[at])) for at in group}
    bags = {words: frozenset(words.split()) for words in said.values()}
    roots = {words: words for words in bags}
    ordered = sorted(roots)
    for place, words in enumerate(ordered):
        for other in ordered[place + 1 : place + 1 + NEIGHBOURS]:
            one, two = _root(roots, words), _root(roots, other)
            if one != two and _alike(bags[words], bags[other]):
                roots[max(one, two)] = min(one, two)
    found: dict[str, list[int]] = defaultdict(list)
    for at in group:
        found[_root(roots, said[at])].append(at)
    yield from (tuple(members) for members in found.values() if len(members) > 1)


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    common = len(one & other)
    mine, theirs = one - other, other - one
    if common + min(len(mine), len(theirs)) < ALIKE_WORDS * (common + max(len(mine), len(theirs))):
        return False
    slips = sum(any(_slipped(word, wanted) for wanted in theirs) for word in mine)
    return common + slips >= ALIKE_WORDS * (common + len(mine) + len(theirs) - slips)


def _slipped(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    allowed = 2 if shorter >= TWO_SLIPS else 1 if shorter >= ONE_SLIP else 0
    if not (allowed and one.isalpha() and other.isalpha()):
        return False
    return abs(len(one) - len(other)) <= allowed and _slips(one, other) <= allowed


def _slips(one: str, other: str) -> int:
    """Letters left out, added, changed, or swapped with the next (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        line = [at]
        for to, wanted in enumerate(other, 1):
            cost = min(row[to] + 1, line[to - 1] + 1, row[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == wanted:
                cost = min(cost, before[to - 2] + 1)
            line.append(cost)
        before, row = row, line
    return row[-1]


def _root(roots: dict[str, str], words: str) -> str:
    while roots[words] != words:
        roots[words] = roots[roots[words]]
        words = roots[words]
    return words
