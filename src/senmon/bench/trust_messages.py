"""A server that is killed at random moments: every acknowledged message is there after the next start."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.bench.trust_server import Served, nursery
from senmon.packs.scaffold import scaffold

#: Seconds after a message was sent within which its server is killed.
LATEST = 0.3
TALKS = 3


@dataclass(slots=True)
class Talk:
    """A conversation, what was acknowledged in it, and what was under way when the server died."""

    id: str
    headers: dict[str, str]
    taken: list[str] = field(default_factory=list)
    sent: str = ""
    #: How many of `taken` were there after the kill before.
    kept: int = 0


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    count = Count("messages", "server killed while answering: every acknowledged message there, once")
    again = Count("messages", "the next message after a kill is answered")
    with workbench() as root:
        packs = root / "packs"
        packs.mkdir()
        scaffold("shop", packs)
        draw, acknowledged = effort.draw("messages"), 0
        with nursery(root / "home", [packs]) as born:
            server = born.server()
            talks: list[Talk] = []
            for number in range(effort.points):
                tell(f"messages: kill {number + 1} of {effort.points}")
                if number % 10 == 0:
                    talks = [begin(server) for _ in range(TALKS)]
                answered(server, talks[number % TALKS], f"answered {number}", again)
                _cut(server, talks, number, draw)
                server = born.server()
                with count.point(f"kill {number + 1}"), client_of(server) as client:
                    for talk in talks:
                        acknowledged += check(client, talk)
    held = f"{acknowledged} messages were acknowledged; killed within {1000 * LATEST:.0f} ms of {TALKS} more"
    must(acknowledged >= effort.points, f"only {acknowledged} messages were acknowledged")
    return [count.row(held), again.row()]


def client_of(server: Served) -> httpx.Client:
    return httpx.Client(base_url=server.address, timeout=30, trust_env=False)


def begin(server: Served) -> Talk:
    with client_of(server) as client:
        token = client.post("/v1/visitors").json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        return Talk(client.post("/v1/conversations", headers=headers).json()["conversation_id"], headers)


def answered(server: Served, talk: Talk, text: str, count: Count) -> None:
    with count.point(text), client_of(server) as client:
        body = {"client_id": text.replace(" ", "-"), "text": text, "pack": "shop"}
        for _ in range(200):
            answer = client.post(path_of(talk), json=body, headers=talk.headers)
            if answer.status_code != 409:
                break
            time.sleep(0.05)
        must(answer.status_code == 202, f"{answer.status_code} {answer.text[:120]}")
        talk.taken.append(text)
        events = client.get(f"/v1/runs/{answer.json()['run_id']}/events", headers=talk.headers).text
        must("event: done" in events, events[-200:])


def _cut(server: Served, talks: Sequence[Talk], number: int, draw: random.Random) -> None:
    """A message in each conversation at once; the server dies meanwhile."""
    wait = draw.uniform(0, LATEST)
    with client_of(server) as client:  # made before: it takes longer than the message
        threads = [threading.Thread(target=send, args=(client, talk, f"cut {number}")) for talk in talks]
        for thread in threads:
            thread.start()
        time.sleep(wait)
        server.kill()
        for thread in threads:
            thread.join()


def send(client: httpx.Client, talk: Talk, text: str) -> None:
    talk.sent = text
    try:
        body = {"client_id": text.replace(" ", "-"), "text": text, "pack": "shop"}
        answer = client.post(path_of(talk), json=body, headers=talk.headers)
        if answer.status_code == 202:
            talk.taken.append(text)
            client.get(f"/v1/runs/{answer.json()['run_id']}/events", headers=talk.headers)
    except httpx.HTTPError:
        return


def check(client: httpx.Client, talk: Talk) -> int:
    """How many messages were acknowledged since the last time."""
    answer = client.get(f"/v1/conversations/{talk.id}", headers=talk.headers)
    must(answer.status_code == 200, f"{answer.status_code} {answer.text[:120]}")
    state: dict[str, Any] = answer.json()
    said = [message["text"] for message in state["messages"] if message["role"] == "user"]
    lost = [text for text in talk.taken if text not in said]
    must(not lost, f"lost: {lost[:3]}")
    more = [text for text in said if text not in talk.taken]
    must(more in ([], [talk.sent]), f"nobody said {more[:3]}")
    must(len(said) == len(set(said)), "a message is there twice")
    must(state["active_run"] is None, "a run of the killed server is still open")
    fresh = len(talk.taken) - talk.kept
    talk.taken, talk.kept = said, len(said)
    return fresh


def path_of(talk: Talk) -> str:
    return f"/v1/conversations/{talk.id}/messages"
