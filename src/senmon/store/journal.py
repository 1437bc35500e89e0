"""What happens in a conversation beside its runs, in order: a person's messages, a handover's steps, …

Each entry is stored, in the transaction of what it tells, before anybody hears of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.store.database import Database
from senmon.store.records import ConversationEvent, ConversationEventType
from senmon.store.rows import columns_of, now
from senmon.store.tables import conversation_events, conversations, handovers
from senmon.store.webhooks import announce

#: Statements of every turn, made once.
HELD = select(conversations.c.id).where(conversations.c.id == bindparam("of")).with_for_update()
_FOLLOWING = select(func.coalesce(func.max(conversation_events.c.seq), 0) + 1).where(
    conversation_events.c.conversation == bindparam("of")
)
_ADD = (
    insert(conversation_events).values(seq=_FOLLOWING.scalar_subquery()).returning(conversation_events.c.seq)
)


class Journal:
    """Whose conversation it is, the caller has checked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(
        self, conversation: str, after: int = 0, *, type: ConversationEventType | None = None
    ) -> tuple[ConversationEvent, ...]:
        """Those with a seq above `after`, in order."""
        async with self._database.reading() as connection:
            return await journal_events(connection, conversation, after, type=type)

    async def last(self, conversation: str) -> int:
        """The newest seq; 0 when nothing happened yet."""
        query = select(func.coalesce(func.max(conversation_events.c.seq), 0)).where(
            conversation_events.c.conversation == conversation
        )
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())


async def journal_events(
    connection: AsyncConnection,
    conversation: str,
    after: int = 0,
    *,
    type: ConversationEventType | None = None,
) -> tuple[ConversationEvent, ...]:
    query = (
        select(*columns_of(conversation_events, ConversationEvent))
        .where(conversation_events.c.conversation == conversation, conversation_events.c.seq > after)
        .order_by(conversation_events.c.seq)
    )
    if type is not None:
        query = query.where(conversation_events.c.type == type)
    return tuple(ConversationEvent(**row) for row in (await connection.execute(query)).mappings())


async def record(
    connection: AsyncConnection,
    conversation: str,
    type: ConversationEventType,
    data: Mapping[str, Any],
    *,
    client_id: str | None = None,
) -> int:
    """Add an entry inside the caller's transaction; its seq."""
    # Writers of other processes queue up here, or two would take one seq. SQLite has one writer anyway.
    if connection.dialect.name != "sqlite":
        await connection.execute(HELD, {"of": conversation})
    values = {
        "conversation": conversation,
        "of": conversation,
        "type": type,
        "data": dict(data),
        "client_id": client_id,
        "created": now(),
    }
    seq = int((await connection.execute(_ADD, values)).scalar_one())
    if type == "rated":
        await announce(connection, "feedback.rated", data, conversation=conversation)
    elif type == "handover":
        await _announce_handover(connection, conversation, data)
    return seq


async def _announce_handover(connection: AsyncConnection, conversation: str, data: Mapping[str, Any]) -> None:
    newest = select(handovers.c.id).where(handovers.c.conversation == conversation)
    newest = newest.order_by(handovers.c.created.desc(), handovers.c.id.desc()).limit(1)
    status = "withdrawn" if data.get("status") == "none" else str(data.get("status"))
    told = {"handover_id": (await connection.execute(newest)).scalar(), "status": status}
    if data.get("agent"):
        told["agent"] = str(data["agent"])
    await announce(connection, f"handover.{status}", told, conversation=conversation)
