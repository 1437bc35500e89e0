"""What waits, in which order, and what decisions do to it."""

from __future__ import annotations

from typing import Any

import pytest

from senmon.errors import ArticleNotFound, ConfigError, DataInvalid, RunNotFound
from senmon.improvement.signals import Item, failing, ranked
from senmon.messages import Event
from senmon.routing.corrections import read_corrections
from senmon.store.reviews import handle


async def waiting(stage: Any, **options: Any) -> tuple[Item, ...]:
    found = [each async for each in stage.store.reviews.exchanges(undecided=True)]
    return ranked(found, **options)


def verdict(outcome: str) -> Event:
    return Event("verdict", {"check": "grounded", "outcome": outcome}, {"reason": "30 is nowhere"})


async def test_the_queue_is_ordered_by_what_an_item_teaches(stage: Any) -> None:
    fine = await stage.turn("when do you open", "We open at 9 am.")
    close = await stage.turn("are you open", "Yes.", margin=0.05)
    nobody = await stage.turn("do you sell gift cards", "I can't help with that.", pack=None)
    failed = await stage.turn("where is A1001", "", error=True)
    gave_up = await stage.turn("how long", "Sorry.", extra=(verdict("repair"),) * 3)
    person = await stage.turn(
        "a person please", "One moment.", extra=(Event("handoff", {"reason": "asked"}),)
    )
    disliked = await stage.turn("returns?", "No.")
    await stage.thumb(disliked, reason="rude")
    corrected = await stage.turn("return days?", "Ten days.")
    await stage.thumb(corrected, correction="30 days")
    items = await waiting(stage)
    order = [item.exchange.run for item in items]
    assert order[:2] == [corrected, disliked]
    assert order[-1] == close
    assert set(order) == {corrected, disliked, failed, gave_up, person, nobody, close}
    assert fine not in order
    by_run = {item.exchange.run: item for item in items}
    assert by_run[corrected].kinds == ("corrected", "thumbs down")
    assert by_run[corrected].signals[0].detail == "30 days"
    assert by_run[gave_up].kinds == ("gave up",)
    assert "30 is nowhere" in by_run[gave_up].signals[0].detail
    assert [item.exchange.run for item in await waiting(stage, pack="-")] == [nobody]
    assert [item.exchange.run for item in await waiting(stage, kind="failed")] == [failed]


async def test_a_long_queue_comes_in_pages(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senmon.store.reviews.PAGE", 3)
    runs = [await stage.turn(f"question {number}", "Yes.", margin=0.0) for number in range(8)]
    found = [each.run async for each in stage.store.reviews.exchanges()]
    assert found == runs[::-1]
    assert [each.run async for each in stage.store.reviews.exchanges(most=4)] == runs[:3:-1]


async def test_a_decision_takes_an_item_out_once(stage: Any) -> None:
    run = await stage.turn("how do returns work", "No idea.", articles=("returns",), intent="returns")
    await stage.thumb(run)
    desk = stage.desk()
    short = handle(run)[:8]
    first, new = await desk.correct(short, reply="You can send it back within 30 days.")
    assert (new, first.run, first.reviewer, first.pack) == (True, run, "Ann", "shop")
    again, new = await stage.desk("Bob").correct(short, reply="You can send it back within 30 days.")
    assert (new, again.reviewer, again.created) == (False, "Ann", first.created)
    assert await waiting(stage) == ()
    other, new = await desk.dismiss(short)
    assert (new, other.kind) == (True, "dismiss")
    (kept,) = await stage.store.reviews.decided()
    assert kept.kind == "dismiss"
    await desk.undo(short)
    assert [item.exchange.run for item in await waiting(stage)] == [run]


async def test_what_can_not_be_learnt_is_refused_at_once(stage: Any) -> None:
    run = await stage.turn("how do returns work", "No idea.", articles=("returns",), intent="returns")
    desk = stage.desk()
    with pytest.raises(DataInvalid, match="grounded"):
        await desk.correct(run, reply="You can send it back within 90 days.")
    with pytest.raises(DataInvalid, match="refers to nothing"):
        await desk.correct(run, reply="Within [[article.refund_days]].")
    with pytest.raises(ArticleNotFound, match="no-such"):
        await desk.correct(run, reply="Yes.", articles=("no-such",))
    with pytest.raises(DataInvalid):
        await desk.correct(run, call={"name": "order_status", "arguments": {"order_id": "Z9999"}})
    with pytest.raises(ConfigError, match="one of the two"):
        await desk.correct(run)
    with pytest.raises(ConfigError, match="needs a name"):
        stage.desk("  ")
    assert await stage.store.reviews.decided() == ()


async def test_an_unanswered_message_needs_a_pack_and_an_intent(stage: Any) -> None:
    run = await stage.turn(
        "do you sell gift cards, mail me at ann@corner.com", "Sorry.", pack=None, intent=""
    )
    desk = stage.desk()
    with pytest.raises(ConfigError, match="no pack answered"):
        await desk.correct(run, reply="Yes.")
    with pytest.raises(ConfigError, match="what does the visitor want"):
        await desk.correct(run, reply="Yes.", pack="shop")
    await desk.correct(run, reply="Yes, at the till.", pack="shop", intent="gift_cards")
    (taught,) = read_corrections(stage.home)
    assert (taught.pack, taught.was, taught.state) == ("shop", None, "accepted")
    assert taught.text == "do you sell gift cards, mail me at [email]"


async def test_ids_are_typed_in_hex_and_told_apart(stage: Any) -> None:
    run = await stage.turn("hello", "Hi.")
    reviews = stage.store.reviews
    assert (await reviews.exchange(handle(run)[:6])).run == run
    assert (await reviews.exchange(handle(run).upper())).run == run
    for wrong in ("", "abc", "zzzzzz", "f" * 12, "%%%%%%", handle(run) + "00"):
        with pytest.raises(RunNotFound):
            await reviews.exchange(wrong)


async def test_erasure_takes_decisions_along(stage: Any) -> None:
    conversation = await stage.conversation()
    run = await stage.turn("hello", "Hi.", conversation=conversation)
    await stage.desk().dismiss(run)
    (exported,) = await stage.store.people.export(visitor="visitor-0")
    assert exported["reviews"][0]["kind"] == "dismiss"
    assert await stage.store.people.erase(visitor="visitor-0") == 1
    assert await stage.store.reviews.decided() == ()


@pytest.mark.parametrize(
    ("sure", "worth"), [(0.95, None), (0.72, 0.4), (0.3, 1.0), (None, None), (True, None)]
)
async def test_a_reply_that_the_model_held_improbable_waits(
    stage: Any, sure: float | None, worth: float | None
) -> None:
    run = await stage.turn("are you open", "Yes.", confidence=sure)
    items = await waiting(stage, kind="unsure")
    assert [(item.exchange.run, item.value) for item in items] == ([(run, worth)] if worth else [])
    assert not any(failing(item.exchange) for item in items), "it may be right for all that"
