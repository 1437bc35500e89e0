"""The seam between whoever makes a run's events and whoever follows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol

from senmon.messages import Event
from senmon.store.store import Store

TERMINAL = frozenset({"done", "error"})
_POLL_SECONDS = 1.0
UNSTORED = {"code": "store_error", "message": "The answer could not be kept.", "remedy": "try again"}


class EventLog(Protocol):
    """An event is stored before anybody sees it, and seen once by each follower."""

    async def append(self, run_id: str, event: Event) -> Event:
        """The event with its seq, stored."""

    def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[Event, None]:
        """The events with a seq above `after`, then new ones as they come, until the run ends."""

    def abandon(self, run_id: str) -> None:
        """The run ended and its last event could not be stored: let the followers go."""


class StoredEventLog:
    """Events in the store; followers in this process are woken, others would poll once a second."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._news: dict[str, asyncio.Event] = {}
        self._abandoned: set[str] = set()

    async def append(self, run_id: str, event: Event) -> Event:
        stored = await self._store.append(run_id, event)
        if (news := self._news.pop(run_id, None)) is not None:
            news.set()
        return stored

    def abandon(self, run_id: str) -> None:
        self._abandoned.add(run_id)
        if (news := self._news.pop(run_id, None)) is not None:
            news.set()

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[Event, None]:
        while True:
            # Taken before reading: what is stored after the read then sets it.
            news = self._news.setdefault(run_id, asyncio.Event())
            events = await self._store.events(run_id, after)
            for event in events:
                yield event
                after = event.seq
                if event.type in TERMINAL:
                    self._forget(run_id, news)
                    return
            if not events:
                if run_id in self._abandoned:
                    yield Event("error", UNSTORED, run_id=run_id, seq=after + 1)
                    return
                if await self._ended(run_id, after):
                    self._forget(run_id, news)
                    return
                await _wait(news)

    async def _ended(self, run_id: str, after: int) -> bool:
        """Whether the follower has seen the last event already. One stored just now is still to come."""
        events = await self._store.events(run_id)
        return any(event.type in TERMINAL and event.seq <= after for event in events)

    def _forget(self, run_id: str, news: asyncio.Event) -> None:
        if self._news.get(run_id) is news:
            del self._news[run_id]


async def _wait(news: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(news.wait(), _POLL_SECONDS)
    except TimeoutError:
        return
