"""Forgetting: conversations older than the operator keeps them, and tokens that are worth nothing."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from senmon.errors import SenmonError
from senmon.store.store import Store

DAY_SECONDS = 24 * 3600.0
#: Where several servers share the database: between looks whether it is due, and how long one has it.
LOOK_SECONDS = 60.0
CLAIM = timedelta(hours=1)

log = logging.getLogger(__name__)


async def retain(store: Store, days: int, *, every: float = DAY_SECONDS, look: float = LOOK_SECONDS) -> None:
    """At once and then daily, until cancelled; of several servers one. `days` 0 keeps conversations."""
    while True:
        try:
            if not store.shared:
                await forget(store, days)
            elif await store.duties.claim(duty := f"retention {days}", CLAIM):
                await forget(store, days)
                await store.duties.done(duty, timedelta(seconds=every))
        except SenmonError as error:
            log.error("what is old could not be deleted: %s", error.code)
        await asyncio.sleep(look if store.shared else every)


async def forget(store: Store, days: int) -> int:
    """The number of conversations that went."""
    if not days:
        await store.people.forget_expired()
        return 0
    gone = await store.people.purge(datetime.now(UTC) - timedelta(days=days))
    if gone:
        log.info("deleted %d conversations older than %d days", gone, days)
    return gone
