"""Server-sent events: frames, heartbeats, and a response that notices when its client is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Generic, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from senmon.errors import RequestInvalid
from senmon.messages import Event

T = TypeVar("T")
PING = b": ping\n\n"
PING_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
MEDIA_TYPE = "text/event-stream"


def compact(data: Any) -> str:
    """JSON on one line, ASCII only: a frame can't be broken by what is inside."""
    return json.dumps(data, separators=(",", ":"))


def frame(event: Event) -> bytes:
    """`id` is the seq, which a client that lost its connection sends back as Last-Event-ID."""
    return f"id: {event.seq}\nevent: {event.type}\ndata: {compact(event.to_json())}\n\n".encode("ascii")


def last_seq(last_event_id: str) -> int | None:
    """None without the header. Raises RequestInvalid."""
    if not last_event_id:
        return None
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 9:
        raise RequestInvalid(
            "Last-Event-ID is not a seq", param="Last-Event-ID", remedy="send the last `id` that you got"
        )
    return int(last_event_id)


async def frames(
    events: AsyncGenerator[Event, None], *, ping_seconds: float = PING_SECONDS
) -> AsyncGenerator[bytes, None]:
    """Frames of events, and a comment whenever nothing came for a while."""
    async with aclosing(pinged(events, ping_seconds)) as source:
        async for event in source:
            yield PING if event is None else frame(event)


async def pinged(source: AsyncGenerator[T, None], seconds: float) -> AsyncGenerator[T | None, None]:
    """The items of `source`, with None after each `seconds` of silence. Closes `source`."""
    async with aclosing(Patient(source)) as patient:
        with suppress(StopAsyncIteration):
            while True:
                yield await patient.next(seconds)


class Patient(Generic[T]):
    """Waits for the next item in turns, without losing it when a turn is over."""

    def __init__(self, source: AsyncGenerator[T, None]) -> None:
        self._source = source
        self._step: asyncio.Task[T] | None = None

    async def next(self, seconds: float) -> T | None:
        """The next item, or None when it takes longer. Raises StopAsyncIteration at the end."""
        self._step = self._step or asyncio.create_task(_next(self._source))
        done, _ = await asyncio.wait({self._step}, timeout=seconds)
        if not done:
            return None
        step, self._step = self._step, None
        return step.result()

    async def aclose(self) -> None:
        if self._step is not None:
            self._step.cancel()
            await asyncio.wait({self._step})
        await self._source.aclose()


async def _next(source: AsyncGenerator[T, None]) -> T:
    return await anext(source)


class EventStream(Response):
    """Streams `chunks`; when the client goes, they are closed at once. `on_close` runs in any case."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        *,
        on_close: Callable[[], Awaitable[None]] | None = None,
        headers: Mapping[str, str] = HEADERS,
    ) -> None:
        self.chunks = chunks
        self.on_close = on_close
        self.status_code = 200
        self.background = None
        self.init_headers(dict(headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await until_gone(receive, self._send(send))
        finally:
            await self.chunks.aclose()
            if self.on_close is not None:
                await self.on_close()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def until_gone(receive: Receive, work: Awaitable[T]) -> T | None:
    """The result of `work`, or None when the client disconnected first; then `work` is cancelled."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        watching.cancel()
        working.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
