"""Visitors of a running server: what they ask, what they are told, and what they think of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from senmon.bench.loop_club import Ask
from senmon.errors import EngineUnavailable

#: Visitors who talk at the same time.
AT_ONCE = 4
SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a message. `adapter` is the version (12 digits) that answered; None: the bare base."""

    ask: Ask
    run: str
    text: str
    pack: str | None
    adapter: str | None

    @property
    def right(self) -> bool:
        return self.ask.expect in self.text


class Visitors:
    """`async with Visitors(address) as visitors`. Raises EngineUnavailable when a reply ends in an error."""

    def __init__(self, address: str) -> None:
        self._client = httpx.AsyncClient(base_url=address, timeout=SECONDS)
        self._free = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Visitors:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask_all(self, asks: Sequence[Ask], *, complain: bool = False) -> tuple[Told, ...]:
        """Each by a visitor of its own. `complain`: a reply that is not right gets a thumb down."""
        return tuple(await asyncio.gather(*(self.ask(one, complain=complain) for one in asks)))

    async def ask(self, ask: Ask, *, complain: bool = False) -> Told:
        async with self._free:
            token = await self._post("/v1/visitors", {}, "")
            conversation = await self._post("/v1/conversations", {}, token["token"])
            place = f"/v1/conversations/{conversation['conversation_id']}/messages"
            body = {"client_id": "1", "text": ask.text}
            events = [event async for event in self._stream(place, body, token["token"])]
            told = _told(ask, events)
            if complain and not told.right:
                await self._post(f"/v1/runs/{told.run}/feedback", {"rating": "down"}, token["token"])
            return told

    async def _post(self, place: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        answer = await self._client.post(place, json=body, headers=_bearer(token))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def _stream(self, place: str, body: dict[str, Any], token: str) -> AsyncIterator[dict[str, Any]]:
        headers = {**_bearer(token), "Accept": "text/event-stream"}
        async with self._open(place, body, headers) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    @asynccontextmanager
    async def _open(
        self, place: str, body: dict[str, Any], headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        async with self._client.stream("POST", place, json=body, headers=headers) as answer:
            yield answer


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _told(ask: Ask, events: Sequence[dict[str, Any]]) -> Told:
    last: dict[str, Any] = events[-1] if events else {"type": "nothing", "data": {}}
    if last["type"] != "done":
        raise EngineUnavailable(f"“{ask.text}” was not answered: {last['type']} {last['data']}")
    route: dict[str, Any] = next((one["data"] for one in events if one["type"] == "route"), {})
    adapter = (last["data"].get("provenance") or {}).get("adapter")
    text = str(last["data"].get("text", ""))
    return Told(ask, str(last["run_id"]), text, route.get("pack"), str(adapter)[:12] if adapter else None)
