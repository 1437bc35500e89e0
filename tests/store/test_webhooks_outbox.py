"""The outbox: what happened is queued with it, claimed by one sender, and survives who claimed it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from senmon.errors import WebhookNotFound
from senmon.messages import Event, Identity
from senmon.store import webhooks
from senmon.store.store import Store

ANN = Identity("shop", "ann")
URL = "https://hooks.example/in"


async def exchange(store: Store) -> tuple[str, str]:
    made = await store.create_conversation(ANN)
    run = await store.start_run(made.id, "1", "a person, my number is 4711")
    return made.id, run.id


async def test_what_happens_is_told_to_those_who_want_to_hear_it(store: Store) -> None:
    everything = await store.webhooks.add(URL, webhooks.FAMILIES)
    await store.webhooks.add(URL, ("feedback",), site="shop")
    await store.webhooks.add(URL, webhooks.FAMILIES, site="zoo")
    conversation, run = await exchange(store)
    await store.append(run, Event("handoff", {"reason": "asked for"}))
    ((waiting, _),) = await store.desk.waiting("shop")
    await store.desk.accept(waiting.id, "shop", "Bea")
    await store.desk.close(waiting.id, "shop")
    await store.add_feedback(run, ANN, "down", reason="rude", correction="Say 4711.")
    await store.opinions.rate(conversation, 2, "bad")
    assert await store.webhooks.announce("gate.promoted", {"pack": "shop"}) == 2, "gates belong to no site"
    told = {each.type: each for each in await store.webhooks.deliveries(everything.id)}
    assert sorted(told) == [
        "feedback.given", "feedback.rated", "gate.promoted", "handover.closed", "handover.joined",
        "handover.queued",
    ]  # fmt: skip
    joined = {"handover_id": waiting.id, "status": "joined", "agent": "Bea"}
    where = {"conversation_id": conversation, "site": "shop"}
    assert told["handover.joined"].data == {**joined, **where}
    assert "4711" not in str(told), "what was said is fetched by whoever may read it"
    counts = await store.webhooks.counts()
    assert sorted(one["waiting"] for one in counts.values()) == [1, 2, 6]


async def test_a_change_that_fails_tells_nothing(store: Store) -> None:
    await store.webhooks.add(URL, webhooks.FAMILIES)
    conversation, _ = await exchange(store)
    await store.opinions.rate(conversation, 5, "")
    with pytest.raises(Exception, match="rated"):
        await store.opinions.rate(conversation, 1, "")
    assert len(await store.webhooks.claim(10)) == 1


async def test_of_many_senders_one_gets_it_and_a_dead_one_lets_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.webhooks.add(URL, ("gate",))
    for number in range(6):
        await store.webhooks.announce("gate.kept", {"number": number})
    claims = await asyncio.gather(*(store.webhooks.claim(6) for _ in range(4)))
    taken = [each for claim in claims for each in claim]
    assert len({each.id for each in taken}) == len(taken) == 6
    assert await store.webhooks.claim(6) == ()
    await store.webhooks.delivered(taken[0].id)
    # The others' sender died: after the lease they are anybody's, with the same key.
    later = taken[0].created + webhooks.LEASE * 3
    monkeypatch.setattr(webhooks, "moment", lambda _: asyncio.sleep(0, later))
    again = await store.webhooks.claim(10)
    assert {each.event for each in again} == {each.event for each in taken[1:]}
    assert {each.attempts for each in again} == {1}
    # One that only slept says late that it failed; it arrived meanwhile, and is not sent once more.
    await store.webhooks.delivered(again[0].id)
    await store.webhooks.again(again[0].id, timedelta(0), "late", tried=1)
    await store.webhooks.given_up(again[1].id, "late", tried=1)
    monkeypatch.undo()
    assert await store.webhooks.claim(10) == ()
    counts = (await store.webhooks.counts()).values()
    assert list(counts) == [{"delivered": 2, "waiting": 4}]


async def test_deliveries_wait_are_given_up_and_tried_again(store: Store) -> None:
    hook = await store.webhooks.add(URL, ("gate",))
    await store.webhooks.announce("gate.kept", {})
    (mine,) = await store.webhooks.claim(1)
    await store.webhooks.again(mine.id, timedelta(hours=1), "answered 500")
    assert await store.webhooks.claim(1) == ()
    await store.webhooks.given_up(mine.id, "x" * 500)
    (seen,) = await store.webhooks.deliveries(hook.id)
    assert (seen.state, seen.due, len(seen.note)) == ("given up", None, 200)
    assert await store.webhooks.retry(hook.id) == 1
    assert [each.attempts for each in await store.webhooks.claim(1)] == [0]
    await store.webhooks.remove((await store.webhooks.get(hook.id[:8])).id)
    assert await store.webhooks.all() == () and await store.webhooks.counts() == {}
    with pytest.raises(WebhookNotFound):
        await store.webhooks.get(hook.id)


async def test_replies_to_chatwoot_are_queued_with_the_end_of_their_run(store: Store) -> None:
    """Whichever server ends it, and with an error of one that died."""
    visitor = Identity("chatwoot", "3.7")
    talk = await store.continue_conversation(visitor, "chatwoot")
    run = (await store.start_run(talk.id, "chatwoot-1", "hi")).id
    said = [Event("delta", {"text": "Hello. "}), Event("delta", {"text": "Wait."})]
    await store.append_all(run, *said)
    assert await store.webhooks.deliveries(None) == ()
    await store.append_all(run, Event("handoff", {"reason": "asked for"}), Event("done"), state="done")
    await store.finish_run(run, "done")  # it has ended already
    opened, reply = sorted(await store.webhooks.deliveries(None), key=lambda each: each.type, reverse=True)
    place = {"account": 3, "conversation": 7}
    assert (opened.event, opened.data) == (f"open-{run}", place)
    assert (reply.event, reply.data) == (f"reply-{run}", {**place, "text": "Hello. Wait."})
    _, mine = await exchange(store)
    await store.append_all(mine, Event("delta", {"text": "Hello."}), Event("done"), state="done")
    assert len(await store.webhooks.deliveries(None)) == 2, "other channels' replies are nobody's there"
    await store.people.erase(visitor="3.7")
    assert await store.webhooks.deliveries(None) == ()
