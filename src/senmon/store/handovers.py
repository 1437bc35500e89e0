"""Conversations that wait for a person, for the people of one site."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, select, update

from senmon.errors import HandoverNotFound
from senmon.store.database import Database
from senmon.store.records import ConversationRecord, Handover
from senmon.store.tables import conversations, handovers

MOST = 200


class Handovers:
    """Every method is bound to a site: nobody sees another site's conversations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, site: str) -> tuple[tuple[Handover, ConversationRecord], ...]:
        """The open ones, oldest first, at most MOST."""
        query = _of(site).where(handovers.c.state == "open").order_by(handovers.c.created).limit(MOST)
        async with self._database.reading() as connection:
            return tuple(_pair(row) for row in (await connection.execute(query)).mappings())

    async def get(self, id: str, site: str) -> tuple[Handover, ConversationRecord]:
        """Raises HandoverNotFound."""
        async with self._database.reading() as connection:
            row = (await connection.execute(_of(site).where(handovers.c.id == id))).mappings().first()
        if row is None:
            raise _none()
        return _pair(row)

    async def close(self, id: str, site: str) -> Handover:
        """Somebody took it. Closing twice is no error. Raises HandoverNotFound."""
        await self.get(id, site)
        query = update(handovers).where(handovers.c.id == id, handovers.c.state == "open")
        async with self._database.writing() as connection:
            await connection.execute(query.values(state="closed", closed=datetime.now(UTC)))
        return (await self.get(id, site))[0]


def _of(site: str) -> Select[Any]:
    mine = [handovers.c[name].label(f"h_{name}") for name in Handover.__dataclass_fields__]
    theirs = [conversations.c[name].label(f"c_{name}") for name in ConversationRecord.__dataclass_fields__]
    joined = handovers.join(conversations, conversations.c.id == handovers.c.conversation)
    return select(*mine, *theirs).select_from(joined).where(conversations.c.site == site)


def _pair(row: Any) -> tuple[Handover, ConversationRecord]:
    mine = {name: row[f"h_{name}"] for name in Handover.__dataclass_fields__}
    theirs = {name: row[f"c_{name}"] for name in ConversationRecord.__dataclass_fields__}
    return Handover(**mine), ConversationRecord(**theirs)


def _none() -> HandoverNotFound:
    return HandoverNotFound("no such handover here", remedy="GET /v1/handovers lists the open ones")
