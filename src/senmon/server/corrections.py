"""A visitor's "wrong topic": proposed as routing data, for an operator to accept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from senmon.errors import SenmonError
from senmon.messages import Event
from senmon.routing.corrections import MAX_TEXT, Correction, propose
from senmon.server.history import asked

NOBODY = "none"


async def propose_topic(home: Path, events: Iterable[Event], topic: str) -> bool:
    """Keep that the run's message belongs to `topic` (a pack, or none); whether it was kept."""
    events = list(events)
    text = asked(events).strip()[:MAX_TEXT]
    was = next((event.data.get("pack") for event in events if event.type == "route"), None)
    right = None if topic == NOBODY else topic
    if not text or right == was:
        return False
    return await asyncio.to_thread(_propose, home, Correction(text, right, was))


def _propose(home: Path, correction: Correction) -> bool:
    try:
        return propose(home, correction)
    except SenmonError:  # the file is damaged: that is the operator's affair, not the visitor's
        return False
