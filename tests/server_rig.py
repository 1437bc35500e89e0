"""A real server around a scripted assistant, and a client for it."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from senmon.errors import EngineBusy
from senmon.messages import Conversation, Event, Identity
from senmon.packs.pack import Pack
from senmon.server.app import create_app
from senmon.server.serve import bind, make_server
from senmon.settings import Settings
from senmon.store.store import Store
from senmon.workspace import Workspace

SECRET_WORDS = "my pin is 4711"
BUTTONS = [{"title": "Track it", "payload": "/track"}, {"title": "Cancel it", "payload": "/cancel"}]
PASSAGE = {"id": "returns", "title": "Returns", "url": "", "score": 0.8}
HOST_SECRET = "the shop and senmon share this secret"


class ScriptedAssistant:
    """Answers by the first word of the message; notes what it was asked and what was cancelled."""

    def __init__(self) -> None:
        self.asked: list[tuple[Conversation, str, Identity, str | None, str]] = []
        self.cancelled: list[str] = []
        self.packs: list[Collection[str] | None] = []

    async def reply(
        self,
        conversation: Conversation,
        text: str,
        identity: Identity,
        *,
        pinned: str | None = None,
        system: str = "",
        packs: Collection[str] | None = None,
    ) -> AsyncIterator[Event]:
        self.packs.append(packs)
        self.asked.append((conversation, text, identity, pinned, system))
        word = text.split()[0]
        if word == "busy":
            raise EngineBusy("sixteen replies are under way", retry_after=2.5, remedy="try again")
        yield Event("route", {"pack": pinned or "shop", "score": 0.91})
        try:
            async for event in self._script(word):
                yield event
        except asyncio.CancelledError:
            self.cancelled.append(text)
            raise

    async def _script(self, word: str) -> AsyncIterator[Event]:
        if word == "count":
            for number in range(20):
                yield Event("delta", {"text": f"{number} "})
                await asyncio.sleep(0.01)
        elif word == "wait":
            yield Event("delta", {"text": "One moment. "})
            await asyncio.sleep(60)
        elif word == "broken":
            yield Event("delta", {"text": "So far. "})
            raise RuntimeError(SECRET_WORDS)
        elif word == "fails":
            yield Event("delta", {"text": "So far. "})
            yield Event(
                "error", {"code": "engine_unavailable", "message": "The engine is gone.", "remedy": "wait"}
            )
            return
        elif word == "blocked":
            yield Event("verdict", {"check": "safety", "outcome": "block"}, {"reason": "unsafe"})
            yield Event("delta", {"text": "I can't help with that."})
            yield done("content_filter")
            return
        elif word == "person":
            yield Event("handoff", {"reason": "asked for"})
            yield Event("delta", {"text": "I'm passing this on."})
        elif word == "order":
            buttons = [
                {"title": "Track it", "payload": "/track"},
                {"title": "Cancel it", "payload": "/cancel"},
            ]
            yield Event(
                "action", {"name": "order_status", "label": "looking up your order", "status": "started"}
            )
            yield Event("action", {"name": "order_status", "status": "finished", "buttons": buttons})
            yield Event("delta", {"text": "It is on its way.\n"})
            yield Event("delta", {"text": "\nIt comes on Tuesday."})
        else:
            yield Event(
                "passages", {"items": [{"id": "returns", "title": "Returns", "url": "", "score": 0.8}]}
            )
            yield Event("delta", {"text": "You can send it back "})
            yield Event("delta", {"text": "within 30 days."})
        yield done("stop")


def done(finish: str) -> Event:
    usage = {"prompt_tokens": 12, "completion_tokens": 5, "cached_tokens": 8, "total_tokens": 17}
    provenance = {"pack": "shop@0.1.0", "adapter": "abc123", "route_score": 0.91}
    return Event("done", {"finish_reason": finish, "usage": usage, "provenance": provenance})


@dataclass
class FakeServed:
    pack: Pack
    adapter: None = None
    stale: tuple[str, ...] = ()
    status: str = "untuned"


@dataclass
class FakeCatalog:
    packs: Mapping[str, FakeServed]


@dataclass
class FakeWorkspace:
    """A workspace whose assistant is scripted; its store is real."""

    settings: Settings
    catalog: FakeCatalog
    assistant: ScriptedAssistant = field(default_factory=ScriptedAssistant)
    is_ready: bool = True
    tunings: list[dict[str, Any]] = field(default_factory=list)
    store: Store = field(init=False)

    def reset(self) -> None:
        self.assistant = ScriptedAssistant()
        self.is_ready, self.tunings = True, []

    async def start(self) -> None:
        self.store = await Store.open(self.settings.database_url or self.settings.home / "senmon.db")

    async def stop(self) -> None:
        if hasattr(self, "store"):
            await self.store.close()

    def ready(self) -> tuple[bool, dict[str, Any]]:
        return self.is_ready, {"started": self.is_ready, "problems": ["/secret/place is broken"]}

    def engine_figures(self) -> dict[str, float]:
        return {"slots": 16, "waiting": 3}

    def runs(self) -> list[dict[str, Any]]:
        return self.tunings


#: Made once: it takes longer than most tests.
TLS = ssl.create_default_context()


def client_of(url: str, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=60, headers=headers, verify=TLS)


class Site:
    """A running server. `client` is somebody with a visitor token; `anonymous` has none."""

    def __init__(self, workspace: FakeWorkspace, url: str) -> None:
        self.workspace = workspace
        self.url = url
        self.anonymous = client_of(url)
        self.client = self.visitor()

    def visitor(self, **headers: str) -> httpx.Client:
        token = self.anonymous.post("/v1/visitors").json()["token"]
        return client_of(self.url, Authorization=f"Bearer {token}", **headers)

    def conversation(self, client: httpx.Client | None = None) -> str:
        answer = (client or self.client).post("/v1/conversations")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["conversation_id"])

    def say(self, conversation: str, text: str, client_id: str = "1", **fields: Any) -> httpx.Response:
        body = {"client_id": client_id, "text": text, **fields}
        return self.client.post(f"/v1/conversations/{conversation}/messages", json=body)

    def events(self, run_id: str, after: int | None = None) -> list[dict[str, Any]]:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        with self.client.stream("GET", f"/v1/runs/{run_id}/events", headers=headers) as response:
            assert response.status_code == 200, response.read()
            return list(read_events(response))

    def call(self, work: Any) -> Any:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    loop: asyncio.AbstractEventLoop


def read_events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream; each frame's id and type must agree with its data."""
    frame: dict[str, str] = {}
    for line in response.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            frame[name] = value
        elif frame:
            event = json.loads(frame["data"])
            assert (int(frame["id"]), frame["event"]) == (event["seq"], event["type"])
            frame = {}
            yield event


@contextmanager
def serving(workspace: FakeWorkspace | Workspace, **options: Any) -> Iterator[Site]:
    app = create_app(workspace, **options)
    listener = bind("127.0.0.1", 0)
    ready = threading.Event()
    server = make_server(app, lambda url: ready.set())
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        assert ready.wait(60), "the server did not start"
        site = Site(cast(FakeWorkspace, workspace), f"http://127.0.0.1:{listener.getsockname()[1]}")
        site.loop = loops[0]
        yield site
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
