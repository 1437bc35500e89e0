"""A message sent again, or otherwise: the last exchange leaves what was said. The store keeps it."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import RunConflict, RunNotFound
from senmon.store.rows import now, one
from senmon.store.tables import conversation_events, runs


async def replace_run(connection: AsyncConnection, conversation: str, id: str) -> None:
    """Raises RunNotFound unless it is the conversation's, RunConflict unless it is the last thing said."""
    standing = select(runs.c.id, runs.c.created).where(
        runs.c.conversation == conversation, runs.c.replaced.is_(None)
    )
    named = await one(connection, standing.where(runs.c.id == id))
    if named is None:
        raise RunNotFound("no such run in this conversation", remedy="`replaces` names its last run")
    last = await one(connection, standing.order_by(runs.c.number.desc()).limit(1))
    since = select(conversation_events.c.seq).where(
        conversation_events.c.conversation == conversation,
        conversation_events.c.type == "message",
        conversation_events.c.created >= named["created"],
    )
    if last is None or last["id"] != id or await one(connection, since.limit(1)) is not None:
        raise RunConflict(
            "only the last message can be sent again or changed", remedy="send it as a new message"
        )
    await connection.execute(update(runs).where(runs.c.id == id).values(replaced=now()))
