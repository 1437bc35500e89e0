"""Keeps the leases of this server's runs, and takes over those of servers that fell silent."""

from __future__ import annotations

import asyncio
import logging

from senmon.errors import SenmonError
from senmon.messages import Event
from senmon.server.runs import RunManager
from senmon.server.runturn import turn_of
from senmon.store.store import Store

#: Runs taken over at a time: other servers take theirs.
_MOST = 8

log = logging.getLogger(__name__)


async def keep_leases(store: Store, runs: RunManager) -> None:
    """Until cancelled. Three looks in the time of a lease."""
    if store.leases is None:
        return
    while True:
        try:
            since = runs.live
            runs.keep_only(await store.leases.renew(), since)
            for claimed in await store.leases.claim(_MOST):
                await _take_over(store, runs, claimed["id"], claimed["conversation"])
        except SenmonError as error:
            log.error("leases could not be kept: %s", error.code)
        except Exception as error:  # this loop must outlive whatever one run holds
            log.error("a run could not be taken over", exc_info=error)
        await asyncio.sleep(store.leases.seconds / 3)


async def _take_over(store: Store, runs: RunManager, run_id: str, conversation: str) -> None:
    stored = await store.events(run_id)
    run = next((each for each in await store.runs_of(conversation) if each.id == run_id), None)
    turn = turn_of(stored[0]) if stored else None
    if run is not None and turn is not None:
        await runs.take_over(run, turn)
        return
    gone = {"code": "interrupted", "message": "The server stopped while it was answering."}
    await store.append_all(
        run_id, Event("error", {**gone, "remedy": "send the message again"}), state="failed"
    )
