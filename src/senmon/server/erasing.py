"""One person's data, all of it: for the command and for the API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senmon.improvement.forgetting import forget_conversations
from senmon.packs.pack import Pack
from senmon.routing.corrections import MAX_TEXT, drop, read_corrections
from senmon.store.store import Store


@dataclass(frozen=True, slots=True)
class Erased:
    """`lines` of packs that were made of the person; `proposals` of topics that wait for an operator."""

    conversations: int
    proposals: int
    lines: int


async def erase_person(
    store: Store, home: Path, packs: Iterable[Pack], person: Mapping[str, Any], *, keep_lines: bool = False
) -> Erased:
    """Everything of `person` (as `People` takes it). The lines first: what names the conversations goes
    last, so that an erasure that dies is done again by the same call. Raises ConfigError, StoreError."""
    found = await store.people.export(**person)
    ids = [str(each["id"]) for each in found]
    lines = 0
    if not keep_lines:
        for pack in packs:
            lines += await asyncio.to_thread(forget_conversations, pack, ids)
    proposals = await asyncio.to_thread(_forget_proposals, home, found)
    return Erased(await store.people.erase(**person), proposals, lines)


def _forget_proposals(home: Path, found: Sequence[Mapping[str, Any]]) -> int:
    """Proposed corrections hold a visitor's words; those that an operator accepted are the operator's."""
    said = {
        str(message.get("content", "")).strip()[:MAX_TEXT]
        for each in found
        for run in each["runs"]
        for event in run["events"]
        for message in event["private"].get("messages", ())
        if message.get("role") == "user"
    }
    known = read_corrections(home)
    theirs = [at for at, one in enumerate(known) if one.state == "proposed" and one.text in said]
    if theirs:
        drop(home, theirs)
    return len(theirs)
