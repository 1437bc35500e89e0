"""Keeps the leases of this server's runs, and takes over those of servers that fell silent."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from senmon.errors import SenmonError
from senmon.messages import Event
from senmon.server.bus import Bus
from senmon.server.runs import RunManager
from senmon.server.runturn import turn_of
from senmon.store.orphans import INTERRUPTED
from senmon.store.store import Store

#: Runs taken over at a time: other servers take theirs.
_MOST = 8
#: Servers that may fall silent over one run: it may be what kills them.
MOST_TAKEN = 3

log = logging.getLogger(__name__)


async def keep_leases(store: Store, runs: RunManager, bus: Bus | None = None) -> None:
    """Until cancelled, or the server stops. Three looks in the time of a lease, and one whenever a server
    that stops lets go of its runs."""
    if store.leases is None:
        return
    freed = asyncio.Event()
    if bus is not None:
        bus.hear("free", lambda _: freed.set())
    while not runs.closing:
        freed.clear()
        try:
            since = runs.live
            runs.keep_only(await store.leases.renew(), since)
            for claimed in await store.leases.claim(_MOST):
                await _take_over(store, runs, claimed["id"], claimed["conversation"], claimed["taken"])
        except SenmonError as error:
            log.error("leases could not be kept: %s", error.code)
        except Exception as error:  # this loop must outlive whatever one run holds
            log.error("a run could not be taken over", exc_info=error)
        with suppress(TimeoutError):
            await asyncio.wait_for(freed.wait(), store.leases.seconds / 3)


async def _take_over(store: Store, runs: RunManager, run_id: str, conversation: str, taken: int) -> None:
    stored = await store.events(run_id)
    run = next((each for each in await store.runs_of(conversation) if each.id == run_id), None)
    turn = turn_of(stored[0]) if stored else None
    if run is not None and turn is not None and taken <= MOST_TAKEN:
        await runs.take_over(run, turn)
        return
    if taken > MOST_TAKEN:
        log.error("run %s is given up: %d servers fell silent while they answered it", run_id, taken)
    await store.append_all(run_id, Event("error", INTERRUPTED), state="failed")
