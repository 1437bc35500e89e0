"""What Chatwoot is told when a run ends, queued in the transaction that ends it, whichever server that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.store.rows import one
from senmon.store.tables import conversations, events, runs
from senmon.store.webhooks import queue_once

#: The channel, and the site of its visitors: `account.conversation` of Chatwoot's.
CHATWOOT = "chatwoot"
_WHOSE = (
    select(conversations.c.id, conversations.c.visitor)
    .join(runs, runs.c.conversation == conversations.c.id)
    .where(runs.c.id == bindparam("of"), conversations.c.channel == CHATWOOT)
)
_SAID = select(events.c.type, events.c.data).where(events.c.run == bindparam("of")).order_by(events.c.seq)


async def answer_chatwoot(connection: AsyncConnection, run: str) -> None:
    """The reply, and that a person is needed. Nothing for a run of another channel."""
    whose = await one(connection, _WHOSE, {"of": run})
    if whose is None:
        return
    account, _, conversation = whose["visitor"].partition(".")
    place = {"account": int(account), "conversation": int(conversation)}
    said = (await connection.execute(_SAID, {"of": run})).mappings().all()
    if text := _text(said):
        told = {**place, "text": text}
        await queue_once(connection, "chatwoot.message", f"reply-{run}", told, whose["id"])
    if any(row["type"] == "handoff" for row in said):
        await queue_once(connection, "chatwoot.open", f"open-{run}", place, whose["id"])


def _text(said: Sequence[RowMapping | Mapping[str, Any]]) -> str:
    parts = [str(row["data"].get("text", "")) for row in said if row["type"] == "delta"]
    parts += [f" {row['data'].get('message', '')}" for row in said if row["type"] == "error"]
    return "".join(parts).strip()
