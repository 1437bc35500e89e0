from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from senmon.errors import StoreError
from senmon.messages import Event
from senmon.routing.corrections import read_corrections
from senmon.server.sse import frames
from server_rig import SECRET_WORDS, FakeWorkspace, Site, read_events, serving

Make = Callable[..., FakeWorkspace]


def started(site: Site, text: str, client_id: str = "1") -> tuple[str, str]:
    conversation = site.conversation()
    answer = site.say(conversation, text, client_id)
    assert answer.status_code == 202, answer.text
    return conversation, answer.json()["run_id"]


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["data"]["text"] for event in events if event["type"] == "delta")


def test_a_message_is_answered_in_order_and_kept(site: Site) -> None:
    conversation, run = started(site, "return policy?")
    events = site.events(run)
    assert [event["type"] for event in events] == ["run", "route", "passages", "delta", "delta", "done"]
    assert [event["seq"] for event in events] == list(range(1, 7))
    assert events[0]["data"] == {"conversation_id": conversation, "client_id": "1"}
    history = site.client.get(f"/v1/conversations/{conversation}").json()
    assert [(m["role"], m["text"]) for m in history["messages"]] == [
        ("user", "return policy?"),
        ("assistant", "You can send it back within 30 days."),
    ]
    assert history["messages"][1]["pack"] == "shop"
    assert history["messages"][1]["citations"] == [{"id": "returns", "title": "Returns", "url": ""}]
    assert history["active_run"] is None


def test_post_streams_when_asked_to(site: Site) -> None:
    conversation = site.conversation()
    url, body = f"/v1/conversations/{conversation}/messages", {"client_id": "1", "text": "hello"}
    with site.client.stream("POST", url, json=body, headers={"Accept": "text/event-stream"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        assert "no-transform" in response.headers["cache-control"]
        assert [event["type"] for event in read_events(response)][-1] == "done"


def test_the_next_turn_knows_the_earlier_ones(site: Site) -> None:
    conversation, run = started(site, "hello")
    site.events(run)
    site.events(site.say(conversation, "and then?", "2").json()["run_id"])
    state, text, identity, pinned, system = site.workspace.assistant.asked[-1]
    assert [message.role for message in state.messages] == ["user", "assistant"]
    assert (state.id, text, pinned, system) == (conversation, "and then?", None, "")
    assert identity.site == "local" and identity.customer is None and identity.visitor != "local"


def test_of_a_long_conversation_the_end_is_read_alone(site: Site) -> None:
    conversation = site.conversation()
    for number in range(3):
        site.events(site.say(conversation, f"hello {number}", str(number)).json()["run_id"])
    at = f"/v1/conversations/{conversation}"
    whole, end = site.client.get(at).json(), site.client.get(at, params={"last": 2}).json()
    assert [m["text"] for m in whole["messages"] if m["role"] == "user"] == ["hello 0", "hello 1", "hello 2"]
    assert end["messages"] == whole["messages"][2:] and (whole["earlier"], end["earlier"]) == (0, 1)
    assert site.client.get(at, params={"last": 3}).json() == whole
    assert site.client.get(at, params={"last": 0}).status_code == 422


def test_client_id_makes_sending_again_safe(site: Site) -> None:
    conversation, run = started(site, "hello", "a")
    assert site.say(conversation, "hello", "a").json()["run_id"] == run
    site.events(run)
    assert site.say(conversation, "hello", "a").json()["run_id"] == run
    assert len(site.workspace.assistant.asked) == 1
    other = site.say(conversation, "something else", "a")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "run_conflict")


def test_one_run_at_a_time_in_a_conversation(site: Site) -> None:
    conversation, run = started(site, "wait here")
    refused = site.say(conversation, "hello", "2")
    assert refused.status_code == 409 and refused.headers["retry-after"] == "1"
    assert f"DELETE /v1/runs/{run}" in refused.json()["error"]["remedy"]
    assert site.client.delete(f"/v1/runs/{run}").json() == {"run_id": run, "state": "stopped"}
    assert site.say(conversation, "hello", "2").status_code == 202


def test_delete_stops_and_keeps_what_was_said(site: Site) -> None:
    conversation, run = started(site, "wait here")
    wait_for(lambda: len(stored(site, run)) >= 3)
    site.client.delete(f"/v1/runs/{run}")
    last = site.events(run)[-1]
    assert last["type"] == "done"
    assert last["data"] == {"finish_reason": "cancelled", "text": "One moment."}
    assert site.workspace.assistant.cancelled == ["wait here"]
    assert site.client.delete(f"/v1/runs/{run}").json()["state"] == "stopped"
    history = site.client.get(f"/v1/conversations/{conversation}").json()
    assert history["messages"][-1]["text"] == "One moment."


def test_a_dropped_stream_is_resumed_without_loss_or_doubles(site: Site) -> None:
    _, run = started(site, "count please")
    seen: list[dict[str, Any]] = []
    for _ in range(4):
        headers = {"Last-Event-ID": str(seen[-1]["seq"])} if seen else {}
        with site.client.stream("GET", f"/v1/runs/{run}/events", headers=headers) as response:
            for event in read_events(response):
                seen.append(event)
                if len(seen) % 6 == 0 or event["type"] == "done":
                    break
        time.sleep(0.05)
    assert seen[-1]["type"] == "done"
    assert [event["seq"] for event in seen] == list(range(1, 24))
    assert text_of(seen).split() == [str(number) for number in range(20)]


def test_two_followers_see_the_same(site: Site) -> None:
    _, run = started(site, "count please")
    results: list[list[dict[str, Any]]] = []
    threads = [threading.Thread(target=lambda: results.append(site.events(run))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results[0] == results[1] and len(results[0]) == 23


def test_following_after_the_end_ends_at_once(site: Site) -> None:
    _, run = started(site, "hello")
    last = site.events(run)[-1]["seq"]
    assert site.events(run, after=last) == []
    assert site.events(run, after=10_000) == []
    assert [event["seq"] for event in site.events(run, after=last - 1)] == [last]
    bad = site.client.get(f"/v1/runs/{run}/events", headers={"Last-Event-ID": "-1"})
    assert bad.status_code == 422


def test_native_run_goes_on_when_its_client_leaves(site: Site) -> None:
    _, run = started(site, "count please")
    with site.client.stream("GET", f"/v1/runs/{run}/events") as response:
        next(read_events(response))
    wait_for(lambda: stored(site, run)[-1].type == "done")
    assert site.workspace.assistant.cancelled == []


def test_a_run_that_nobody_follows_is_stopped(make_workspace: Make) -> None:
    with serving(make_workspace(), idle_seconds=1.0) as site:  # a busy machine needs a while to follow it
        _, run = started(site, "wait here")
        with site.client.stream("GET", f"/v1/runs/{run}/events") as response:
            events = read_events(response)
            next(events)
            time.sleep(1.2)
            assert site.workspace.assistant.cancelled == []
        wait_for(lambda: site.workspace.assistant.cancelled == ["wait here"])
        wait_for(lambda: stored(site, run)[-1].data.get("finish_reason") == "cancelled")


async def test_silence_is_filled_with_pings() -> None:
    async def slow() -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0.25)
        yield Event("done", run_id="r", seq=7)

    got = [chunk async for chunk in frames(slow(), ping_seconds=0.1)]
    assert got[:2] == [b": ping\n\n"] * 2
    assert got[-1] == b'id: 7\nevent: done\ndata: {"seq":7,"run_id":"r","type":"done","data":{}}\n\n'


def test_failures_become_error_events(site: Site) -> None:
    for word, code in (
        ("busy", "engine_busy"),
        ("broken", "internal_error"),
        ("fails", "engine_unavailable"),
    ):
        conversation, run = started(site, word)
        events = site.events(run)
        assert (events[-1]["type"], events[-1]["data"]["code"]) == ("error", code)
        assert SECRET_WORDS not in str(events)
        again = site.say(conversation, "hello", "2")
        assert site.events(again.json()["run_id"])[-1]["type"] == "done"
    busy = started(site, "busy")[1]
    assert site.events(busy)[-1]["data"]["retry_after"] == 2.5


def test_conversations_and_runs_belong_to_their_visitor(site: Site) -> None:
    conversation, run = started(site, "hello")
    stranger = site.visitor()
    paths = [("GET", f"/v1/conversations/{conversation}"), ("GET", f"/v1/runs/{run}/events")]
    paths += [("DELETE", f"/v1/runs/{run}"), ("GET", "/v1/conversations/nowhere")]
    for method, path in paths:
        assert stranger.request(method, path).status_code == 404, path
    body = {"client_id": "x", "text": "hello"}
    assert stranger.post(f"/v1/conversations/{conversation}/messages", json=body).status_code == 404
    assert stranger.post(f"/v1/runs/{run}/feedback", json={"rating": "up"}).status_code == 404
    site.events(run)


def test_feedback_is_kept_and_shown_again(site: Site) -> None:
    conversation, run = started(site, "hello")
    site.events(run)
    body = {"rating": "down", "reason": "wrong", "correction": "It is 14 days."}
    answer = site.client.post(f"/v1/runs/{run}/feedback", json=body)
    assert answer.status_code == 201 and answer.json()["rating"] == "down"
    assert site.client.post(f"/v1/runs/{run}/feedback", json={"rating": "up"}).status_code == 201
    history = site.client.get(f"/v1/conversations/{conversation}").json()
    assert history["messages"][-1]["feedback"] == "up"
    assert site.client.post(f"/v1/runs/{run}/feedback", json={"rating": "meh"}).status_code == 422


def test_a_wrong_topic_is_proposed_and_never_learnt_unasked(site: Site) -> None:
    _, run = started(site, "hello")
    site.events(run)
    feedback = f"/v1/runs/{run}/feedback"
    answer = site.client.post(feedback, json={"rating": "down", "topic": "none"}).json()
    assert answer["topic_proposed"] is True
    (kept,) = read_corrections(site.workspace.settings.home)
    assert (kept.text, kept.pack, kept.state) == ("hello", None, "proposed")
    again = site.client.post(feedback, json={"rating": "down", "topic": "none"}).json()
    assert again["topic_proposed"] is False
    assert site.client.post(feedback, json={"rating": "down", "topic": "zoo"}).status_code == 404


def test_pinning_a_pack(site: Site) -> None:
    conversation = site.conversation()
    site.events(site.say(conversation, "hello", pack="shop").json()["run_id"])
    assert site.workspace.assistant.asked[-1][3] == "shop"
    unknown = site.say(conversation, "hello", "2", pack="zoo")
    assert unknown.status_code == 404 and unknown.json()["error"]["remedy"] == "packs served: shop"


def test_packs_and_tunings(site: Site) -> None:
    (pack,) = site.anonymous.get("/v1/packs").json()["packs"]
    assert (pack["name"], pack["status"], pack["greeting"]) == ("shop", "untuned", "Hello from the shop!")
    assert pack["suggestions"] == ["When are you open?"] and pack["adapter"] is None
    run = {"id": "x", "pack": "shop", "phase": "tune", "step": 3, "steps": 40, "error": "/secret/path"}
    site.workspace.tunings = [run]
    (tuning,) = site.anonymous.get("/v1/tunings").json()["tunings"]
    assert (tuning["pack"], tuning["step"], tuning["steps"], tuning["finished"]) == ("shop", 3, 40, "")
    assert "error" not in tuning
    assert site.anonymous.get("/v1/packs").json()["packs"][0]["status"] == "tuning"


def test_not_ready_is_503(site: Site) -> None:
    conversation = site.conversation()
    site.workspace.is_ready = False
    refused = site.say(conversation, "hello")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "engine_unavailable")
    readyz = site.anonymous.get("/readyz")
    assert readyz.status_code == 503 and readyz.json() == {
        "ready": False,
        "checks": {"started": False, "problems": 1, "store": "ok"},
    }
    assert site.anonymous.get("/healthz").json()["status"] == "ok"
    site.workspace.is_ready = True
    assert site.anonymous.get("/readyz").status_code == 200


def test_a_conversation_survives_a_store_that_failed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    store, conversation = site.workspace.store, site.conversation()

    closings: list[str] = []

    async def full(*_: object, **__: object) -> None:
        raise StoreError("the database failed")

    async def not_closed(run_id: str, state: str) -> None:
        closings.append(run_id)
        raise StoreError("the database failed")

    with monkeypatch.context() as disk:
        disk.setattr(store, "append_all", full)
        disk.setattr(store, "finish_run", not_closed)
        run = site.say(conversation, "hello", "1").json()["run_id"]
        assert site.events(run)[-1]["data"]["code"] == "store_error"
        wait_for(lambda: closings == [run])
    assert site.say(conversation, "hello", "2").status_code == 202
    assert [event.type for event in stored(site, run)] == ["run", "error"]
    assert site.events(run)[-1]["data"]["code"] == "store_error"


def test_packs_name_their_persona(site: Site) -> None:
    (shop,) = site.anonymous.get("/v1/packs").json()["packs"]
    assert (shop["title"], shop["persona"]) == ("Corner shop", "Assistant")


def test_shutdown_ends_streams_with_an_error_event(make_workspace: Make) -> None:
    workspace, got = make_workspace(), []
    with serving(workspace) as site:
        _, run = started(site, "wait here")
        thread = threading.Thread(target=lambda: got.extend(site.events(run)))
        thread.start()
        wait_for(lambda: len(stored(site, run)) >= 3)
        start = time.monotonic()
    thread.join(10)
    assert time.monotonic() - start < 5
    assert (got[-1]["type"], got[-1]["data"]["code"]) == ("error", "interrupted")
    # The state is closed: another server may take it.
    with serving(make_workspace()) as second, pytest.raises(httpx.HTTPStatusError):
        assert second.anonymous.get("/readyz").status_code == 200
        second.anonymous.get(f"/v1/runs/{run}/events").raise_for_status()


def stored(site: Site, run: str) -> tuple[Event, ...]:
    found: tuple[Event, ...] = site.call(site.workspace.store.events(run))
    return found


def wait_for(true: Callable[[], bool], seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
