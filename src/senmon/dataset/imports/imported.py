"""One conversation on its way from a source into a pack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from senmon.errors import Problem

DEFAULT_INTENT = "general"


@dataclass(frozen=True, slots=True)
class Imported:
    """`messages` have the shape of a data line (docs/packs.md): no system message, results name their call.

    `line` counts from 1 in `path` (0: none to tell). `notes` say what was changed on the way, in few fixed
    words each ("system text left out"), since the report counts equal ones. `slots` are the names of
    values that the conversation mentions, for the report.
    """

    path: str
    line: int
    messages: Sequence[Mapping[str, Any]]
    intent: str = DEFAULT_INTENT
    tags: tuple[str, ...] = ()
    split: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A sound row that is not wanted; `why` in few fixed words, since the report counts equal ones."""

    why: str


Stream = Iterable[Imported | LeftOut | Problem]


def exchange(request: str, reply: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """A request and its reply as messages."""
    return {"role": "user", "content": request}, {"role": "assistant", "content": reply}
