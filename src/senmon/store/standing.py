"""Queries for what stands in a conversation: without what was replaced by a retry."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from senmon.store.tables import events, runs


def _standing(conversation: str, since: int = 0) -> tuple[Any, ...]:
    """`since`: the number of the first run."""
    return runs.c.conversation == conversation, runs.c.replaced.is_(None), runs.c.number >= since


def count_of(conversation: str) -> Select[Any]:
    return select(func.count()).select_from(runs).where(*_standing(conversation))


def first_of_last(conversation: str, last: int) -> Select[Any]:
    backwards = select(runs.c.number).where(*_standing(conversation)).order_by(runs.c.number.desc())
    return backwards.offset(last - 1).limit(1)


def runs_of(conversation: str, since: int = 0) -> Select[Any]:
    return select(runs).where(*_standing(conversation, since)).order_by(runs.c.number)


def events_of(conversation: str, since: int = 0) -> Select[Any]:
    joined = select(events).join(runs, runs.c.id == events.c.run)
    return joined.where(*_standing(conversation, since)).order_by(runs.c.number, events.c.seq)
