from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx

from server_rig import BUTTONS, FakeWorkspace, Site, client_of, serving

URL = "/webhooks/rest/webhook"


def say(client: httpx.Client, message: str, sender: str = "me", **more: object) -> list[dict[str, Any]]:
    answer = client.post(URL, json={"sender": sender, "message": message, **more})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()
    return items


def test_status(site: Site) -> None:
    assert site.anonymous.get("/webhooks/rest/").json() == {"status": "ok"}


def test_reply_is_split_at_blank_lines_with_buttons_last(site: Site) -> None:
    assert say(site.anonymous, "order 7", metadata={"page": "/cart"}, input_channel="rest") == [
        {"recipient_id": "me", "text": "It is on its way."},
        {"recipient_id": "me", "text": "It comes on Tuesday.", "buttons": BUTTONS},
    ]


def test_stream_is_lines_of_json(site: Site) -> None:
    answer = site.anonymous.post(URL, params={"stream": "true"}, json={"sender": "s", "message": "order 7"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["text"] for line in lines] == ["It is on its way.", "It comes on Tuesday."]


def test_conversation_goes_on_per_sender_until_restart(site: Site) -> None:
    say(site.anonymous, "hello", "tom")
    say(site.anonymous, "again", "tom")
    say(site.anonymous, "hello", "tim")
    asked = site.workspace.assistant.asked
    assert [len(state.messages) for state, *_ in asked] == [0, 2, 0]
    assert asked[0][0].id == asked[1][0].id != asked[2][0].id
    assert say(site.anonymous, "/restart", "tom") == []
    say(site.anonymous, "hello", "tom")
    assert len(asked[-1][0].messages) == 0


def test_messages_of_one_sender_queue_up(site: Site) -> None:
    answers: list[list[dict[str, Any]]] = []

    def ask() -> None:
        answers.append(say(site.anonymous, "count", "quick"))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [len(answer) for answer in answers] == [1, 1]
    assert [len(state.messages) for state, *_ in site.workspace.assistant.asked] == [0, 2]


def test_senders_of_two_keys_do_not_meet(make_workspace: Callable[..., FakeWorkspace]) -> None:
    with serving(make_workspace(api_keys=("sk-one", "sk-two"))) as site:
        for key in ("sk-one", "sk-two"):
            client = client_of(site.url, Authorization=f"Bearer {key}")
            say(client, "hello", "same name")
        first, second = (state for state, *_ in site.workspace.assistant.asked)
        assert first.id != second.id and not second.messages
        refused = site.anonymous.post(URL, json={"sender": "x", "message": "hello"})
        assert refused.status_code == 401


def test_failures(site: Site) -> None:
    busy = site.anonymous.post(URL, json={"sender": "x", "message": "busy"})
    assert busy.status_code == 429 and busy.headers["retry-after"] == "3"
    assert say(site.anonymous, "broken", "y") == [
        {"recipient_id": "y", "text": "So far.  Something broke on our side."}
    ]
    streamed = site.anonymous.post(URL, params={"stream": "true"}, json={"sender": "x", "message": "busy"})
    assert json.loads(streamed.text)["text"] == "sixteen replies are under way"
    for body in ({"sender": "x"}, {"sender": "x", "message": " "}, {"sender": "x", "message": "m", "who": 1}):
        assert site.anonymous.post(URL, json=body).status_code == 422, body
