"""What was seen of pupils, conversation after conversation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, cast, select

from senmon.store.database import Database
from senmon.store.tables import conversations, events, runs


class Pupils:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def observed(self, prefix: str, site: str | None = None) -> dict[str, list[Any]]:
        """Customer → the values of the slot `observed` at the end of each of their conversations, oldest
        first, as one list. Of customers whose id begins with `prefix`."""
        seen = events.c.private
        query = (
            select(conversations.c.id, conversations.c.customer, seen)
            .join(runs, runs.c.conversation == conversations.c.id)
            .join(events, events.c.run == runs.c.id)
            .where(conversations.c.customer.startswith(prefix, autoescape=True), events.c.type == "action")
            .where(cast(seen, Text).like('%"observed"%'))
            .order_by(conversations.c.created, conversations.c.id, runs.c.number, events.c.seq)
        )
        if site is not None:
            query = query.where(conversations.c.site == site)
        last: dict[str, tuple[str, list[Any]]] = {}
        async with self._database.reading() as connection:
            for id, customer, private in await connection.execute(query):
                slots = (private or {}).get("slots")
                kept = slots.get("observed") if isinstance(slots, dict) else None
                if isinstance(kept, list):
                    last[id] = (customer, kept)
        pupils: dict[str, list[Any]] = {}
        for customer, kept in last.values():
            pupils.setdefault(customer, []).extend(kept)
        return pupils
