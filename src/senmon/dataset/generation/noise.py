"""The same words as somebody in a hurry types them. Ids, numbers, names and copied values stay."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from senmon.dataset.generation.protected import Span

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WORD = re.compile(r"[A-Za-z]{4,}")


def _neighbours() -> dict[str, str]:
    """Letter → those beside it and touching it in the rows above and below (US keyboard)."""
    near: dict[str, set[str]] = {letter: set() for row in _ROWS for letter in row}
    for row in _ROWS:
        for left, right in pairwise(row):
            near[left].add(right)
            near[right].add(left)
    for upper, lower in pairwise(_ROWS):
        for at, letter in enumerate(lower):
            for touching in upper[at : at + 2]:
                near[letter].add(touching)
                near[touching].add(letter)
    return {letter: "".join(sorted(others)) for letter, others in near.items()}


NEIGHBOURS = _neighbours()


def noisy(text: str, spans: Sequence[Span], random: Random) -> str | None:
    """`text` with one or two slips, and perhaps without its capitals and full stop; None when it has no room.

    A slip is always there: without one the text would be the same request in its normal form.
    """
    words = [match.span() for match in _WORD.finditer(text) if not _touched(match.span(), spans)]
    if not words:
        return None
    kept = Counter(text[start:end] for start, end in spans)
    chosen = random.sample(words, k=min(len(words), 1 if len(text) < 40 or random.random() < 0.7 else 2))
    for start, end in sorted(chosen, reverse=True):
        text = text[:start] + _slip(text[start:end], random) + text[end:]
    for change, chance in ((_lower, 0.35), (_without_stop, 0.4), (_spaces, 0.12), (_doubled_mark, 0.08)):
        if random.random() < chance and _kept(changed := change(text, random), kept):
            text = changed
    return text


def _kept(text: str, kept: Counter[str]) -> bool:
    """Letter by letter, capitals too: a call repeats a value as it was typed."""
    return all(text.count(value) >= times for value, times in kept.items())


def _touched(word: Span, spans: Sequence[Span]) -> bool:
    return any(start < word[1] and word[0] < end for start, end in spans)


def _slip(word: str, random: Random) -> str:
    """One slip after the first letter: people get that one right."""
    at = random.randrange(1, len(word) - 1)
    letter = word[at]
    near = NEIGHBOURS.get(letter.lower(), letter)
    other = random.choice(near)
    ways = (
        word[:at] + (other.upper() if letter.isupper() else other) + word[at + 1 :],
        word[:at] + word[at + 1] + letter + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
    )
    usable = [way for way in ways if way != word]
    return random.choice(usable)


def _lower(text: str, random: Random) -> str:
    """The first letter and a lone I; names and ids keep their capitals."""
    text = re.sub(r"\bI\b(?!['’]?\w*\d)", "i", text)
    return text[:1].lower() + text[1:] if re.match(r"[A-Z][a-z]", text) else text


def _without_stop(text: str, random: Random) -> str:
    return text.rstrip(".?!") or text


def _spaces(text: str, random: Random) -> str:
    """No space after a comma, or two where one belongs."""
    if ", " in text and random.random() < 0.5:
        return text.replace(", ", ",", 1)
    places = [match.start() for match in re.finditer(r"(?<=[a-z]) (?=[a-z])", text)]
    at = random.choice(places) if places else -1
    return f"{text[:at]} {text[at:]}" if places else text


def _doubled_mark(text: str, random: Random) -> str:
    return text + text[-1] if text[-1:] in "?!" else text
