"""Typed slots of a template: what a placeholder may be filled with."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from pydantic import Field, field_validator, model_validator

from senmon.dataset.generation.pattern_text import text_of
from senmon.packs.manifest import Strict

_NAMES = """
Aisha Amara Ana Arjun Ben Chen Clara Daniel Elif Emma Fatima Femi Hanna Hiro Ines Ivan Jamal Jana Kofi Lena
Liam Lucia Mehmet Mei Mina Noah Olga Omar Priya Rosa Sara Sofia Tariq Thomas Wei Yuki Zoe
"""
NAMES = tuple(_NAMES.split())


class NumberRange(Strict):
    """`from` 2 `to` 14 `step` 1; both ends belong to it."""

    first: int = Field(alias="from", description="The least.")
    last: int = Field(alias="to", description="The greatest.")
    step: int = Field(1, ge=1, description="Distance between two.")

    @model_validator(mode="after")
    def _order(self) -> NumberRange:
        if self.last < self.first:
            raise ValueError("`to` lies below `from`")
        return self


class DateRange(Strict):
    """`from` 2026-01-01 `to` 2026-12-31, written by `format` (strftime; `%-d` is the day without a zero)."""

    first: date = Field(alias="from", description="The first day, as 2026-01-31.")
    last: date = Field(alias="to", description="The last day.")
    format: str = Field("%A, %-d %B", description="How it is written (strftime).", max_length=60)

    @model_validator(mode="after")
    def _order(self) -> DateRange:
        if self.last < self.first:
            raise ValueError("`to` lies before `from`")
        return self


class Slot(Strict):
    """Exactly one of pattern, choices, number, date, names."""

    pattern: str = Field("", description="A small regular expression, such as A[0-9]{4}.", max_length=200)
    choices: tuple[str | int | float, ...] = Field(
        (), description="The values, such as [Ridge tent, Crag boots]."
    )
    number: NumberRange | None = Field(None, description="{from: 2, to: 14}")
    date: DateRange | None = Field(
        None, description="{from: 2026-01-01, to: 2026-12-31, format: '%A, %-d %B'}"
    )
    names: bool | tuple[str, ...] = Field(
        False, description="`true` for first names of many places, or a list."
    )

    @field_validator("pattern")
    @classmethod
    def _readable(cls, value: str) -> str:
        if value:
            for seed in range(8):
                text_of(value, Random(seed))
        return value

    @model_validator(mode="after")
    def _one(self) -> Slot:
        given = [name for name in ("pattern", "choices", "number", "date", "names") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError("give exactly one of pattern, choices, number, date, names")
        return self

    def value(self, random: Random) -> Any:
        """A number stays a number, so that a call's argument can be one."""
        if self.pattern:
            return text_of(self.pattern, random)
        if self.choices:
            return random.choice(self.choices)
        if self.number:
            return random.randrange(self.number.first, self.number.last + 1, self.number.step)
        if self.date:
            span = (self.date.last - self.date.first).days
            return _written(self.date.first + timedelta(days=random.randint(0, span)), self.date.format)
        return random.choice(NAMES if self.names is True else tuple(self.names or NAMES))


def _written(day: date, form: str) -> str:
    """strftime's `%-d` and `%-m` exist on some systems only."""
    return day.strftime(form.replace("%-d", str(day.day)).replace("%-m", str(day.month)))
