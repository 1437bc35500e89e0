"""Following a conversation: what happens in it beside its runs, and where it stands in the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from senmon.errors import RateLimited
from senmon.server.bus import Bus
from senmon.server.sse import compact
from senmon.store.records import ConversationRecord
from senmon.store.store import Store

#: Streams of one visitor at once: some tabs.
MOST_STREAMS = 8
#: A stream ends after this time; the client comes back with a fresh token.
STREAM_SECONDS = 900.0
#: How long nobody looks where every writer rings, and where another process may write.
POLL_SECONDS = 60.0
SHARED_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ConversationNews:
    """One frame. `seq` is the journal's; a moved queue repeats the last one."""

    conversation: str
    seq: int
    type: str
    data: Mapping[str, Any]

    def frame(self) -> bytes:
        body = {
            "seq": self.seq,
            "conversation_id": self.conversation,
            "type": self.type,
            "data": dict(self.data),
        }
        return f"id: {self.seq}\nevent: {self.type}\ndata: {compact(body)}\n\n".encode("ascii")


class News:
    """Wakes those who follow a conversation, or wait in a site's queue."""

    def __init__(self, store: Store, bus: Bus | None = None) -> None:
        self._store = store
        self._bus = bus
        if bus is not None:
            bus.hear("ring", lambda told: self._ring(told["conversation"], told["queue"]))
        self._bells: dict[str, set[asyncio.Event]] = {}
        self._streams: dict[str, int] = {}
        self._closed = False
        self._poll = SHARED_POLL_SECONDS if store.shared else POLL_SECONDS

    def ring(self, conversation: str, *, queue: str | None = None) -> None:
        """Something was stored in `conversation`; with `queue`, that site's queue may have moved."""
        self._ring(conversation, queue)
        if self._bus is not None:
            self._bus.tell("ring", conversation=conversation, queue=queue)

    def _ring(self, conversation: str, queue: str | None) -> None:
        for key in (f"conversation/{conversation}", *([f"queue/{queue}"] if queue else [])):
            for bell in self._bells.get(key, ()):
                bell.set()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        for bells in self._bells.values():
            for bell in bells:
                bell.set()

    def admit(self, visitor: str) -> None:
        """Raises RateLimited when the visitor has MOST_STREAMS open."""
        if self._streams.get(visitor, 0) >= MOST_STREAMS:
            raise RateLimited(
                "too many streams are open", retry_after=30, remedy="close other tabs, or wait a little"
            )

    @contextmanager
    def stream_of(self, visitor: str) -> Iterator[None]:
        """Counts a visitor's streams."""
        self._streams[visitor] = self._streams.get(visitor, 0) + 1
        try:
            yield
        finally:
            self._streams[visitor] -= 1
            if not self._streams[visitor]:
                del self._streams[visitor]

    async def follow(
        self, conversation: ConversationRecord, after: int | None
    ) -> AsyncGenerator[ConversationNews, None]:
        """The entries after `after`, then new ones; without `after`, first how the handover stands."""
        id, until, position = conversation.id, time.monotonic() + STREAM_SECONDS, None
        keys = (f"conversation/{id}", f"queue/{conversation.site}")
        with self._listening(keys) as bell:
            if after is None:
                after = await self._store.journal.last(id)
                status = await self._store.desk.status(id)
                position = status.position
                yield ConversationNews(id, after, "handover", status.to_json())
            while not self._closed and time.monotonic() < until:
                bell.clear()  # before reading: what is stored after the read rings again
                for entry in await self._store.journal.events(id, after):
                    after = entry.seq
                    if entry.type == "handover":
                        position = entry.data.get("position")
                    yield ConversationNews(id, entry.seq, entry.type, entry.data)
                status = await self._store.desk.status(id)
                if status.position is not None and status.position != position:
                    position = status.position
                    yield ConversationNews(id, after, "handover", status.to_json())
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), min(self._poll, max(0.0, until - time.monotonic())))

    @contextmanager
    def _listening(self, keys: tuple[str, ...]) -> Iterator[asyncio.Event]:
        bell = asyncio.Event()
        for key in keys:
            self._bells.setdefault(key, set()).add(bell)
        try:
            yield bell
        finally:
            for key in keys:
                self._bells[key].discard(bell)
                if not self._bells[key]:
                    del self._bells[key]
