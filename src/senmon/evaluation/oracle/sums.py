# ruff: noqa: E501 -- one pattern a line reads best
"""Sums and equations in text, by a parser of its own: tokens → a tree of closures → exact fractions.

Nothing is transformed symbolically. Whether two expressions are equal is seen by putting in random rational
numbers; an equation's roots are found by interpolation through a few points.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isqrt
from random import Random

from senmon.evaluation.oracle.numbers import WORDS, worded

Letters = Mapping[str, Fraction]
Value = Callable[[Letters], Fraction]
MOST_TOKENS = 80
MOST_DIGITS = 15
MOST_POWER = 6
MOST_NUMBER = Fraction(10**24)


class NoSum(Exception):
    """Not arithmetic as it is taught at school."""


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: number, letter, sign, relation, open, close. `text` is normal: `*`, `/`, `<=`."""

    kind: str
    text: str
    start: int
    end: int


_REWRITES: tuple[tuple[str, str], ...] = (
    (r"\\(?:left|right|displaystyle)|\\[()\[\],;!]|\$", " "),
    (r"\\[dt]?frac\s*\{([^{}]{1,40})\}\s*\{([^{}]{1,40})\}", r"((\1)/(\2))"),
    (r"\\[dt]?frac\s*(\d)\s*(\d)", r"(\1/\2)"),
    (r"\\(?:times|cdot)", "*"), (r"\\div", "/"), (r"\\le[q]?\b", "<="), (r"\\ge[q]?\b", ">="),
    (r"\\(?:ne|neq)\b", "!="), (r"\\approx", "~"), (r"\\%", "%"),
    (r"[\u2212\u2013\u2014](?=\s?[\d(a-z])", "-"), (r"[×·∙✕]", "*"), (r"÷", "/"), (r"≠", "!="), (r"[≈≃]", "~"),
    (r"≤", "<="), (r"≥", ">="), (r"(?<=[\w)])\*\*(?=\d)", "^"), (r"\*\*|__|`", " "), (r"²", "^2"), (r"³", "^3"),
    (r"(?<=\d)\s?½", " 1/2"), (r"(?<=\d)\s?¼", " 1/4"), (r"(?<=\d)\s?¾", " 3/4"),
    (r"½", "(1/2)"), (r"¼", "(1/4)"), (r"¾", "(3/4)"), (r"⅓", "(1/3)"), (r"⅔", "(2/3)"), (r"⅕", "(1/5)"),
    (r"⅖", "(2/5)"), (r"⅗", "(3/5)"), (r"⅘", "(4/5)"), (r"⅙", "(1/6)"), (r"⅚", "(5/6)"), (r"⅛", "(1/8)"),
    (r"⅜", "(3/8)"), (r"⅝", "(5/8)"), (r"⅞", "(7/8)"),
)  # fmt: skip
_WORDED: tuple[tuple[str, str], ...] = (
    (r"(?i)\bis (?:the same as|equal to)\b|\bequals?\b|\bcomes (?:out )?to\b", "="),
    (r"(?i)\bplus\b", "+"), (r"(?i)\bminus\b|\bnegative (?=\d)", "-"), (r"(?i)\btimes\b(?= -?[\d(a-z√](?![a-z]))|\bmultiplied by\b", "*"), (r"(?i)\bsqrt\b|\bthe square root of\b|\\sqrt", "√"),
    (r"(?i)\bdivided by\b|\bover\b(?= ?[\d(a-z]\b)", "/"), (r"(?i)\bsquared\b", "^2"), (r"(?i)\bcubed\b", "^3"),
    (r"(?i)\b(?:a )?half of\b", "(1/2)*"), (r"(?i)\b(?:a |one )?third of\b", "(1/3)*"),
    (r"(?i)\b(?:a |one )?quarter of\b", "(1/4)*"), (r"(?i)\b(?:twice|double)\b(?= \d)", "2*"),
    (r"(?i)(?<=\d) ?per ?cent\b", "%"), (r"(?i)(?<=[%)\d]) of (?=[\d(£$€])", "*"), (r"[£$€](?=\d)", ""),
    (r"(?i)\b(?:one|a) half\b", "(1/2)"), (r"(?i)\b(?:one|a) (?:quarter|fourth)\b", "(1/4)"), (r"(?i)\bthree quarters\b", "(3/4)"),
    (r"(?i)\b(?:one|a) third\b", "(1/3)"), (r"(?i)\btwo thirds\b", "(2/3)"), (r"(?i)\b(\d+) point (\d+)\b", r"\1.\2"),
)  # fmt: skip
_N = r"(-?\d+(?:\.\d+)?(?:/\d+)?%?)"
_GIVES = r"(?:,? and)?(?: you| we)? (?:gives?|makes?|is|leaves?|get|equals?|=)(?: you)?"
_PHRASES: tuple[tuple[str, str], ...] = (
    (rf"(?i)\bsum of {_N} and {_N}", r"(\1+\2)"), (rf"(?i)\bproduct of {_N} and {_N}", r"(\1*\2)"),
    (rf"(?i)\bdifference (?:of|between) {_N} and {_N}", r"(\1-\2)"), (rf"(?i)\bsquare of {_N}", r"(\1^2)"),
    (rf"(?i)\b(?:add|adding) {_N} (?:and|to) {_N}{_GIVES} (?=-?\d)", r"\1+\2="),
    (rf"(?i)\b(?:subtract|subtracting|take|taking) {_N} (?:away )?from {_N}{_GIVES} (?=-?\d)", r"\2-\1="),
    (rf"(?i)\b(?:multiply|multiplying) {_N} (?:by|and|with) {_N}{_GIVES} (?=-?\d)", r"\1*\2="),
    (rf"(?i)\b(?:divide|dividing) {_N} by {_N}{_GIVES} (?=-?\d)", r"\1/\2="),
    (r"(?i)\bis (?:bigger|larger|greater|more) than (?=-?[\d(])", ">"),
    (r"(?i)\bis (?:smaller|less|lower) than (?=-?[\d(])", "<"),
    (rf"(?i){_N} out of {_N}", r"(\1/\2)"), (r"(?i)(?<=[\d)]) leaves (?=-?\d)", "="),
)  # fmt: skip
_MAKES = re.compile(r"(?i)(?<=[\d)%a-z] )(?:makes|gives)\b(?= -?[\d(])")
_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:[.,]\d+)?%?)|(?P<relation><=|>=|!=|=>|->|→|[=<>~])"
    r"|(?P<sign>[-+*/^√])|(?P<line>\n)|(?P<open>[(\[])|(?P<close>[)\]])|(?P<letter>(?<![A-Za-z'’])[a-zA-Z](?![A-Za-z'’]))"
    r"|(?P<is>(?i:\bis\b))|(?P<other>[A-Za-z'’]+|\S)"
)


def normal(text: str, *, ratio: bool = False) -> str:
    """The text with one spelling for signs and numbers; prose stays. `ratio`: `36:4` divides."""
    for pattern, plain in _REWRITES:
        text = re.sub(pattern, plain, text)
    text = WORDS.sub(lambda match: _digits(match[0]), text)
    for pattern, plain in _WORDED:
        text = re.sub(pattern, plain, text)
    for pattern, plain in _PHRASES:
        text = re.sub(pattern, plain, text)
    text = _MAKES.sub(
        lambda match: match[0] if "=" in text[max(0, match.start() - 14) : match.start()] else "=", text
    )
    text = re.sub(
        r"(?<=\d)\s?[xX]\s?(?=\d)|(?<=\d\s)[xX](?=\s\d)|(?<=\))\s?[xX]\s?(?=[\d(])|(?<=\d)\s[xX]\s(?=\()",
        "*",
        text,
    )
    return re.sub(r"(?<=\d)\s?:\s?(?=\d)", "/", text) if ratio else text


def _digits(words: str) -> str:
    value = worded(words)
    return str(value) if value.denominator == 1 else f"({value})"


def tokens(text: str) -> list[list[Token]]:
    """Runs of mathematical tokens in normal text; prose parts them."""
    runs: list[list[Token]] = [[]]
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        token = Token("relation" if kind == "is" else kind, match[0].lower() if kind == "is" else match[0],
                      match.start(), match.end())  # fmt: skip
        if (
            kind in ("other", "line")
            or (kind == "letter" and _is_word(text, match))
            or token.text in ("=>", "->", "→")
        ):
            runs.append([])
        else:
            if (
                not runs[-1]
                and token.text == "-"
                and re.search(r"[A-Za-z] $", text[: token.start])
                and text[token.end : token.end + 1] == " "
            ):
                token = Token(
                    "sign", "*", token.start, token.end
                )  # `237 potatoes - 60`: what is taken from is a word
            runs[-1].append(token)
    return [run for run in runs if run]


def _is_word(text: str, match: re.Match[str]) -> bool:
    """`a` and `I` in prose."""
    if match[0] not in "aAI":
        return False
    near = text[max(0, match.start() - 2) : match.start()] + text[match.end() : match.end() + 2]
    return not re.search(r"[-+*/^=<>()\d]", near)


def parse(run: Sequence[Token]) -> tuple[Value, frozenset[str]]:
    """The value of a run without relations, and its letters. Raises NoSum."""
    if not run or len(run) > MOST_TOKENS:
        raise NoSum
    reader = _Reader(run)
    value = reader.sum()
    if reader.at != len(run):
        raise NoSum
    return value, frozenset(token.text for token in run if token.kind == "letter")


class _Reader:
    """Recursive descent: sum → product → signed → power → atom."""

    def __init__(self, run: Sequence[Token]) -> None:
        self.run = run
        self.at = 0

    def next(self) -> Token | None:
        return self.run[self.at] if self.at < len(self.run) else None

    def take(self, *texts: str) -> str:
        token = self.next()
        if token is not None and token.kind == "sign" and token.text in texts:
            self.at += 1
            return token.text
        return ""

    def sum(self) -> Value:
        value = self.product()
        while sign := self.take("+", "-"):
            value = _joined(value, self.product(), sign)
        return value

    def product(self) -> Value:
        value = self.signed()
        while True:
            if sign := self.take("*", "/"):
                value = _joined(value, self.signed(), sign)
            elif self._touches():
                value = _joined(value, self.power(), "*")
            else:
                return value

    def _touches(self) -> bool:
        """Whether a factor stands beside the last one without a sign: `2x`, `3(x + 1)`, but not `2 3`."""
        token = self.next()
        if token is None or (token.kind not in ("letter", "open") and token.text != "√"):
            return False
        before = self.run[self.at - 1]
        gap = token.start - before.end
        return before.kind in ("number", "letter", "close") and gap <= (1 if token.kind == "open" else 0)

    def signed(self) -> Value:
        if self.take("-"):
            inner = self.signed()
            return lambda letters: -inner(letters)
        return self.power()

    def power(self) -> Value:
        value = self.atom()
        if not self.take("^"):
            return value
        negative = bool(self.take("-"))
        token = self.next()
        if (
            token is None
            or token.kind != "number"
            or not token.text.isdigit()
            or int(token.text) > MOST_POWER
        ):
            raise NoSum
        self.at += 1
        exponent = -int(token.text) if negative else int(token.text)
        return lambda letters: _power(value(letters), exponent)

    def atom(self) -> Value:
        token = self.next()
        if token is None:
            raise NoSum
        self.at += 1
        if token.text == "√":
            inner = self.atom()
            return lambda letters: _exact_root(inner(letters))
        if token.kind == "number":
            return self._number(token)
        if token.kind == "letter":
            name = token.text
            return lambda letters: letters[name]
        if token.kind == "open":
            inner = self.sum()
            closing = self.next()
            if closing is None or closing.kind != "close":
                raise NoSum
            self.at += 1
            return inner
        raise NoSum

    def _number(self, token: Token) -> Value:
        value = number(token.text)
        rest = self.run[self.at : self.at + 3]
        if self._fraction(token, rest):
            self.at += 2
            value /= number(rest[1].text)
            return lambda letters: value
        mixed = (
            [part.kind for part in rest] == ["number", "sign", "number"]
            and rest[1].text == "/"
            and rest[0].start - token.end == 1
            and value.denominator == 1
        )
        if mixed:
            self.at += 3
            bottom = number(rest[2].text)
            if not bottom:
                raise NoSum
            value += number(rest[0].text) / bottom
        return lambda letters: value

    def _fraction(self, token: Token, rest: Sequence[Token]) -> bool:
        """`3/5` written close binds closer than a sign with spaces: `1/2 ÷ 3/5`."""
        if [part.kind for part in rest[:2]] != ["sign", "number"] or rest[0].text != "/":
            return False
        close = token.end == rest[0].start and rest[0].end == rest[1].start
        powered = len(rest) == 3 and rest[2].text == "^"
        return close and not powered and bool(number(rest[1].text))


def number(text: str) -> Fraction:
    """`1,000`, `0.5`, `0,5`, `20%`."""
    share = text.endswith("%")
    plain = text.rstrip("%")
    plain = (
        plain.replace(",", "")
        if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", plain)
        else plain.replace(",", ".")
    )
    if len(plain) > MOST_DIGITS:
        raise NoSum
    return Fraction(plain) / (100 if share else 1)


def _joined(left: Value, right: Value, sign: str) -> Value:
    def value(letters: Letters) -> Fraction:
        a, b = left(letters), right(letters)
        if sign == "/" and not b:
            raise NoSum
        found = a + b if sign == "+" else a - b if sign == "-" else a * b if sign == "*" else a / b
        if abs(found) > MOST_NUMBER or found.denominator > MOST_NUMBER:
            raise NoSum
        return found

    return value


def _power(value: Fraction, exponent: int) -> Fraction:
    if (not value and exponent < 0) or abs(value) > 10**6:
        raise NoSum
    return value**exponent


def _exact_root(value: Fraction) -> Fraction:
    root = _root(value)
    if root is None:
        raise NoSum
    return root


def points(names: frozenset[str], count: int = 6) -> list[dict[str, Fraction]]:
    """Random rational places, the same each time."""
    draw = Random(20)
    return [
        {name: Fraction(draw.randint(-60, 60) * 7 + 3, draw.randint(2, 11)) for name in sorted(names)}
        for _ in range(count)
    ]


def identical(left: Value, right: Value, names: frozenset[str]) -> bool:
    """Whether both have the same value wherever both have one."""
    seen = 0
    for place in points(names) if names else [{}]:
        try:
            if left(place) != right(place):
                return False
        except (NoSum, KeyError):
            continue
        seen += 1
    return seen > 0


def roots(left: Value, right: Value, name: str) -> frozenset[Fraction] | None:
    """The rational roots of an equation of first or second degree; None when it is of no such kind."""

    def gap(at: Fraction) -> Fraction:
        return left({name: at}) - right({name: at})

    places = [Fraction(n) for n in (-3, -1, 2, 5, 7)]
    try:
        values = [gap(place) for place in places]
    except (NoSum, KeyError):
        return None
    first, second, third = _divided(places, values)

    def fits(place: Fraction) -> Fraction:
        return first + second * (place - places[0]) + third * (place - places[0]) * (place - places[1])

    if any(fits(place) != value for place, value in zip(places, values, strict=True)):
        return None
    if not third:
        return frozenset({places[0] - first / second}) if second else None
    a, b = third, second - third * (places[0] + places[1])
    c = first - second * places[0] + third * places[0] * places[1]
    root = _root(b * b - 4 * a * c)
    return None if root is None else frozenset({(-b + root) / (2 * a), (-b - root) / (2 * a)})


def _divided(places: Sequence[Fraction], values: Sequence[Fraction]) -> tuple[Fraction, Fraction, Fraction]:
    """Newton's divided differences through the first three points."""
    slopes = [
        (b - a) / (q - p) for (p, q), (a, b) in zip(pairwise(places[:3]), pairwise(values[:3]), strict=True)
    ]
    return values[0], slopes[0], (slopes[1] - slopes[0]) / (places[2] - places[0])


def _root(value: Fraction) -> Fraction | None:
    if value < 0:
        return None
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    return Fraction(top, bottom) if top**2 == value.numerator and bottom**2 == value.denominator else None
