"""Two servers' stores on one PostgreSQL: what one alone may do, and what is the same whoever is asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from senmon.errors import LeaseLost, StoreError
from senmon.messages import Event, Identity
from senmon.server import watching
from senmon.server.retention import retain
from senmon.store.store import Store
from store.conftest import TEMPLATE, execute

pytestmark = pytest.mark.xdist_group("postgres")
ANN = Identity("shop", "ann")
_numbers = itertools.count()
Pair = tuple[Store, Store]


@pytest.fixture
async def pair(postgres: str) -> AsyncIterator[Pair]:
    name = f"servers_{next(_numbers)}"
    await execute(postgres.format("postgres"), f"create database {name} template {TEMPLATE}")
    one, other = [await Store.open(postgres.format(name), lease=30.0) for _ in range(2)]
    yield one, other
    await one.close()
    await other.close()
    await execute(postgres.format("postgres"), f"drop database {name} with (force)")


async def begun(store: Store) -> str:
    made = await store.create_conversation(ANN)
    return (await store.start_run(made.id, "1", "hi", opening=Event("run", {}))).id


async def fall_silent(store: Store) -> None:
    """Its leases are over, as after a kill: not given back."""
    assert store.leases is not None
    store.leases.seconds = -1.0
    await store.leases.renew()


async def test_a_duty_is_one_server_s_until_it_is_done_or_its_claim_is_over(pair: Pair) -> None:
    hour, over = timedelta(hours=1), timedelta(seconds=-1)
    claims = await asyncio.gather(*(each.duties.claim("forget", hour) for each in (*pair, *pair)))
    assert sorted(claims) == [False, False, False, True]
    one, other = pair if claims[0] or claims[2] else pair[::-1]
    await other.duties.done("forget", over)  # it never had it
    assert not await other.duties.claim("forget", hour)
    await one.duties.done("forget", over)  # due again
    assert await other.duties.claim("forget", over), "who is killed now"
    assert await one.duties.claim("forget", hour), "is followed when the claim is over"
    await other.duties.done("forget", over)  # the killed one only slept
    assert not await other.duties.claim("forget", hour)


async def test_old_conversations_are_forgotten_by_one_server(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Store] = []
    for store in pair:

        async def purge(*_: object, of: Store = store) -> int:
            asked.append(of)
            return 0

        monkeypatch.setattr(store.people, "purge", purge)
    tasks = [asyncio.create_task(retain(store, 30, look=0.01)) for store in pair]
    await asyncio.sleep(0.2)
    assert len(asked) == 1
    # Another number of days is another duty: it does not wait for tomorrow.
    tasks.append(asyncio.create_task(retain(pair[0], 10, look=0.01)))
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    assert len(asked) == 2


async def test_one_conversation_for_a_sender_whoever_is_asked(pair: Pair) -> None:
    found = await asyncio.gather(*(each.continue_conversation(ANN, "rasa") for each in pair * 3))
    assert len({made.id for made in found}) == 1
    same = await asyncio.gather(*(each.create_conversation(ANN, client_id="a") for each in pair * 3))
    assert len({made.id for made in same}) == 1


async def test_events_of_which_nobody_knows_are_stored_once(pair: Pair) -> None:
    one, _ = pair
    run = await begun(one)
    said = Event("delta", {"text": "ha "})
    for after in (1, 2, 2, 3):
        (stored,) = await one.append_all(run, said, after=after)
        assert stored.seq == after + 1
    for _ in range(2):  # the last one ends the run
        ended = await one.append_all(run, said, Event("done"), state="done", after=4)
        assert [event.seq for event in ended] == [5, 6]
    assert [event.seq for event in await one.events(run)] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(LeaseLost):
        await one.append_all(run, said, after=6)


async def test_who_slept_stores_nothing_and_takes_nothing_for_stored(pair: Pair) -> None:
    one, other = pair
    run = await begun(one)
    assert one.leases is not None and other.leases is not None
    await fall_silent(one)
    (taken,) = await other.leases.claim(8)
    assert (taken["id"], taken["taken"]) == (run, 1)
    await other.append_all(run, Event("delta", {"text": "theirs"}), after=1)
    with pytest.raises(LeaseLost):
        await one.append_all(run, Event("delta", {"text": "mine"}), after=1)
    assert [event.data.get("text") for event in (await one.events(run))[1:]] == ["theirs"]
    assert await one.leases.renew() == frozenset()


async def test_takeovers_are_counted_but_not_handing_over(pair: Pair) -> None:
    await begun(pair[0])
    for count, (dying, next_) in enumerate([pair, pair[::-1]], 1):
        assert dying.leases is not None and next_.leases is not None
        await fall_silent(dying)
        next_.leases.seconds = 30.0
        assert [each["taken"] for each in await next_.leases.claim(8)] == [count]
    assert pair[0].leases is not None and pair[1].leases is not None
    await pair[0].leases.release()
    pair[1].leases.seconds = 30.0
    assert [each["taken"] for each in await pair[1].leases.claim(8)] == [1]


async def test_a_database_that_is_not_there_is_a_store_error() -> None:
    with pytest.raises(StoreError, match="ConnectionRefusedError"):
        await Store.open("postgresql://senmon@127.0.0.1:1/senmon")
    with pytest.raises(StoreError):
        await Store.open("postgresql://senmon@/senmon?host=/nowhere")


async def test_what_is_new_is_watched_by_one_server(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "improve" / "shop").mkdir(parents=True)
    (tmp_path / "improve" / "shop" / "state.json").write_text("{}")
    looks: list[Store] = []

    async def look(store: Store, *_: object) -> None:
        looks.append(store)
        await asyncio.sleep(0.2)  # the others come meanwhile

    monkeypatch.setattr(watching, "_look", look)
    tasks = [asyncio.create_task(watching.watch(store, tmp_path, every=0.02)) for store in pair]
    await asyncio.sleep(0.15)
    assert len(looks) == 1
    while len(looks) < 3:
        await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
