"""What reviewers corrected weighs more than a line of the pack's own: it is few, and known to be needed.

Alone that would teach the model to answer so whatever looks alike: each repetition brings a line of the
pack's own along that asks something near and answers otherwise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from senmon.dataset.likeness import overlap, words_of

if TYPE_CHECKING:
    from senmon.dataset.example import Example

#: A reviewed line is learnt so often in each epoch, as long as all of them are no more than the rest.
TIMES = 3
#: Requests with less in common (Jaccard similarity of their words) are not taken for each other.
NEAR = 0.15
#: Own lines that share a word with a request and are compared with it, those with rare words first.
COMPARED = 400


def repetitions(examples: Sequence[Example]) -> int:
    """How often an epoch has each reviewed line; 0 when there is none."""
    reviewed = sum(one.reviewed for one in examples)
    return max(1, min(TIMES, (len(examples) - reviewed) // reviewed)) if reviewed else 0


def emphasised(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The examples, each reviewed one repeated, and once more for each time that it is learnt its contrast:
    the nearest line of the pack's own that answers otherwise and was not taken yet, when there is one."""
    times = repetitions(examples)
    if times < 2:
        return tuple(examples)
    reviewed = [one for one in examples if one.reviewed]
    contrasts = _Contrasts([one for one in examples if not one.reviewed])
    more = [one for _ in range(times - 1) for one in reviewed]
    more += [other for _ in range(times) for one in reviewed for other in contrasts.take(one)]
    return (*examples, *more)


class _Contrasts:
    """Own lines by the words of their last request, each to be taken once."""

    def __init__(self, own: Sequence[Example]) -> None:
        self._own = own
        self._words = [words_of(_asked(one)) for one in own]
        self._taken: set[int] = set()
        self._ranked: dict[str, Iterator[int]] = {}
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, words in enumerate(self._words):
            for word in words:
                self._places[word].append(place)

    def take(self, reviewed: Example) -> Iterator[Example]:
        """The nearest that is left, or nothing."""
        ranked = self._ranked.setdefault(reviewed.id, self._near(reviewed))
        place = next((one for one in ranked if one not in self._taken), None)
        if place is not None:
            self._taken.add(place)
            yield self._own[place]

    def _near(self, reviewed: Example) -> Iterator[int]:
        """Places of those that answer otherwise, the nearest first."""
        words, reply = words_of(_asked(reviewed)), _answered(reviewed)
        ranked = sorted((-overlap(words, self._words[place]), place) for place in self._sharing(words))
        return iter(
            [
                place
                for likeness, place in ranked
                if -likeness >= NEAR and _answered(self._own[place]) != reply
            ]
        )

    def _sharing(self, words: frozenset[str]) -> Iterator[int]:
        """Places of lines that share a word, those of rare words first, `COMPARED` at most."""
        seen: Counter[int] = Counter()
        for word in sorted(words, key=lambda one: (len(self._places.get(one, ())), one)):
            for place in self._places.get(word, ()):
                seen[place] += 1
                if len(seen) >= COMPARED:
                    return iter(seen)
        return iter(seen)


def _asked(example: Example) -> str:
    return next((one.content for one in reversed(example.messages) if one.role == "user"), "")


def _answered(example: Example) -> str:
    last = example.messages[-1]
    calls = "; ".join(f"{one.name} {one.arguments}" for one in last.tool_calls)
    return f"{last.content.strip()}{calls}"
