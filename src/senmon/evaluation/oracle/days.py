# ruff: noqa: E501 -- one pattern a line reads best
"""Dates in replies, in whatever format, as far as they are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if len(name) > 3 else name for name in MONTHS) + "|sept"
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?s?"
_DAY = r"(?:the )?(?P<{0}>\d{{1,2}})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? (?:of )?(?P<{0}>\d{{4}}|'\d\d))?"
PATTERN = re.compile(
    rf"""(?xi)\b(?:(?P<weekday>{_WEEKDAY})\b\.?)(?!\w) | (?P<iso>\d{{4}}-\d\d?-\d\d?)(?!\d)
    | (?P<slashed>\d{{1,2}}[./]\d{{1,2}}[./](?:\d{{4}}|\d\d)\b) | (?P<short>(?<![€$£\d.,-])\b\d{{1,2}}\.\d{{1,2}}\.(?=\s|$))""".replace(
        "\\ ", " "
    )
)
DAY_MONTH = re.compile(
    rf"(?i)\b{_DAY.format('d1')}(?: of)? (?P<m1>{_MONTH})\b\.?{_YEAR.format('y1')}"
    rf"|\b(?P<m2>{_MONTH})\b\.? {_DAY.format('d2')}\b{_YEAR.format('y2')}"
)
ORDINAL = re.compile(r"(?i)\bthe (\d{1,2})(?:st|nd|rd|th)\b(?! (?:order|time|item|step|floor|day))")
MONTH_ALONE = re.compile(rf"(?i)\b(?:in|by|until|during|of|from|since|end of) (?P<m>{_MONTH})\b(?! \d)")
RELATIVE = re.compile(
    r"(?i)\b(today|tonight|tomorrow|yesterday|next week|this week|next month|the weekend)\b"
)
CLOCK = re.compile(
    r"(?i)\b(\d{1,2})(?:[:.](\d\d))? ?(a\.?m\b|p\.?m\b)|(?<!\d)(\d{1,2}):(\d\d)(?!\d)|\b(noon|midnight)\b"
)


@dataclass(frozen=True, slots=True)
class Day:
    """What is said of a day; None where it is not said. `word`: `tomorrow` and the like."""

    start: int
    end: int
    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    word: str = ""

    def agrees(self, other: Day) -> bool:
        """Whether both may be the same day and at least one thing is said by both."""
        if self.word or other.word:
            return self.word == other.word
        mine, its = self.known(), other.known()
        shared = mine.keys() & its.keys()
        needed = mine.keys() & {"month", "day", "weekday"}
        return bool(shared) and needed <= shared | {"weekday"} and all(mine[k] == its[k] for k in shared)

    def known(self) -> dict[str, int]:
        values = {"year": self.year, "month": self.month, "day": self.day, "weekday": self.weekday}
        if None not in (self.year, self.month, self.day):
            with suppress(ValueError):
                values["weekday"] = date(self.year or 1, self.month or 1, self.day or 1).weekday()
        return {name: value for name, value in values.items() if value is not None}


def days(text: str) -> Iterator[Day]:
    """All days that are named; a weekday before a date belongs to it."""
    dated = [_day_month(match) for match in DAY_MONTH.finditer(text)]
    dated += [day for match in PATTERN.finditer(text) if (day := _numeric(match)) is not None]
    taken = [(day.start, day.end) for day in dated]
    weekdays = [m for m in PATTERN.finditer(text) if m["weekday"] and _is_weekday(m, text)]
    for day in dated:
        mine = next((w for w in weekdays if 0 <= day.start - w.end() <= 6), None)
        mine = mine or next((w for w in weekdays if 0 <= w.start() - day.end <= 3), None)
        weekday = _weekday(mine["weekday"]) if mine else None
        if mine:
            weekdays.remove(mine)
        yield Day(day.start, day.end, day.year, day.month, day.day, weekday)
    for match in weekdays:
        yield Day(match.start(), match.end(), weekday=_weekday(match["weekday"]))
    for match in ORDINAL.finditer(text):
        if not any(start <= match.start() < end for start, end in taken):
            yield Day(match.start(), match.end(), day=int(match[1]))
    for match in MONTH_ALONE.finditer(text):
        yield Day(match.start("m"), match.end("m"), month=_month(match["m"]))
    for match in RELATIVE.finditer(text):
        yield Day(match.start(), match.end(), word=match[1].lower())


def clocks(text: str) -> Iterator[tuple[int, int, int]]:
    """(start, end, minute of the day)."""
    for match in CLOCK.finditer(text):
        if match[6]:
            yield match.start(), match.end(), 720 if match[6].lower() == "noon" else 0
        elif match[4]:
            yield match.start(), match.end(), int(match[4]) * 60 + int(match[5])
        else:
            hour = int(match[1]) % 12 + (12 if match[3].lower().startswith("p") else 0)
            yield match.start(), match.end(), hour * 60 + int(match[2] or 0)


def _is_weekday(match: re.Match[str], text: str) -> bool:
    """`sat` and `sun`, `wed` and `mon` in small letters are other words."""
    word = match["weekday"]
    return word.lower().endswith(("day", "days")) or word[0].isupper()


def _weekday(word: str) -> int:
    return next(at for at, name in enumerate(WEEKDAYS) if name.startswith(word.lower()[:3]))


def _month(word: str) -> int:
    return next(at for at, name in enumerate(MONTHS, 1) if name.startswith(word.lower()[:3]))


def _day_month(match: re.Match[str]) -> Day:
    month, day = match["m1"] or match["m2"], match["d1"] or match["d2"]
    year = match["y1"] or match["y2"]
    number = None if year is None else int(year) if year.isdigit() else 2000 + int(year[1:])
    return Day(match.start(), match.end(), number, _month(month), int(day))


def _numeric(match: re.Match[str]) -> Day | None:
    if match["iso"]:
        year, month, day = map(int, match["iso"].split("-"))
        return Day(match.start(), match.end(), year, month, day)
    written = match["slashed"] or match["short"]
    if not written:
        return None
    parts = [int(part) for part in re.split(r"[./]", written) if part]
    of = None if len(parts) < 3 else parts[2] if parts[2] > 99 else 2000 + parts[2]
    day, month = int(parts[0]), int(parts[1])
    if month > 12:
        day, month = month, day
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return None
    return Day(match.start(), match.end(), of, month, day)
