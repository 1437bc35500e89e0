"""Forgetting: conversations older than the operator keeps them, and tokens that are worth nothing."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from senmon.errors import SenmonError
from senmon.store.store import Store

DAY_SECONDS = 24 * 3600.0

log = logging.getLogger(__name__)


async def retain(store: Store, days: int, *, every: float = DAY_SECONDS) -> None:
    """At once and then daily, until cancelled. `days` 0 keeps conversations for ever."""
    while True:
        try:
            await forget(store, days)
        except SenmonError as error:
            log.error("what is old could not be deleted: %s", error.code)
        await asyncio.sleep(every)


async def forget(store: Store, days: int) -> int:
    """The number of conversations that went."""
    if not days:
        await store.people.forget_expired()
        return 0
    gone = await store.people.purge(datetime.now(UTC) - timedelta(days=days))
    if gone:
        log.info("deleted %d conversations older than %d days", gone, days)
    return gone
