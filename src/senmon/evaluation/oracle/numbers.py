# ruff: noqa: E501 -- texts and patterns, one a line
"""Numbers in English text, in digits and in words, each with the word that follows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

UNITS = [
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
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SMALL = {word: at for at, word in enumerate(UNITS)} | {word: 10 * at for at, word in enumerate(TENS, 2)}
LARGE = {"hundred": 100, "thousand": 1000, "million": 10**6}
_ANY = "|".join((*sorted(SMALL, key=len, reverse=True), *LARGE, "dozen"))
WORDS = re.compile(
    rf"(?i)\b(?:(?:a|half a) )?(?:{_ANY})\b(?:(?:[ -]|,? and )(?:{_ANY})\b)*(?:(?: and a half)|(?: and a quarter))?"
)
HALVES = re.compile(r"(?i)\bhalf (?:an? )?(?=hour|day|year|price)|\bone and a half\b")
DIGITS = re.compile(
    r"(?<![\w.,/])(?P<sign>[-\u2212+])?(?P<whole>\d{1,3}(?:[,\u202f ]\d{3})+(?![\d])|\d+)(?P<part>[.,]\d{1,4})?"
    r"(?P<letter>k\b| ?(?:thousand|million)\b)?(?![\w]*\d)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A number and where it stands. `worded`: written in words."""

    value: Fraction
    start: int
    end: int
    worded: bool = False


def numbers(text: str) -> Iterator[Found]:
    """All numbers, in no particular order."""
    for match in DIGITS.finditer(text):
        yield Found(_digits(match), match.start(), match.end())
    for match in HALVES.finditer(text):
        value = Fraction(3, 2) if match[0].lower().startswith("one") else Fraction(1, 2)
        yield Found(value, match.start(), match.end(), True)
    taken = {match.end("letter") for match in DIGITS.finditer(text) if match["letter"]}
    for match in WORDS.finditer(text):
        if match.end() in taken:
            continue
        yield Found(worded(match[0]), match.start(), match.end(), True)


def _digits(match: re.Match[str]) -> Fraction:
    whole = re.sub(r"[,\u202f ]", "", match["whole"])
    value = Fraction(whole + (match["part"] or "").replace(",", "."))
    if match["letter"]:
        value *= 10**6 if "million" in match["letter"] else 1000
    return -value if match["sign"] in ("-", "\u2212") else value


def worded(text: str) -> Fraction:
    """`two hundred and thirty-five`, `a dozen`, `two and a half`."""
    text = text.lower()
    extra = Fraction(0)
    for tail, value in ((" and a half", Fraction(1, 2)), (" and a quarter", Fraction(1, 4))):
        if text.endswith(tail):
            text, extra = text.removesuffix(tail), value
    half = text.startswith("half a ")
    total, current = 0, 0
    for word in re.findall(r"[a-z]+", text.removeprefix("half a ")):
        if word in SMALL:
            current += SMALL[word]
        elif word == "dozen":
            current = max(current, 1) * 12
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in LARGE:
            total, current = total + max(current, 1) * LARGE[word], 0
    value = Fraction(total + current) + extra
    return value / 2 if half else value
