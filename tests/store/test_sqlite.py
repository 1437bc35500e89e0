"""SQLite's connections: who waits for whom, and what a visitor who leaves breaks."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from senmon.messages import Event, Identity
from senmon.store.database import Database, parse_url
from senmon.store.store import Store

#: Some tenths of a second of counting.
LONG = (
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500000) select max(i) from n"
)


@pytest.fixture
async def database(tmp_path: Path):  # type: ignore[no-untyped-def]
    found = Database(parse_url(tmp_path / "some.db"))
    async with found.writing() as connection:
        await connection.execute(text("create table t (id integer primary key)"))
    yield found
    await found.close()


async def ids(database: Database) -> list[int]:
    async with database.reading() as connection:
        return list((await connection.execute(text("select id from t order by id"))).scalars())


async def test_whoever_leaves_in_a_statement_leaves_nothing_behind(database: Database) -> None:
    async def write() -> None:
        async with database.writing() as connection:
            await connection.execute(text("insert into t values (1)"))
            started.set()
            await connection.execute(text(LONG))

    started = asyncio.Event()
    writing = asyncio.create_task(write())
    await started.wait()
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with database.writing() as connection:
        await connection.execute(text("insert into t values (2)"))
    assert await ids(database) == [2]


async def test_more_readers_than_connections_are_all_served(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("insert into t values (1), (2)"))
    assert await asyncio.gather(*(ids(database) for _ in range(40))) == [[1, 2]] * 40


async def test_a_failed_transaction_leaves_nothing_whether_quick_or_not(database: Database) -> None:
    for quick in (False, True):
        with pytest.raises(ZeroDivisionError):
            async with database.writing(quick=quick) as connection:
                await connection.execute(text("insert into t values (1)"))
                await connection.execute(text("insert into t values (2)"))
                raise ZeroDivisionError
        assert await ids(database) == []
    async with database.writing(quick=True) as connection:
        await connection.execute(text("insert into t values (3)"))
    assert await ids(database) == [3]


async def test_another_process_that_writes_does_not_stop_the_loop(tmp_path: Path) -> None:
    """It holds the lock until the loop has turned some times: a loop that waited would wait for ever."""
    store = await Store.open(tmp_path)
    conversation = await store.create_conversation(Identity())
    run = await store.start_run(conversation.id, "1", "hi")
    other = sqlite3.connect(tmp_path / "senmon.db", isolation_level=None)
    other.execute("begin immediate")
    appending = asyncio.create_task(store.append_all(run.id, Event("delta"), Event("done"), state="done"))
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert not appending.done()
    other.execute("rollback")
    other.close()
    assert [event.seq for event in await appending] == [1, 2]
    assert await store.running(conversation.id) is None
    await store.close()
