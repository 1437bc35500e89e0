"""Sign-in by class code, from the teacher's command to what a pupil masters."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from senmon.actions.runner import ActionRequest, ActionRunner
from senmon.errors import ActionDenied, ConfigError, RateLimited, RequestInvalid, Unauthenticated
from senmon.mastery import observations, standings
from senmon.messages import Event, Identity
from senmon.packs.manifest import ActionSpec
from senmon.server.auth import _customer
from senmon.server.class_codes import TRIES, ClassBook
from senmon.store.store import Store
from server_rig import Site

SECRET = b"s" * 32


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await Store.open(":memory:")
    yield opened
    await opened.close()


@pytest.fixture
def book(store: Store) -> ClassBook:
    return ClassBook(store.class_codes, SECRET)


async def test_a_code_and_a_nickname_make_a_pupil(book: ClassBook) -> None:
    code = await book.add("7a", days=10)
    assert await book.pupil(code, "Anna", "1.2.3.4") == "class:7a/anna"
    assert await book.pupil(code.lower().replace("-", " "), "  ANNA ", "1.2.3.4") == "class:7a/anna"
    (kept,) = await book.codes()
    assert code.replace("-", "") not in str(kept)


@pytest.mark.parametrize("nickname", ["", "a/b", "x" * 30, "../7b/anna", "\x00", "=1+1"])
async def test_a_nickname_can_not_leave_its_class(book: ClassBook, nickname: str) -> None:
    code = await book.add("7a", days=10)
    with pytest.raises(RequestInvalid):
        await book.pupil(code, nickname, "1.2.3.4")


async def test_codes_end_by_time_and_by_the_teacher(store: Store) -> None:
    now = [datetime(2031, 1, 1, tzinfo=UTC)]
    book = ClassBook(store.class_codes, SECRET, clock=lambda: now[0])
    first, other = await book.add("7a", days=10), await book.add("7b", days=30)
    assert await book.revoke("7b") == 1 and await book.revoke("7b") == 0
    with pytest.raises(Unauthenticated):
        await book.pupil(other, "anna", "1.2.3.4")
    assert await book.pupil(first, "anna", "1.2.3.4")
    now[0] += timedelta(days=10)
    with pytest.raises(Unauthenticated):
        await book.pupil(first, "anna", "1.2.3.4")
    await book.add("7c", days=1)
    assert [each.klass for each in await book.codes()] == ["7c"], "what has ended goes"


async def test_guessing_is_slowed_down_for_whoever_guesses(book: ClassBook) -> None:
    code = await book.add("7a", days=10)
    assert await book.pupil(code, "anna", "6.6.6.6")
    for _ in range(TRIES):
        with pytest.raises(Unauthenticated):
            await book.pupil("AAAAA-AAAAA", "anna", "6.6.6.6")
    with pytest.raises(RateLimited):
        await book.pupil(code, "anna", "6.6.6.6")
    assert await book.pupil(code, "anna", "1.2.3.4")


async def test_codes_of_another_server_are_worth_nothing(book: ClassBook, store: Store) -> None:
    code = await book.add("7a", days=10)
    with pytest.raises(Unauthenticated):
        await ClassBook(store.class_codes, b"t" * 32).pupil(code, "anna", "1.2.3.4")
    with pytest.raises(ConfigError, match="no name of a class"):
        await book.add("7A / B", days=1)


async def test_the_file_of_an_earlier_release_is_taken_in_once(
    book: ClassBook, store: Store, tmp_path: Path
) -> None:
    code = await book.add("7a", days=10)
    (kept,) = await book.codes()
    moments = {"created": kept.created.isoformat(), "expires": kept.expires.isoformat()}
    old = json.dumps([{"klass": "7a", "digest": kept.digest, **moments}])
    await book.revoke("7a")
    (tmp_path / "classes.json").write_text(old, encoding="utf-8")
    assert [await book.take_in(tmp_path) for _ in range(2)] == [1, 0]
    assert await book.pupil(code, "anna", "1.2.3.4") == "class:7a/anna"
    (tmp_path / "classes.json").write_text(old, encoding="utf-8")  # killed before it was set aside
    assert await book.take_in(tmp_path) == 1
    assert await book.codes() == (kept,)
    (tmp_path / "classes.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="damaged"):
        await book.take_in(tmp_path)


async def test_a_pupil_is_no_verified_customer(tmp_path: Path) -> None:
    pupil = Identity(customer="class:7a/anna")
    assert not pupil.verified and Identity(customer="7a/anna").verified and not Identity().verified
    forged = jwt.encode(
        {"sub": "class:7a/anna", "aud": "shop", "exp": int(time.time()) + 60}, SECRET, algorithm="HS256"
    )
    with pytest.raises(Unauthenticated):
        _customer(forged, (SECRET,), "shop")


async def test_personal_actions_are_denied_to_pupils(site: Site) -> None:
    shop = next(iter(site.workspace.catalog.packs.values())).pack
    spec = ActionSpec(name="order", description="an order", identity="customer")
    actions = shop.manifest.actions.model_copy(update={"specs": (spec,)})
    shop = _with(shop, manifest=shop.manifest.model_copy(update={"actions": actions}))
    with pytest.raises(ActionDenied):
        await ActionRunner(lambda _: True).run(
            ActionRequest(shop, spec, identity=Identity(customer="class:7a/anna"))
        )


def _with(value: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(value, **changes)


def test_from_the_code_to_the_teachers_table(site: Site) -> None:
    secret = (site.workspace.settings.home / "secret").read_bytes()
    code = site.call(ClassBook(site.workspace.store.class_codes, secret).add("7c", days=10))
    refused = site.anonymous.post("/v1/visitors", json={"class_code": "AAAAA-AAAAA", "nickname": "bo"})
    assert refused.status_code == 401
    assert site.anonymous.post("/v1/visitors", json={"class_code": code, "nickname": "/"}).status_code == 422
    given = site.anonymous.post("/v1/visitors", json={"class_code": code, "nickname": "Bo"}).json()
    assert given["customer"] == "class:7c/bo"
    for seen in ([["fractions", False, 1, "added tops and bottoms"]], [["fractions", True, 0, ""]]):
        headers = {"Authorization": f"Bearer {given['token']}"}
        id = site.anonymous.post("/v1/conversations", json={}, headers=headers).json()["conversation_id"]
        _observe(site, id, given["customer"], seen)
    table = site.anonymous.get("/v1/classes/7c/mastery").json()
    (pupil,) = table["pupils"]
    (skill,) = pupil["skills"]
    assert (pupil["pupil"], skill["skill"], skill["attempts"], skill["right"]) == ("bo", "fractions", 2, 1)
    assert skill["mistake"] == "added tops and bottoms" and 0 < skill["mastery"] < 1
    assert site.anonymous.get("/v1/classes/7/mastery").json()["pupils"] == []


def _observe(site: Site, conversation: str, customer: str, seen: list[Any]) -> None:
    """A run in which an action set the slot `observed`."""
    site.call(_stored(site.workspace.store, conversation, customer, seen))


async def _stored(store: Any, conversation: str, customer: str, seen: list[Any]) -> None:
    run = await store.start_run(conversation, client_id=conversation, text="hi", customer=customer)
    await store.append(run.id, Event("action", {"name": "check_answer"}, {"slots": {"observed": seen}}))
    await store.finish_run(run.id, "done")


def test_the_table_is_knowledge_tracing() -> None:
    rows = standings(observations([["sums", True, 0, ""], ["sums", False, 2, "slip"], "junk", ["x"]]))
    assert [(each.skill, each.attempts, each.right, each.hints, each.mistake) for each in rows] == [
        ("sums", 2, 1, 2, "slip")
    ]
    assert json.dumps(rows[0].mastery)
