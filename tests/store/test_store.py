from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from senmon.errors import (
    ConfigError,
    ConversationNotFound,
    Forbidden,
    RunConflict,
    RunNotFound,
    StateLocked,
    StoreError,
)
from senmon.messages import Conversation, Event, Identity, Message
from senmon.store.store import Store
from senmon.store.tables import metadata

ANN = Identity("local", "ann")
BOB = Identity("local", "bob")


def message(text: str) -> Event:
    return Event("run", {}, {"messages": [Message("user", text).to_json()]})


async def test_empty_folder_is_migrated_to_the_declared_tables(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'senmon.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == "0006"
        assert compare_metadata(context, metadata) == []
    engine.dispose()


async def test_opening_twice_keeps_what_was_stored(tmp_path: Path) -> None:
    first = await Store.open(tmp_path)
    made = await first.create_conversation(ANN)
    await first.close()
    second = await Store.open(tmp_path)
    assert (await second.conversation(made.id, ANN)).id == made.id
    await second.close()


async def test_newer_schema_is_refused(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    with sqlite3.connect(tmp_path / "senmon.db") as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match=r"schema 9999.*upgrade senmon"):
        await Store.open(tmp_path)
    # The refused attempt lets go of the lock.
    with pytest.raises(StoreError, match="9999"):
        await Store.open(tmp_path)


async def test_pragmas(sqlite_store: Store) -> None:
    async with sqlite_store._database.reading() as connection:
        values = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "busy_timeout", "synchronous", "foreign_keys")
        }
    assert values == {"journal_mode": "wal", "busy_timeout": 5000, "synchronous": 1, "foreign_keys": 1}


async def test_second_server_is_refused_by_pid_but_a_tool_is_let_in(
    tmp_path: Path, sqlite_store: Store
) -> None:
    with pytest.raises(StateLocked, match=rf"pid {os.getpid()}.*SENMON_DATABASE_URL"):
        await Store.open(tmp_path / "senmon.db")
    tool = await Store.open(tmp_path / "senmon.db", serving=False)
    secret, _ = await tool.add_key("from the command line")
    await tool.close()
    found = await sqlite_store.find_key(secret)
    assert found is not None and found.name == "from the command line"


def test_lock_dies_with_its_process(tmp_path: Path) -> None:
    holds = "import sys,time\nfrom pathlib import Path\nfrom senmon.store.lock import StateLock\n"
    holds += "StateLock(Path(sys.argv[1])).acquire()\nlock=1\nprint('held',flush=True)\ntime.sleep(60)"
    holds = holds.replace("StateLock(Path", "held = StateLock(Path").replace(".acquire()", "; held.acquire()")
    path = tmp_path / "x.lock"
    child = subprocess.Popen([sys.executable, "-c", holds, str(path)], stdout=subprocess.PIPE, text=True)
    from senmon.store.lock import StateLock

    try:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        with pytest.raises(StateLocked, match=f"pid {child.pid}"):
            StateLock(path).acquire()
    finally:
        child.kill()
        child.wait()
    with StateLock(path):
        assert path.read_text(encoding="utf-8") == f"{os.getpid()}\n"


async def test_conversations_are_bound_to_site_and_visitor(store: Store) -> None:
    made = await store.create_conversation(ANN)
    assert len(made.id) == 22
    assert (await store.conversation(made.id, ANN)).visitor == "ann"
    for stranger in (BOB, Identity("other", "ann")):
        with pytest.raises(ConversationNotFound):
            await store.conversation(made.id, stranger)
    run = await store.start_run(made.id, "1", "hi")
    assert (await store.run(run.id, ANN)).id == run.id
    with pytest.raises(RunNotFound):
        await store.run(run.id, BOB)
    with pytest.raises(RunNotFound):
        await store.run("nothing", ANN)


async def test_conversation_of_a_customer_is_closed_to_the_next_one_on_the_same_machine(store: Store) -> None:
    signed_in = Identity("local", "ann", customer="c-1")
    made = await store.create_conversation(ANN)
    await store.start_run(made.id, "1", "where is my order", customer="c-1")
    assert (await store.conversation(made.id, signed_in)).customer == "c-1"
    for other in (ANN, Identity("local", "ann", customer="c-2")):
        with pytest.raises(Forbidden, match="sign in again"):
            await store.conversation(made.id, other)


async def test_start_run_is_idempotent_by_client_id(store: Store) -> None:
    made = await store.create_conversation(ANN)
    first = await store.start_run(made.id, "k1", "hello")
    again = await store.start_run(made.id, "k1", "hello")
    assert (first.fresh, again.fresh, again.id) == (True, False, first.id)
    with pytest.raises(RunConflict, match="another text"):
        await store.start_run(made.id, "k1", "something else")
    with pytest.raises(RunConflict, match=rf"under way.*DELETE /v1/runs/{first.id}"):
        await store.start_run(made.id, "k2", "next")
    await store.finish_run(first.id, "done")
    second = await store.start_run(made.id, "k2", "next")
    assert second.number == 2
    with pytest.raises(ConversationNotFound):
        await store.start_run("nowhere", "k", "x")


async def test_racing_starts_make_one_run(store: Store) -> None:
    made = await store.create_conversation(ANN)
    same = await asyncio.gather(*(store.start_run(made.id, "k", "hello") for _ in range(8)))
    assert len({run.id for run in same}) == 1 and sum(run.fresh for run in same) == 1
    other = await store.create_conversation(ANN)
    tries = await asyncio.gather(
        *(store.start_run(other.id, f"k{n}", "hello") for n in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, RunConflict) for outcome in tries) == 7


async def test_events_come_back_in_order_with_their_private_part(store: Store) -> None:
    made = await store.create_conversation(ANN)
    run = await store.start_run(made.id, "1", "héllo")
    sent = [await store.append(run.id, message("héllo"))]
    sent += [await store.append(run.id, Event("delta", {"text": f"{n} "})) for n in range(20)]
    sent += [await store.append(run.id, Event("done", {"finish": "stop"}))]
    assert [event.seq for event in sent] == list(range(1, 23))
    assert await store.events(run.id) == tuple(sent)
    assert await store.events(run.id, after=20) == tuple(sent[20:])
    await store.finish_run(run.id, "done")
    next_run = await store.start_run(made.id, "2", "bye")
    await store.append(next_run.id, message("bye"))
    state = Conversation.fold(made.id, await store.conversation_events(made.id))
    assert [m.role for m in state.messages] == ["user", "assistant", "user"]
    with pytest.raises(RunNotFound):
        await store.append("nothing", Event("delta"))


async def test_concurrent_writers_do_not_lock_each_other_out(target: str, store: Store) -> None:
    tool = await Store.open(target, serving=False)

    async def talk(through: Store, name: str) -> int:
        made = await through.create_conversation(Identity("local", name))
        run = await through.start_run(made.id, "1", "hi")
        for n in range(10):
            await through.append(run.id, Event("delta", {"text": str(n)}))
        return len(await through.events(run.id))

    counts = await asyncio.gather(*(talk(tool if n % 2 else store, f"v{n}") for n in range(10)))
    await tool.close()
    assert counts == [10] * 10


async def test_runs_of_a_dead_server_are_closed_at_start(tmp_path: Path) -> None:
    first = await Store.open(tmp_path)
    made = await first.create_conversation(ANN)
    run = await first.start_run(made.id, "1", "hi")
    await first.append(run.id, message("hi"))
    await first.close()
    tool = await Store.open(tmp_path, serving=False)
    assert (await tool.run(run.id, ANN)).state == "running"
    await tool.close()
    second = await Store.open(tmp_path)
    assert (await second.run(run.id, ANN)).state == "failed"
    last = (await second.events(run.id))[-1]
    assert (last.type, last.data["code"]) == ("error", "interrupted")
    assert (await second.start_run(made.id, "2", "again")).fresh
    await second.close()


async def test_a_run_that_had_its_last_event_is_not_called_interrupted(tmp_path: Path) -> None:
    first = await Store.open(tmp_path)
    states = {}
    for kind, state in (("done", "done"), ("error", "failed")):
        made = await first.create_conversation(ANN)
        run = await first.start_run(made.id, "1", "hi", opening=message("hi"))
        await first.append(run.id, Event(kind, {"text": "x"}))  # type: ignore[arg-type]
        states[run.id] = state
    await first.close()
    second = await Store.open(tmp_path)
    for id, state in states.items():
        assert (await second.run(id, ANN)).state == state
        assert len(await second.events(id)) == 2
    await second.close()


async def test_a_run_and_what_was_asked_are_stored_together(tmp_path: Path) -> None:
    first = await Store.open(tmp_path)
    made = await first.create_conversation(ANN)
    run = await first.start_run(made.id, "1", "hi", opening=message("hi"))
    again = await first.start_run(made.id, "1", "hi", opening=message("hi"))
    assert again.id == run.id
    await first.close()  # as if killed before anything else happened
    second = await Store.open(tmp_path)
    events = await second.conversation_events(made.id)
    assert [(event.seq, event.type) for event in events] == [(1, "run"), (2, "error")]
    assert Conversation.fold(made.id, events).messages == (Message("user", "hi"),)
    await second.close()


async def test_a_customer_who_came_first_keeps_the_conversation(store: Store) -> None:
    """Both were let in while it was nobody's; then one after the other speaks."""
    made = await store.create_conversation(ANN)
    run = await store.start_run(made.id, "1", "my order", customer="c-1")
    await store.finish_run(run.id, "done")
    for customer in ("c-2", None):
        with pytest.raises(Forbidden):
            await store.start_run(made.id, "2", "and mine", customer=customer)
    assert (await store.start_run(made.id, "2", "and mine", customer="c-1")).fresh


async def test_killed_process_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    script = """
import asyncio, os, sys
from pathlib import Path
from senmon.messages import Event, Identity
from senmon.store.store import Store
async def main():
    store = await Store.open(Path(sys.argv[1]))
    made = await store.create_conversation(Identity("local", "ann"))
    run = await store.start_run(made.id, "1", "hi")
    for n in range(5):
        await store.append(run.id, Event("delta", {"text": str(n)}))
    print(run.id, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    run_id = done.stdout.strip()
    store = await Store.open(tmp_path)
    assert [event.type for event in await store.events(run_id)] == ["delta"] * 5 + ["error"]
    await store.close()


async def test_feedback_is_one_per_visitor_and_feeds_the_review(store: Store) -> None:
    made = await store.create_conversation(ANN)
    run = await store.start_run(made.id, "1", "hi")
    first = await store.add_feedback(run.id, ANN, "down", reason="wrong", correction="It is 30 days.")
    assert await _reviews(store) == ["open"]
    second = await store.add_feedback(run.id, ANN, "up")
    assert second.id == first.id
    assert await store.feedback(run.id) == (second,)
    assert await _reviews(store) == ["withdrawn"]
    with pytest.raises(RunNotFound):
        await store.add_feedback(run.id, BOB, "up")


async def _reviews(store: Store) -> list[str]:
    async with store._database.reading() as connection:
        return list((await connection.exec_driver_sql("select state from review_items")).scalars())


async def test_handoff_event_opens_a_handover(store: Store) -> None:
    made = await store.create_conversation(ANN)
    run = await store.start_run(made.id, "1", "a person please")
    await store.append(run.id, Event("handoff", {"reason": "asked for"}))
    (waiting,) = await store.handovers()
    assert (waiting.conversation, waiting.run, waiting.reason) == (made.id, run.id, "asked for")


async def test_keys_are_hashed_and_revocable(tmp_path: Path, sqlite_store: Store) -> None:
    secret, record = await sqlite_store.add_key("shop", site="shop.example")
    assert secret.startswith("sk-") and len(secret) >= 40
    found = await sqlite_store.find_key(secret)
    assert found is not None and (found.id, found.site) == (record.id, "shop.example")
    files = b"".join(path.read_bytes() for path in tmp_path.glob("senmon.db*"))
    assert secret.encode() not in files and secret[3:].encode() not in files
    assert await sqlite_store.find_key(secret + "x") is None
    assert await sqlite_store.revoke_key(record.id) and not await sqlite_store.revoke_key(record.id)
    assert await sqlite_store.find_key(secret) is None
    assert [key.revoked is not None for key in await sqlite_store.keys()] == [True]


async def test_a_channel_without_ids_continues_its_conversation(store: Store) -> None:
    native = await store.create_conversation(ANN)
    racing = await asyncio.gather(*(store.continue_conversation(ANN, "rasa") for _ in range(5)))
    assert len({made.id for made in racing}) == 1 and racing[0].id != native.id
    assert (await store.continue_conversation(BOB, "rasa")).id != racing[0].id
    await store.start_run(racing[0].id, "1", "my order", customer="c-1")
    # Signed out, the same sender does not get to what the customer said.
    assert (await store.continue_conversation(ANN, "rasa")).id != racing[0].id


async def test_append_is_fast_enough_for_a_stream(sqlite_store: Store) -> None:
    made = await sqlite_store.create_conversation(ANN)
    run = await sqlite_store.start_run(made.id, "1", "hi")
    start = time.perf_counter()
    for n in range(100):
        await sqlite_store.append(run.id, Event("delta", {"text": str(n)}))
    assert (time.perf_counter() - start) / 100 < 0.05


async def test_bad_targets_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="database URL"):
        await Store.open("not a url://")
    with pytest.raises(ConfigError, match="no driver"):
        await Store.open("mysql+nothing://nobody@localhost/senmon")
    with pytest.raises(StoreError, match="database failed"):
        await Store.open(tmp_path / "missing" / "senmon.db", serving=False)
    # The driver's thread reports the failed connection to this loop once more.
    await asyncio.sleep(0.05)


async def test_check_writes_nothing_and_notices_a_closed_disk(store: Store) -> None:
    await store.check()
    async with store._database.reading() as connection:
        assert (await connection.exec_driver_sql("select count(*) from sites")).scalar() == 0
