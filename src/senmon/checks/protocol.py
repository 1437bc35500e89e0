"""The seam of a check, and the context that it may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from senmon.messages import Message, Passage, Verdict


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What was true when the reply was made.

    `messages` is the conversation up to the reply, without the static prefix. `facts` are the named values
    a reply may refer to (`order.eta` → `Tuesday, 2 June`). `slots` is the pack's slot state.
    """

    messages: tuple[Message, ...] = ()
    passages: tuple[Passage, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    slots: Mapping[str, Any] = field(default_factory=dict)


class Check(Protocol):
    """Judges a candidate piece of a reply. Pure: no I/O but its own worker processes; must never hang."""

    name: str

    def judge(self, released: str, candidate: str, context: CheckContext) -> Verdict:
        """`released` is what the visitor has already; `candidate` is the next release unit, filled in."""
