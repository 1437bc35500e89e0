from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from senmon.messages import Event, Identity
from senmon.server.eventlog import StoredEventLog
from senmon.store.store import Store


@pytest.fixture
async def run(tmp_path: Path):  # type: ignore[no-untyped-def]
    store = await Store.open(tmp_path)
    conversation = await store.create_conversation(Identity())
    started = await store.start_run(conversation.id, "1", "hi")
    yield store, started.id
    await store.close()


async def collect(log: StoredEventLog, run_id: str, after: int = 0) -> list[Event]:
    return [event async for event in log.follow(run_id, after)]


class _Interleaved:
    """Another process stores the last event right after a follower found nothing new."""

    shared = True

    def __init__(self, store: Store) -> None:
        self.store = store
        self.waiting = True

    async def events(self, run_id: str, after: int = 0) -> tuple[Event, ...]:
        found = await self.store.events(run_id, after)
        if self.waiting and not found:
            self.waiting = False
            await self.store.append(run_id, Event("delta", {"text": "x"}))
            await self.store.append(run_id, Event("done"))
        return found


async def test_an_end_between_two_looks_is_not_missed(run: tuple[Store, str]) -> None:
    store, run_id = run
    log = StoredEventLog(_Interleaved(store))  # type: ignore[arg-type]
    events = await asyncio.wait_for(collect(log, run_id), 5)
    assert [event.type for event in events] == ["delta", "done"]


async def test_followers_wake_at_once_and_leave_nothing_behind(run: tuple[Store, str]) -> None:
    store, run_id = run
    log = StoredEventLog(store)
    followers = [asyncio.create_task(collect(log, run_id)) for _ in range(3)]
    await asyncio.sleep(0.05)
    began = asyncio.get_running_loop().time()
    for number in range(20):
        await log.append(run_id, Event("delta", {"text": str(number)}))
    await log.append(run_id, Event("done"))
    results = await asyncio.gather(*followers)
    assert asyncio.get_running_loop().time() - began < 0.9
    assert [len(events) for events in results] == [21] * 3
    assert not log._news


async def test_an_abandoned_run_lets_its_followers_go(run: tuple[Store, str]) -> None:
    store, run_id = run
    log = StoredEventLog(store)
    following = asyncio.create_task(collect(log, run_id))
    await asyncio.sleep(0.05)
    log.abandon(run_id)
    (last,) = await asyncio.wait_for(following, 5)
    assert (last.type, last.data["code"]) == ("error", "store_error")
