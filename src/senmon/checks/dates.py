"""Dates, times of day and weekdays in English text, in their common spellings."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Found:
    """Where something is written, and its normal forms: any of them may be meant."""

    start: int
    end: int
    text: str
    keys: tuple[str, ...]


_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
_MONTH += r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_WORDED = re.compile(
    rf"(?<![\w.])(?:(?P<d1>{_DAY})(?:\s+of)?[\s-]+(?P<m1>{_MONTH})(?:,?[\s-]+(?P<y1>{_YEAR})\b)?"
    rf"|(?P<m2>{_MONTH})\s+(?:the\s+)?(?P<d2>{_DAY})\b(?!:|\s?[ap]\.?m)(?:,?\s+(?P<y2>{_YEAR})\b)?"
    rf"|(?P<m3>{_MONTH})\s+(?P<y3>{_YEAR})\b)",
    re.I,
)
_RANGE = re.compile(
    rf"(?<![\w.])(?:(?P<a>{_DAY})\s?(?:-|–|to|and)\s?(?=(?:{_DAY})\s+(?P<m>{_MONTH}))"
    rf"|(?P<n>{_MONTH})\s+(?:{_DAY})\s?(?:-|–|to|and)\s?(?P<b>{_DAY})\b)",
    re.I,
)
_ISO = re.compile(r"(?<![\w-])((?:19|20)\d\d)[-/.](\d{1,2})[-/.](\d{1,2})(?=$|[^\w-]|T\d)")
_NUMERIC = re.compile(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2((?:19|20)?\d\d)(?![\w/]|-\w|\.\d)")


def dates(text: str) -> Iterator[Found]:
    """Keys are `year-month-day`; a part that is not said is `?`."""
    for match in _ISO.finditer(text):
        year, month, day = (int(part) for part in match.groups())
        if _real(month, day):
            yield Found(match.start(), match.end(), match[0], (key(year, month, day),))
    for match in _NUMERIC.finditer(text):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        year += 2000 if year < 100 else 0
        options = {(first, second), (second, first)}
        keys = tuple(sorted(key(year, month, day) for month, day in options if _real(month, day)))
        if keys:
            yield Found(match.start(), match.end(), match[0], keys)
    for match in _RANGE.finditer(text):
        group = "a" if match["a"] else "b"
        found = key(None, _month(match["m"] or match["n"]), _number(match[group]))
        yield Found(match.start(group), match.end(group), match[group], (found,))
    yield from _worded(text)


def _worded(text: str) -> Iterator[Found]:
    for match in _WORDED.finditer(text):
        month = match["m1"] or match["m2"] or match["m3"]
        day = match["d1"] or match["d2"]
        year = match["y1"] or match["y2"] or match["y3"]
        found = key(int(year) if year else None, _month(month), _number(day) if day else None)
        yield Found(match.start(), match.end(), match[0], (found,))


def key(year: int | None, month: int | None, day: int | None) -> str:
    return f"{year or '?'}-{month or '?'}-{day or '?'}"


def agree(claimed: str, known: str) -> bool:
    """Whether everything that `claimed` says, `known` says too."""
    pairs = zip(claimed.split("-"), known.split("-"), strict=True)
    return all(part in ("?", other) for part, other in pairs)


def weekday_of(known: str) -> str | None:
    """The weekday of a full date key."""
    try:
        year, month, day = (int(part) for part in known.split("-"))
        return WEEKDAYS[datetime.date(year, month, day).weekday()]
    except ValueError:
        return None


def _real(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _month(text: str) -> int:
    return next(at for at, name in enumerate(MONTHS, 1) if name.startswith(text.lower().rstrip(".")[:3]))


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


_HALF = r"\s?(?P<{}>[ap])(?:\.m\.|\.?m\b)"
_CLOCK = re.compile(
    r"(?<![\w:.])(?P<h>[01]?\d|2[0-4]):(?P<m>[0-5]\d)(?::[0-5]\d(?:\.\d+)?)?(?:"
    + _HALF.format("x")
    + r")?(?![:\d])"
    r"|(?<=[\d\x00]T)(?P<ih>[01]\d|2[0-3]):(?P<im>[0-5]\d)(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|(?<![\w:.])(?P<r>1[0-2]|0?[1-9])\s?(?:-|–|to)\s?(?=(?:1[0-2]|0?[1-9])\s?[ap]\.?m)"
    r"|(?<![\w:.])(?P<g>1[0-2]|0?[1-9])(?:\.(?P<gm>[0-5]\d))?" + _HALF.format("y") + r""
    r"|\b(?P<word>noon|midday|midnight)\b"
    r"|\b(?P<o>1[0-2]|[1-9])\s?o['’]clock",
    re.I,
)


def times(text: str) -> Iterator[Found]:
    """Keys are minutes since midnight; `5:30` without am or pm may be either."""
    for match in _CLOCK.finditer(text):
        start, end = match.span()
        if match["r"]:
            end = match.end("r")
        if match["ih"]:
            start -= 1  # the T goes along
        yield Found(start, end, text[start:end].strip(), _minutes(match))


def _minutes(match: re.Match[str]) -> tuple[str, ...]:
    if match["word"]:
        return ("0",) if match["word"].lower() == "midnight" else ("720",)
    hour = int(match["h"] or match["ih"] or match["r"] or match["g"] or match["o"])
    minute = int(match["m"] or match["im"] or match["gm"] or 0)
    half = (match["x"] or match["y"] or "").lower()
    if half:
        return (str((hour % 12 + (12 if half == "p" else 0)) * 60 + minute),)
    either = hour <= 12 and not match["ih"] and not (match["h"] or "").startswith("0")
    hours = {hour % 24, (hour + 12) % 24} if either else {hour % 24}
    return tuple(sorted(str(one * 60 + minute) for one in hours))


_WEEKDAY = re.compile(
    r"\b(?:(mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)days?|(Mon|Tue|Wed|Thu|Fri|Sat|"
    r"Sun))\b(?!['’]s\b)",
    re.I,
)


def weekdays(text: str) -> Iterator[Found]:
    """Full names in any case; the short forms only as `Mon`."""
    for match in _WEEKDAY.finditer(text):
        short = match[2]
        if short and not short.istitle():
            continue
        name = next(day for day in WEEKDAYS if day.startswith((match[1] or short).lower()[:3]))
        yield Found(match.start(), match.end(), match[0], (name,))
