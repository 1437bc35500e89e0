"""Sites, refresh tokens, handovers and the data of people; and databases of the first schema."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from senmon.errors import (
    AlreadyRated,
    ConfigError,
    ConversationNotFound,
    Forbidden,
    HandoverConflict,
    HandoverNotFound,
    PersonSpeaks,
    RefreshRefused,
    RunConflict,
    SiteNotFound,
)
from senmon.messages import Event, Identity, Message
from senmon.store import migrate
from senmon.store.records import HandoverStatus, Site
from senmon.store.store import Store

ANN, BOB = Identity("shop", "ann"), Identity("shop", "bob")
SITE = Site(
    "shop", "Shop", "pk_1", datetime.now(UTC), origins=("https://a.example",), salt="s", fingerprint="f"
)


async def rows(store: Store, table: str) -> int:
    async with store._database.reading() as connection:
        return int((await connection.exec_driver_sql(f"select count(*) from {table}")).scalar_one())


async def change(store: Store, statement: str, **values: Any) -> None:
    async with store._database.writing() as connection:
        await connection.execute(text(statement), values)


def message(text: str) -> Event:
    return Event("run", {}, {"messages": [Message("user", text).to_json()]})


async def full_conversation(store: Store, who: Identity) -> str:
    """Of everything something."""
    made = await store.create_conversation(who, client_id="c", prechat={"email": "a@b.example"})
    run = await store.start_run(made.id, "1", "hello", customer=who.customer, opening=message("hello"))
    await store.append(run.id, Event("handoff", {"reason": "asked"}))
    await store.append(run.id, Event("done", {}))
    await store.finish_run(run.id, "done")
    await store.add_feedback(run.id, who, "down", correction="No.")
    (waiting,) = [pair[0] for pair in await store.desk.waiting(who.site) if pair[0].conversation == made.id]
    await store.desk.accept(waiting.id, who.site, "Eve")
    await store.desk.say(waiting.id, who.site, "I am here")
    await store.opinions.rate(made.id, 3, "so so")
    return made.id


# --- sites


async def test_sites_are_kept_as_given(store: Store) -> None:
    full = replace(
        SITE,
        packs=("a", "b"),
        require_identity=True,
        prechat={"type": "object"},
        csat=False,
        contact={"email": "x"},
        language="ja",
    )
    await store.sites.add(full)
    assert await store.sites.get("shop") == full
    assert await store.sites.all() == (full,)
    with pytest.raises(ConfigError, match="there already"):
        await store.sites.add(SITE)
    changed = await store.sites.change("shop", packs=None, prechat=None, origins=("https://b.example",))
    assert (changed.packs, changed.prechat, changed.origins) == (None, None, ("https://b.example",))
    with pytest.raises(SiteNotFound):
        await store.sites.change("nothing", name="x")


async def test_a_site_that_had_keys_first_becomes_one(store: Store) -> None:
    secret, _ = await store.add_key("desk", site="shop")
    assert await store.sites.all() == ()
    await store.sites.add(SITE)
    assert (await store.find_key(secret)) is not None
    await store.sites.remove("shop")
    assert await store.sites.all() == () and await store.find_key(secret) is None
    with pytest.raises(ConfigError, match="was removed"):
        await store.sites.add(SITE)


# --- refresh tokens


async def test_refresh_tokens_expire_and_are_stored_by_digest_alone(store: Store) -> None:
    await store.refresh.begin("shop", "ann", "d1")
    assert await store.refresh.rotate("shop", "d1", "d2") == "ann"
    past = datetime(2020, 1, 1, tzinfo=UTC)
    await change(store, "update refresh_tokens set expires = :past where digest = 'd2'", past=past)
    with pytest.raises(RefreshRefused):
        await store.refresh.rotate("shop", "d2", "d3")
    with pytest.raises(RefreshRefused):
        await store.refresh.rotate("other", "d1", "d4")
    await store.people.forget_expired()
    # The used one of the same family has not expired yet: a thief who comes with it is still noticed.
    assert await rows(store, "refresh_families") == 1
    await change(store, "update refresh_tokens set expires = :past", past=past)
    await store.people.forget_expired()
    assert await rows(store, "refresh_tokens") == await rows(store, "refresh_families") == 0


async def test_of_many_refreshes_at_once_one_wins_and_the_family_ends(store: Store) -> None:
    await store.refresh.begin("shop", "ann", "d0")
    tries = [store.refresh.rotate("shop", "d0", f"n{number}") for number in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [each for each in results if each == "ann"] == ["ann"]
    assert sum(isinstance(each, RefreshRefused) for each in results) == 7
    for number in range(8):
        with pytest.raises(RefreshRefused):
            await store.refresh.rotate("shop", f"n{number}", "x")


# --- handovers and replaced runs


async def test_two_people_who_accept_at_once(store: Store) -> None:
    made = await store.create_conversation(ANN)
    await store.desk.request(made.id)
    ((waiting, _),) = await store.desk.waiting("shop")
    tries = [store.desk.accept(waiting.id, "shop", name) for name in ("Eve", "Mia", "Zoe")]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, HandoverConflict) for each in results) == 2
    joined = [each for each in await store.journal.events(made.id) if each.data.get("status") == "joined"]
    assert len(joined) == 1
    with pytest.raises(PersonSpeaks):
        await store.start_run(made.id, "1", "hello")
    with pytest.raises(HandoverNotFound):
        await store.desk.close(waiting.id, "other")


async def test_a_customers_words_to_a_person_are_the_customers(store: Store) -> None:
    made = await store.create_conversation(ANN)
    await store.desk.request(made.id)
    ((waiting, _),) = await store.desk.waiting("shop")
    assert await store.desk.deliver(made.id, "1", "hello", "C-1") is False
    await store.desk.accept(waiting.id, "shop", "Eve")
    assert await store.desk.deliver(made.id, "1", "hello", "C-1") is True
    with pytest.raises(Forbidden):
        await store.conversation(made.id, ANN)
    with pytest.raises(Forbidden):
        await store.desk.deliver(made.id, "2", "hello", "C-2")
    assert (await store.conversation(made.id, replace(ANN, customer="C-1"))).customer == "C-1"


async def test_queues_of_sites_are_apart(store: Store) -> None:
    ids = [(await store.create_conversation(who)).id for who in (ANN, Identity("zoo", "z"), BOB)]
    statuses = [await store.desk.request(id) for id in ids]
    assert [each.position for each in statuses] == [1, 1, 2]
    assert await store.desk.withdraw(ids[0]) == HandoverStatus("none")
    assert (await store.desk.status(ids[2])).position == 1
    assert {pair[0].conversation for pair in await store.desk.waiting(None)} == set(ids[1:])


async def test_a_replaced_run_leaves_what_was_said_but_stays_stored(store: Store) -> None:
    made = await store.create_conversation(ANN)
    first = await store.start_run(made.id, "1", "a", opening=message("a"))
    await store.finish_run(first.id, "done")
    second = await store.start_run(made.id, "2", "b", opening=message("b"), replaces=first.id)
    assert [run.id for run in await store.runs_of(made.id)] == [second.id]
    assert [event.run_id for event in await store.conversation_events(made.id)] == [second.id]
    assert (await store.run(first.id, ANN)).id == first.id
    # A refused replacement changes nothing.
    with pytest.raises(RunConflict):
        await store.start_run(made.id, "3", "c", replaces=second.id)
    assert [run.id for run in await store.runs_of(made.id)] == [second.id]


async def test_a_rating_is_one(store: Store) -> None:
    made = await store.create_conversation(ANN)
    tries = [store.opinions.rate(made.id, score, "") for score in (1, 5)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, AlreadyRated) for each in results) == 1
    assert [each.type for each in await store.journal.events(made.id)] == ["rated"]


# --- the data of a person


async def test_export_has_everything_and_erase_leaves_nothing(store: Store) -> None:
    mine = await full_conversation(store, Identity("shop", "ann", "C-1"))
    theirs = await full_conversation(store, BOB)
    await store.refresh.begin("shop", "ann", "d1")
    (found,) = await store.people.export(customer="C-1")
    assert found["id"] == mine and found["prechat"] == {"email": "a@b.example"}
    assert found["runs"][0]["events"][0]["private"]["messages"][0]["content"] == "hello"
    kinds = {name: len(found[name]) for name in ("handovers", "feedback", "ratings")}
    assert kinds == {"handovers": 1, "feedback": 1, "ratings": 1}
    assert "I am here" in str(found["events"])
    assert await store.people.visitor_of(mine) == ("shop", "ann")
    assert await store.people.erase(customer="C-1", site="zoo") == 0
    assert await store.people.erase(customer="C-1") == 1
    assert await store.people.export(customer="C-1") == []
    with pytest.raises(RefreshRefused):
        await store.refresh.rotate("shop", "d1", "d2")
    for table in (
        "conversations",
        "runs",
        "feedback",
        "handovers",
        "review_items",
        "conversation_ratings",
        "visitors",
    ):
        assert await rows(store, table) == 1, table
    assert [each["id"] for each in await store.people.export(visitor="bob")] == [theirs]
    assert await store.people.erase_site("shop") == 1
    assert (
        await rows(store, "visitors")
        == await rows(store, "conversation_events")
        == await rows(store, "events")
        == 0
    )
    with pytest.raises(ConversationNotFound):
        await store.people.visitor_of(mine)
    with pytest.raises(ValueError, match="name a visitor"):
        await store.people.erase(site="shop")


async def test_a_visitor_without_conversations_is_erased_too(store: Store) -> None:
    await store.refresh.begin("shop", "ann", "d1")
    assert await store.people.erase(visitor="ann") == 0
    assert await rows(store, "visitors") == await rows(store, "refresh_tokens") == 0


async def test_purging_goes_by_the_last_thing_that_happened(store: Store) -> None:
    old, alive, said = [await full_conversation(store, Identity("shop", name)) for name in "abc"]
    past = datetime(2020, 1, 1, tzinfo=UTC)
    await change(store, "update conversations set created = :past", past=past)
    await change(store, "update visitors set created = :past", past=past)
    await change(store, "update runs set created = :past where conversation != :id", past=past, id=alive)
    elsewhere = "update conversation_events set created = :past where conversation != :id"
    await change(store, elsewhere, past=past, id=said)
    assert await store.people.purge(datetime.now(UTC) - timedelta(days=30)) == 1
    left = {each["id"] for name in "abc" for each in await store.people.export(visitor=name)}
    assert left == {alive, said} and old not in left
    assert await rows(store, "visitors") == 2
    assert await store.people.purge(datetime.now(UTC) - timedelta(days=30)) == 0


# --- databases of the first schema


SAID = '{"messages": [{"role": "user", "content": "hi"}]}'


def first_schema(path: Path) -> None:
    """As the first release left it, with a conversation that was handed over twice."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    at = "2026-01-01 10:00:0{}.000000"
    statements: list[tuple[str, tuple[Any, ...]]] = [
        ("insert into sites values ('local', ?)", (at.format(0),)),
        ("insert into visitors values ('local', 'ann', ?)", (at.format(0),)),
        ("insert into conversations values ('c1', 'local', 'ann', null, 'native', ?)", (at.format(1),)),
    ]
    for number in (1, 2):
        when = at.format(number + 1)
        run = (f"r{number}", number, f"m{number}", when)
        statements += [
            ("insert into runs values (?, 'c1', ?, ?, 'x', 'done', null, null, ?, null)", run),
            ("insert into events values (?, 1, 'run', '{}', ?, ?)", (f"r{number}", SAID, when)),
            (
                "insert into handovers values (?, ?, 'c1', 'asked', 'open', ?, null)",
                (f"h{number}", f"r{number}", when),
            ),
        ]
    with sqlite3.connect(path) as database:
        for statement, values in statements:
            database.execute(statement, values)
    database.close()


async def test_a_database_of_the_first_release_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "senmon.db"
    first_schema(path)
    store = await Store.open(path)
    try:
        ann = Identity("local", "ann")
        assert (await store.conversation("c1", ann)).prechat is None
        assert [run.id for run in await store.runs_of("c1")] == ["r1", "r2"]
        assert len(await store.conversation_events("c1")) == 2
        # The second wish of one conversation is closed; the first stands for both.
        ((waiting, _),) = await store.desk.waiting("local")
        assert (waiting.id, waiting.run, waiting.note) == ("h1", "r1", "")
        assert (await store.desk.get("h2", "local"))[0].state == "closed"
        again = await store.start_run("c1", "m3", "hello", opening=message("hello"))
        assert again.number == 3
        assert await store.sites.all() == ()
    finally:
        await store.close()
