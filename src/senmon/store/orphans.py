"""Runs that a server left when it died, where no other goes on with them: the next start closes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from senmon.messages import Event
from senmon.store.database import Database
from senmon.store.rows import now
from senmon.store.tables import runs

if TYPE_CHECKING:
    from senmon.store.store import Store

INTERRUPTED = {
    "code": "interrupted",
    "message": "The server stopped while it was answering.",
    "remedy": "send the message again",
}


async def close_orphans(store: Store, database: Database, *, everything: bool) -> None:
    """With the lock held, every running run is an orphan; without one, those whose lease is over."""
    query = select(runs.c.id).where(runs.c.state == "running")
    if not everything:
        query = query.where(runs.c.lease_until < now())
    async with database.reading() as connection:
        orphans = (await connection.execute(query)).scalars().all()
    for id in orphans:
        last = (await store.events(id))[-1:]
        if last and last[0].type == "done":  # the server died right after its last event
            await store.finish_run(id, "done")
            continue
        if not last or last[0].type != "error":
            await store.append(id, Event("error", data=INTERRUPTED))
        await store.finish_run(id, "failed")
