"""All data of one person: to give it out, to erase it, and to forget what is old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import ConversationNotFound
from senmon.store.database import Database
from senmon.store.refresh import IDLE
from senmon.store.rows import now
from senmon.store.tables import (
    conversation_events,
    conversation_ratings,
    conversations,
    events,
    feedback,
    handovers,
    refresh_families,
    refresh_tokens,
    review_items,
    reviews,
    runs,
    visitors,
)
from senmon.store.webhooks import forget_deliveries

#: Conversations that one transaction deletes, so that nobody waits long for the writer.
BATCH = 200


class People:
    """A person is a visitor (a browser) or a customer (whom the host signed), of one site or of all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(
        self, *, visitor: str | None = None, customer: str | None = None, site: str | None = None
    ) -> list[dict[str, Any]]:
        """Every conversation with all that belongs to it, oldest first, as JSON values."""
        async with self._database.reading() as connection:
            found = await _rows(connection, conversations, _whose(visitor, customer, site))
            return [await _export(connection, row) for row in found]

    async def erase(
        self, *, visitor: str | None = None, customer: str | None = None, site: str | None = None
    ) -> int:
        """Delete what `export` gives, and the visitors' tokens; the number of conversations."""
        whose = _whose(visitor, customer, site)
        async with self._database.reading() as connection:
            pairs = select(conversations.c.site, conversations.c.visitor).where(whose).distinct()
            theirs = [(row.site, row.visitor) for row in await connection.execute(pairs)]
        if visitor is not None:
            async with self._database.reading() as connection:
                known = select(visitors.c.site, visitors.c.id).where(visitors.c.id == visitor)
                known = known if site is None else known.where(visitors.c.site == site)
                theirs += [(row.site, row.id) for row in await connection.execute(known)]
        erased = await self._delete(whose)
        async with self._database.writing() as connection:
            for each_site, each in dict.fromkeys(theirs):
                await _delete_visitor(connection, each_site, each)
        return erased

    async def erase_site(self, site: str) -> int:
        """Delete a site's conversations, visitors and tokens; the number of conversations."""
        erased = await self._delete(conversations.c.site == site)
        families = select(refresh_families.c.id).where(refresh_families.c.site == site)
        async with self._database.writing() as connection:
            await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.family.in_(families)))
            await connection.execute(delete(refresh_families).where(refresh_families.c.site == site))
            await connection.execute(delete(visitors).where(visitors.c.site == site))
        return erased

    async def visitor_of(self, conversation: str) -> tuple[str, str]:
        """The site and the visitor of a conversation. Raises ConversationNotFound."""
        query = select(conversations.c.site, conversations.c.visitor).where(
            conversations.c.id == conversation
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise ConversationNotFound("there is no such conversation", remedy="it may be erased already")
        return row.site, row.visitor

    async def purge(self, before: datetime) -> int:
        """Delete conversations in which nothing happened since `before`; the number of them.

        Tokens that expired go too, and visitors of whom nothing is left.
        """
        later_run = exists().where(runs.c.conversation == conversations.c.id, runs.c.created >= before)
        later_event = exists().where(
            conversation_events.c.conversation == conversations.c.id, conversation_events.c.created >= before
        )
        purged = await self._delete((conversations.c.created < before) & ~later_run & ~later_event)
        await self.forget_expired()
        await self._delete_idle_visitors(before)
        return purged

    async def forget_expired(self) -> None:
        """Delete refresh tokens that are worth nothing any more, and visitors of whom nothing is left."""
        living = exists().where(
            refresh_tokens.c.family == refresh_families.c.id, refresh_tokens.c.expires > now()
        )
        dead = select(refresh_families.c.id).where(or_(refresh_families.c.expires <= now(), ~living))
        async with self._database.writing() as connection:
            await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.family.in_(dead)))
            await connection.execute(
                delete(refresh_families).where(
                    ~exists().where(refresh_tokens.c.family == refresh_families.c.id)
                )
            )
        await self._delete_idle_visitors(now() - IDLE)

    async def _delete_idle_visitors(self, before: datetime) -> None:
        speaks = exists().where(
            conversations.c.site == visitors.c.site, conversations.c.visitor == visitors.c.id
        )
        returns = exists().where(
            refresh_families.c.site == visitors.c.site, refresh_families.c.visitor == visitors.c.id
        )
        async with self._database.writing() as connection:
            await connection.execute(delete(visitors).where(visitors.c.created < before, ~speaks, ~returns))

    async def _delete(self, which: ColumnElement[bool]) -> int:
        deleted = 0
        while True:
            async with self._database.writing() as connection:
                query = select(conversations.c.id).where(which).limit(BATCH)
                ids = (await connection.execute(query)).scalars().all()
                if not ids:
                    return deleted
                await _delete_conversations(connection, ids)
            deleted += len(ids)


def _whose(visitor: str | None, customer: str | None, site: str | None) -> ColumnElement[bool]:
    """ValueError unless a person is named."""
    if visitor is None and customer is None:
        raise ValueError("name a visitor or a customer")
    which: ColumnElement[bool] = conversations.c.id.is_not(None)
    if visitor is not None:
        which &= conversations.c.visitor == visitor
    if customer is not None:
        which &= conversations.c.customer == customer
    return which if site is None else which & (conversations.c.site == site)


async def _rows(
    connection: AsyncConnection, table: Table, which: ColumnElement[bool]
) -> list[dict[str, Any]]:
    order = [table.c.created, *table.primary_key.columns]
    rows = await connection.execute(select(table).where(which).order_by(*order))
    return [dict(row) for row in rows.mappings()]


async def _export(connection: AsyncConnection, conversation: dict[str, Any]) -> dict[str, Any]:
    id = conversation["id"]
    mine = runs.c.conversation == id
    exchanges = [
        {**run, "events": await _rows(connection, events, events.c.run == run["id"])}
        for run in await _rows(connection, runs, mine)
    ]
    of_mine = feedback.c.run.in_(select(runs.c.id).where(mine))
    return {
        **conversation,
        "runs": exchanges,
        "events": await _rows(connection, conversation_events, conversation_events.c.conversation == id),
        "handovers": await _rows(connection, handovers, handovers.c.conversation == id),
        "feedback": await _rows(connection, feedback, of_mine),
        "reviews": await _rows(connection, reviews, reviews.c.run.in_(select(runs.c.id).where(mine))),
        "ratings": await _rows(connection, conversation_ratings, conversation_ratings.c.conversation == id),
    }


async def _delete_conversations(connection: AsyncConnection, ids: Sequence[str]) -> None:
    theirs = select(runs.c.id).where(runs.c.conversation.in_(ids))
    for table in (reviews, review_items, feedback, events):
        await connection.execute(delete(table).where(table.c.run.in_(theirs)))
    for table in (handovers, conversation_events, conversation_ratings, runs):
        await connection.execute(delete(table).where(table.c.conversation.in_(ids)))
    await forget_deliveries(connection, ids)
    await connection.execute(delete(conversations).where(conversations.c.id.in_(ids)))


async def _delete_visitor(connection: AsyncConnection, site: str, visitor: str) -> None:
    """Their tokens in any case; the visitor unless another person's conversations are left."""
    families = refresh_families.c.site == site, refresh_families.c.visitor == visitor
    of_them = select(refresh_families.c.id).where(*families)
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.family.in_(of_them)))
    await connection.execute(delete(refresh_families).where(*families))
    left = select(func.count()).where(conversations.c.site == site, conversations.c.visitor == visitor)
    if not (await connection.execute(left)).scalar_one():
        await connection.execute(delete(visitors).where(visitors.c.site == site, visitors.c.id == visitor))
