"""Numbers that a text names, in digits or in words, with their values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from senmon.checks.maths_nodes import Binary, Negative, Node, Number, Percent, Root, literal
from senmon.checks.maths_spans import Span, find_spans

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_CARDINALS = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * (index + 2) for index, word in enumerate(_TENS)
}
_SCALES = {"hundred": 100, "thousand": 1000}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fifth": 5, "fifths": 5,
    "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9,
    "tenth": 10, "tenths": 10,
}  # fmt: skip
_WORD = "|".join(sorted([*_CARDINALS, *_SCALES, *_PARTS, "point"], key=len, reverse=True))
#: A word of a number, for patterns.
NUMBER_WORDS = _WORD
_PHRASE = re.compile(
    rf"\b(?:(?:minus|negative)\s+)?(?:an?\s+(?=(?:{'|'.join(_PARTS)}|hundred|thousand)\b))?(?:{_WORD})\b"
    rf"(?:(?:\s+|-)(?:and\s+(?:an?\s+)?|over\s+)?(?:{_WORD})\b)*",
    re.IGNORECASE,
)
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f\u20e3"))
_PLAIN = _INVISIBLE | {0xFF10 + digit: str(digit) for digit in range(10)}


@dataclass(frozen=True, slots=True)
class Mention:
    """`text[start:end]` names `value`."""

    start: int
    end: int
    value: Fraction
    in_words: bool = False


def plain(text: str) -> str:
    """Without invisible characters, and with full-width digits made plain."""
    return text.translate(_PLAIN)


def spelled(phrase: str) -> Fraction | None:
    """The value of `minus two and a half`, `three quarters`, `one point five`, or None."""
    words = re.split(r"[\s-]+", phrase.lower().strip())
    sign = 1
    if words and words[0] in ("minus", "negative"):
        sign, words = -1, words[1:]
    value = _unsigned([word for word in words if word not in ("a", "an")])
    return None if value is None else sign * value


def _unsigned(words: Sequence[str]) -> Fraction | None:
    if "point" in words:
        at = words.index("point")
        whole = _cardinal(words[:at])
        digits = [_CARDINALS.get(word, 10) for word in words[at + 1 :]]
        if whole is None or not digits or max(digits) > 9:
            return None
        return Fraction(f"{whole}.{''.join(map(str, digits))}")
    if "over" in words:
        at = words.index("over")
        top, bottom = _cardinal(words[:at]), _cardinal(words[at + 1 :])
        return Fraction(top, bottom) if top is not None and bottom else None
    if words and words[-1] in _PARTS:
        return _parts(words)
    whole = _cardinal([word for word in words if word != "and"])
    return None if whole is None else Fraction(whole)


def _parts(words: Sequence[str]) -> Fraction | None:
    bottom, rest = _PARTS[words[-1]], list(words[:-1])
    whole = 0
    if "and" in rest:
        at = len(rest) - 1 - rest[::-1].index("and")
        before = _cardinal([word for word in rest[:at] if word != "and"])
        if before is None:
            return None
        whole, rest = before, rest[at + 1 :]
    top = _cardinal(rest) if rest else 1
    return None if top is None else whole + Fraction(top, bottom)


def _cardinal(words: Sequence[str]) -> int | None:
    if not words or len(words) > 12:
        return None
    total, current = 0, 0
    for word in words:
        if word in _CARDINALS:
            value = _CARDINALS[word]
            if (
                (current % 10 and current % 100)
                or (current % 100 and value >= 10)
                or (current % 100 in range(10, 20))
            ):
                return None
            current += value
        elif word in _SCALES:
            current = max(current, 1) * _SCALES[word]
            if word == "thousand":
                total, current = total + current, 0
        else:
            return None
    return total + current


def word_mentions(text: str) -> tuple[Mention, ...]:
    found = []
    for match in _PHRASE.finditer(text):
        value = spelled(match.group())
        if value is not None:
            found.append(Mention(match.start(), match.end(), value, in_words=True))
    return tuple(found)


def digit_mentions(spans: Sequence[Span]) -> tuple[Mention, ...]:
    """Spans that are one finished number."""
    found = []
    for span in spans:
        value = literal(span.statement.sides[0]) if not span.statement.relations else None
        if value is not None:
            found.append(Mention(span.start, span.end, value))
    return tuple(found)


def numbers_in(text: str) -> frozenset[Fraction]:
    """Every number that occurs in a text: alone, within formulas, or in words."""
    values = {mention.value for mention in word_mentions(text)}
    for span in find_spans(text):
        for side in span.statement.sides:
            values |= leaves(side)
    return frozenset(values)


def leaves(node: Node) -> set[Fraction]:
    """The finished numbers inside an expression, and the parts of its fractions."""
    match node:
        case Number(value):
            return {value}
        case Negative(inner):
            below = leaves(inner)
            return below | {-value for value in below} if isinstance(inner, Number) else below
        case Percent(inner) | Root(inner):
            return leaves(inner)
        case Binary(_, left, right):
            whole = literal(node)
            return leaves(left) | leaves(right) | ({whole} if whole is not None else set())
        case _:
            return set()
