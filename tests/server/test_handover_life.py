"""A person takes over: queued, joined, closed, as the visitor and the desk see it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from senmon.messages import Message
from server_rig import FakeWorkspace, Site, client_of, serving


def news(response: httpx.Response) -> Iterator[dict[str, Any]]:
    frame: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            frame[name] = value
        elif not line and frame:
            body = json.loads(frame["data"])
            assert (int(frame["id"]), frame["event"]) == (body["seq"], body["type"])
            frame = {}
            yield body


def watch(
    site: Site, conversation: str, count: int, after: int | None = None
) -> tuple[threading.Thread, list[Any]]:
    """A tab that follows the conversation until it has `count` frames."""
    got: list[Any] = []
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    opened = threading.Event()

    def follow() -> None:
        path = f"/v1/conversations/{conversation}/events"
        with client_of(site.url, **dict(site.client.headers)).stream("GET", path, headers=headers) as answer:
            opened.set()
            for frame in news(answer):
                got.append((frame["type"], frame["data"]))
                if len(got) == count:
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert opened.wait(5)
    return thread, got


def answered(site: Site, conversation: str, text: str, id: str) -> str:
    run = site.say(conversation, text, id).json()["run_id"]
    assert site.events(run)[-1]["type"] == "done"
    return str(run)


def history(site: Site, conversation: str) -> dict[str, Any]:
    found: dict[str, Any] = site.client.get(f"/v1/conversations/{conversation}").json()
    return found


def test_from_the_queue_to_the_end(site: Site) -> None:
    conversation = site.conversation()
    answered(site, conversation, "hello", "1")
    start = history(site, conversation)
    assert start["handover"] == {"status": "none", "agent": None, "position": None}
    thread, got = watch(site, conversation, 6, after=start["last_event"])
    queued = site.client.post(f"/v1/conversations/{conversation}/handover", json={"note": "my bike is lost"})
    assert queued.json() == {"status": "queued", "agent": None, "position": 1}
    desk = site.anonymous
    waiting = desk.get("/v1/handovers").json()["handovers"]
    mine = next(each for each in waiting if each["conversation_id"] == conversation)
    assert (mine["note"], mine["run_id"], mine["state"]) == ("my bike is lost", None, "open")
    path = f"/v1/handovers/{mine['id']}"
    assert desk.post(f"{path}/messages", json={"text": "too early"}).status_code == 409
    # While nobody has joined, the assistant answers.
    answered(site, conversation, "still there?", "2")
    joined = desk.post(f"{path}/accept", json={"agent": "Ann"}).json()
    assert (joined["state"], joined["agent"]) == ("joined", "Ann")
    asked = len(site.workspace.assistant.asked)
    for _ in range(2):  # sent twice, delivered once
        answer = site.say(conversation, "at last", "3")
        assert (answer.status_code, answer.json()) == (202, {"run_id": None, "delivered": True})
    assert site.say(conversation, "another text", "3").status_code == 409
    assert len(site.workspace.assistant.asked) == asked
    assert desk.post(f"{path}/messages", json={"text": "Hello, I am Ann."}).status_code == 201
    assert desk.post(f"{path}/close").json()["state"] == "closed"
    thread.join(5)
    check_news(got, conversation)
    # It answers again, and knows what was said; what was delivered is not answered twice.
    assert site.say(conversation, "at last", "3").json()["delivered"] is True
    answered(site, conversation, "thanks", "4")
    state = site.workspace.assistant.asked[-1][0]
    assert state.messages[-2:] == (Message("user", "at last"), Message("assistant", "Hello, I am Ann."))
    check_history(history(site, conversation))
    detail = desk.get(path).json()
    assert [line["role"] for line in detail["transcript"]][-4:] == [
        "visitor",
        "agent",
        "visitor",
        "assistant",
    ]
    assert desk.post(f"{path}/messages", json={"text": "too late"}).status_code == 409
    assert desk.post(f"{path}/accept", json={"agent": "Bob"}).json()["error"]["code"] == "handover_conflict"


def check_news(got: list[Any], conversation: str) -> None:
    kinds = [kind for kind, _ in got]
    assert kinds[:3] == ["handover", "run", "handover"]
    assert got[0][1] == {"status": "queued", "position": 1}
    assert got[1][1]["client_id"] == "2" and got[1][1]["run_id"]
    assert got[2][1] == {"status": "joined", "agent": "Ann"}
    said = [data for kind, data in got if kind == "message"]
    assert [(each["role"], each["text"]) for each in said] == [
        ("user", "at last"),
        ("assistant", "Hello, I am Ann."),
    ]
    assert said[0]["client_id"] == "3" and said[0]["author"]["kind"] == "visitor"
    assert said[1]["author"] == {"kind": "agent", "name": "Ann"}
    assert got[5] == ("handover", {"status": "closed"})


def check_history(found: dict[str, Any]) -> None:
    told = [(m["author"]["kind"], m["text"]) for m in found["messages"]]
    assert told[4:6] == [("visitor", "at last"), ("agent", "Hello, I am Ann.")]
    assert [m["run_id"] is None for m in found["messages"]] == [False] * 4 + [True] * 2 + [False] * 2
    assert found["handover"]["status"] == "closed"
    times = [m["created_at"] for m in found["messages"]]
    assert times == sorted(times)


def test_places_in_the_queue_move_up(site: Site) -> None:
    clear(site)
    first, second = site.conversation(), site.conversation()
    ask = {"note": ""}
    assert site.client.post(f"/v1/conversations/{first}/handover", json=ask).json()["position"] == 1
    assert site.client.post(f"/v1/conversations/{second}/handover", json=ask).json()["position"] == 2
    assert site.client.post(f"/v1/conversations/{second}/handover", json=ask).json()["position"] == 2
    thread, got = watch(site, second, 2)
    gone = site.client.delete(f"/v1/conversations/{first}/handover").json()
    assert gone["status"] == "none"
    thread.join(5)
    assert got == [
        ("handover", {"status": "queued", "position": 2}),
        ("handover", {"status": "queued", "position": 1}),
    ]
    assert site.client.delete(f"/v1/conversations/{first}/handover").json()["status"] == "none"
    clear(site)


def clear(site: Site) -> None:
    for each in site.anonymous.get("/v1/handovers?joined=true").json()["handovers"]:
        site.anonymous.post(f"/v1/handovers/{each['id']}/close")


def test_the_visitor_may_end_the_talk(site: Site) -> None:
    conversation = site.conversation()
    site.client.post(f"/v1/conversations/{conversation}/handover", json={})
    (mine,) = site.anonymous.get("/v1/handovers").json()["handovers"]
    site.anonymous.post(f"/v1/handovers/{mine['id']}/accept", json={"agent": "Ann"})
    assert site.anonymous.post(f"/v1/handovers/{mine['id']}/accept", json={"agent": "Ann"}).status_code == 200
    taken = site.anonymous.post(f"/v1/handovers/{mine['id']}/accept", json={"agent": "Bob"})
    assert taken.status_code == 409 and "Ann" in taken.json()["error"]["message"]
    assert site.client.delete(f"/v1/conversations/{conversation}/handover").json()["status"] == "closed"
    answered(site, conversation, "hello again", "1")


def test_who_joins_stops_the_reply_under_way(site: Site) -> None:
    conversation = site.conversation()
    run = site.say(conversation, "wait here").json()["run_id"]
    site.client.post(f"/v1/conversations/{conversation}/handover", json={})
    (mine,) = site.anonymous.get("/v1/handovers").json()["handovers"]
    assert site.anonymous.post(f"/v1/handovers/{mine['id']}/accept", json={"agent": "Ann"}).status_code == 200
    assert site.events(run)[-1]["data"]["finish_reason"] == "cancelled"
    clear(site)


def test_the_assistants_own_handoff_queues_once(site: Site) -> None:
    clear(site)
    conversation = site.conversation()
    answered(site, conversation, "person please", "1")
    answered(site, conversation, "person now", "2")
    assert history(site, conversation)["handover"] == {"status": "queued", "agent": None, "position": 1}
    assert len(site.anonymous.get("/v1/handovers").json()["handovers"]) == 1
    clear(site)


def test_a_person_is_reached_when_the_engine_is_not(site: Site) -> None:
    conversation = site.conversation()
    site.client.post(f"/v1/conversations/{conversation}/handover", json={})
    (mine,) = site.anonymous.get("/v1/handovers").json()["handovers"]
    site.anonymous.post(f"/v1/handovers/{mine['id']}/accept", json={"agent": "Ann"})
    site.workspace.is_ready = False
    assert site.say(conversation, "are you there?").json() == {"run_id": None, "delivered": True}
    clear(site)
    assert site.say(conversation, "and now?", "2").status_code == 503


def test_other_channels_stay_silent_too(site: Site) -> None:
    body = {"sender": "hanna", "message": "person please"}
    site.anonymous.post("/webhooks/rest/webhook", json=body)
    (mine,) = site.anonymous.get("/v1/handovers").json()["handovers"]
    site.anonymous.post(f"/v1/handovers/{mine['id']}/accept", json={"agent": "Ann"})
    silent = site.anonymous.post("/webhooks/rest/webhook", json={"sender": "hanna", "message": "hello"})
    assert (silent.status_code, silent.json()) == (200, [])
    detail = site.anonymous.get(f"/v1/handovers/{mine['id']}").json()
    assert detail["transcript"][-1] == {"role": "visitor", "text": "hello"}
    clear(site)
    assert site.anonymous.post("/webhooks/rest/webhook", json={"sender": "hanna", "message": "hello"}).json()


def test_following_resumes_after_the_last_event(site: Site) -> None:
    conversation = site.conversation()
    for text in ("one", "two", "three"):
        answered(site, conversation, text, text)
    thread, got = watch(site, conversation, 3, after=0)
    thread.join(5)
    assert [data["client_id"] for _, data in got] == ["one", "two", "three"]
    thread, got = watch(site, conversation, 1, after=2)
    thread.join(5)
    assert [data["client_id"] for _, data in got] == ["three"]
    bad = site.client.get(f"/v1/conversations/{conversation}/events", headers={"Last-Event-ID": "x"})
    assert bad.status_code == 422


def test_streams_are_few_per_visitor_and_leave_nothing_behind(site: Site) -> None:
    conversation = site.conversation()
    clients = [client_of(site.url, **dict(site.client.headers)) for _ in range(8)]
    path = f"/v1/conversations/{conversation}/events"
    streams = [client.stream("GET", path) for client in clients]
    followed = [news(stream.__enter__()) for stream in streams]
    assert [next(each)["type"] for each in followed] == ["handover"] * 8
    refused = site.client.get(path)
    assert refused.status_code == 429 and refused.headers["retry-after"]
    other = site.visitor()
    mine = site.conversation(other)
    with other.stream("GET", f"/v1/conversations/{mine}/events") as answer:
        assert answer.status_code == 200
    for stream in streams:
        stream.__exit__(None, None, None)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with site.client.stream("GET", path) as answer:
            if answer.status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail("streams that were closed still count")


def test_a_stop_of_the_server_ends_the_streams(make_workspace: Callable[..., FakeWorkspace]) -> None:
    with serving(make_workspace()) as site:
        thread, got = watch(site, site.conversation(), 99)
        while not got:
            time.sleep(0.02)
        start = time.monotonic()
    thread.join(5)
    assert not thread.is_alive() and time.monotonic() - start < 5


@pytest.mark.parametrize(
    "body", [{"agent": ""}, {"agent": "x" * 101}, {"agent": "a\x00b"}, {}, {"agent": "Ann", "x": 1}]
)
def test_wrong_names_of_persons(site: Site, body: dict[str, Any]) -> None:
    assert site.anonymous.post("/v1/handovers/any/accept", json=body).status_code == 422
