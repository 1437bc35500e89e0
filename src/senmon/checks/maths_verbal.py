# ruff: noqa: E501 -- patterns, one a line
"""Sums that a reply puts in words: `half of 12 is 7`, `adding 4 and 9 gives 12`, `the product of six and eight is 46`.

Only whole claims of two numbers and a result are read, and only those that end where the clause does. What goes
on, or stands behind another operation, is left alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from senmon.checks.maths_nodes import Number, Statement
from senmon.checks.maths_spans import Span
from senmon.checks.maths_values import NUMBER_WORDS, spelled

_I = re.IGNORECASE
_DIGITS = r"[-\u2212]?\d{1,12}(?:\.\d{1,12})?(?:/\d{1,12})?%?"
_WORDS = rf"(?:(?:minus|negative)\s)?(?:{NUMBER_WORDS})(?:[\s-](?:and\s)?(?:{NUMBER_WORDS})){{0,6}}"
_N = rf"({_DIGITS}|{_WORDS})"
_SHARE = rf"((?:an?\s|one\s)?half|(?:an?\s)?(?:{NUMBER_WORDS})(?:[\s-](?:{NUMBER_WORDS})){{0,2}}|\d{{1,6}}/\d{{1,6}})"
_GIVES = r"\s(?:is|are|makes?|gives?|equals|comes\sto|is\sequal\sto|leaves?)\s"
_GET = r"\s?(?:,\s)?(?:gives?|makes?|is|equals|leaves?|to\s(?:get|give|make)|and\s(?:you\s|we\s)?(?:get|have)|(?:you|we)\sget)\s"
#: Before a claim: an operation or number that it would be the second half of.
_GOES_BEFORE = re.compile(
    r"(?:[-+*/×÷·^=(\u2212\d.,%]|\b(?:plus|minus|times|over|by|of|and|than|from|to|half|point|negative))\s*$",
    _I,
)
_ENDS = r"(?=\s*(?:$|[.!?;:,)\n](?!\d)|(?:so|and|because|but|which|then|now|as|since)\b(?!\s(?:an?\s)?(?:half|third|quarter)\b)))"

Values = tuple[Fraction, ...]
_OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "plus": lambda a, b: a + b, "+": lambda a, b: a + b,
    "minus": lambda a, b: a - b, "-": lambda a, b: a - b, "\u2212": lambda a, b: a - b,
    "times": lambda a, b: a * b, "×": lambda a, b: a * b, "*": lambda a, b: a * b, "multiplied by": lambda a, b: a * b,
    "divided by": lambda a, b: a / b, "÷": lambda a, b: a / b, "/": lambda a, b: a / b,
}  # fmt: skip


def _lowest(values: Values) -> bool:
    whole = [value.denominator if value.denominator > 1 else value.numerator for value in values[:2]]
    return Fraction(math.lcm(*whole)) == values[2]


_TIMES = {"double": 2, "twice": 2, "triple": 3}
_FORMS: tuple[tuple[re.Pattern[str], Callable[[Values], bool]], ...] = tuple(
    (re.compile(pattern + _ENDS, _I), holds)
    for pattern, holds in (
        (rf"\b{_SHARE}\sof\s{_N}{_GIVES}{_N}", lambda v: v[0] * v[1] == v[2]),
        (rf"\b(double|twice|triple)\s{_N}{_GIVES}{_N}", lambda v: v[0] * v[1] == v[2]),
        (rf"\b(?:adding|add)\s{_N}\s(?:and|to)\s{_N}{_GET}{_N}", lambda v: v[0] + v[1] == v[2]),
        (rf"\b(?:multiplying|multiply)\s{_N}\s(?:by|and|with)\s{_N}{_GET}{_N}", lambda v: v[0] * v[1] == v[2]),
        (rf"\b(?:dividing|divide)\s{_N}\sby\s{_N}{_GET}{_N}", lambda v: v[0] == v[1] * v[2]),
        (
            rf"\b(?:subtracting|subtract|taking|take)\s{_N}\s(?:away\s)?from\s{_N}{_GET}{_N}",
            lambda v: v[1] - v[0] == v[2],
        ),
        (rf"\bsum\sof\s{_N}\sand\s{_N}{_GIVES}{_N}", lambda v: v[0] + v[1] == v[2]),
        (rf"\bproduct\sof\s{_N}\sand\s{_N}{_GIVES}{_N}", lambda v: v[0] * v[1] == v[2]),
        (rf"\bdifference\s(?:of|between)\s{_N}\sand\s{_N}{_GIVES}{_N}", lambda v: abs(v[0] - v[1]) == abs(v[2])),
        (rf"(?<![\w.]){_N}\s(?:is|are)\sthe\ssame\sas\s{_N}", lambda v: v[0] == v[1]),
        (rf"(?<![\w.]){_N}\sis\s(?:bigger|greater|larger|more|higher)\sthan\s{_N}", lambda v: v[0] > v[1]),
        (rf"(?<![\w.]){_N}\sis\s(?:smaller|less|lower)\sthan\s{_N}", lambda v: v[0] < v[1]),
        (rf"(?<![\w.]){_N}\sis\sa\smultiple\sof\s{_N}", lambda v: (v[0] / v[1]).denominator == 1),
        (rf"(?<![\w.]){_N}\sis\sdivisible\sby\s{_N}", lambda v: (v[0] / v[1]).denominator == 1),
        (rf"(?<![\w.]){_N}\sis\sa\s(?:factor|divisor)\sof\s{_N}", lambda v: (v[1] / v[0]).denominator == 1),
        (
            rf"\b(?:lowest|least|smallest)\scommon\s(?:multiple|denominator)\s(?:of|for)\s{_N}\sand\s{_N}\sis\s{_N}",
            _lowest,
        ),
    )
)  # fmt: skip
_SIGNED = re.compile(
    rf"(?<![\w.]){_N}\s(plus|minus|times|multiplied\sby|divided\sby|[-+×*÷/\u2212])\s{_N}{_GIVES}{_N}{_ENDS}",
    _I,
)
_WORTH_A_LOOK = re.compile(r"\b(?:is|are|makes?|gives?|equals|comes to|leaves?|get|have)\b", _I)


def false_claims(text: str) -> Iterator[Span]:
    """Where a claim in words does not hold."""
    if not _WORTH_A_LOOK.search(text):
        return
    for pattern, holds in _FORMS:
        for match in pattern.finditer(text):
            if _is_false(match, text, holds):
                yield _span(match)
    for match in _SIGNED.finditer(text):
        if _is_false(match, text, _comes_out(match[2]), (1, 3, 4)):
            yield _span(match)


def _comes_out(sign: str) -> Callable[[Values], bool]:
    operation = _OPERATIONS[" ".join(sign.lower().split())]
    return lambda values: operation(values[0], values[1]) == values[2]


def _is_false(
    match: re.Match[str], text: str, holds: Callable[[Values], bool], groups: tuple[int, ...] = ()
) -> bool:
    if _GOES_BEFORE.search(text[max(0, match.start() - 20) : match.start()]):
        return False
    said = [match[group] for group in groups] or list(match.groups())
    values = [_value(one) for one in said]
    if any(value is None for value in values):
        return False
    if "%" in said[-1] and "%" not in "".join(said[:-1]):
        return False  # `half of 12 is 50%`: in per cent of something else
    try:
        return not holds(tuple(value for value in values if value is not None))
    except ZeroDivisionError:
        return False


def _value(said: str) -> Fraction | None:
    words = " ".join(said.lower().replace("\u2212", "-").split())
    if words in _TIMES:
        return Fraction(_TIMES[words])
    if re.fullmatch(r"-?[\d.]+(?:/\d+)?%?", words):
        top, _, bottom = words.rstrip("%").partition("/")
        if bottom and not int(bottom):
            return None
        value = Fraction(top) / (int(bottom) if bottom else 1)
        return value / 100 if words.endswith("%") else value
    return spelled(words)


def _span(match: re.Match[str]) -> Span:
    return Span(match.start(), match.end(), match[0], Statement((Number(Fraction(0)),)))
