"""The seam between whoever makes a run's events and whoever follows them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from senmon.errors import LeaseLost, RunNotFound, StoreError
from senmon.messages import Event
from senmon.server.bus import Bus
from senmon.store.records import RunState
from senmon.store.store import Store

TERMINAL = frozenset({"done", "error"})
#: How long nobody looks where another process may write, and where every writer tells.
_POLL_SECONDS = 1.0
_IDLE_SECONDS = 10.0
#: How long a database that several servers share may be away, restarted or failing over, before a reply ends.
PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.25
UNSTORED = {"code": "store_error", "message": "The answer could not be kept.", "remedy": "try again"}


class EventLog(Protocol):
    """An event is stored before anybody sees it, and seen once by each follower."""

    async def append(
        self, run_id: str, *events: Event, state: RunState | None = None, after: int | None = None
    ) -> tuple[Event, ...]:
        """The events with their seq, stored together; `state` ends the run with them. `after`: the seq before
        them, where it is known."""

    def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[Event, None]:
        """The events with a seq above `after`, then new ones as they come, until the run ends."""

    def abandon(self, run_id: str) -> None:
        """The run ended and its last event could not be stored: let the followers go."""


class StoredEventLog:
    """Events in the store. Followers in this process are handed what is stored; where another process may
    write they look once a second besides."""

    def __init__(self, store: Store, bus: Bus | None = None) -> None:
        self._store = store
        self._bus = bus
        if bus is not None:
            bus.hear("event", self._heard)
        self._news: dict[str, list[asyncio.Queue[Event]]] = {}
        self._abandoned: set[str] = set()
        self._poll = _POLL_SECONDS if store.shared else _IDLE_SECONDS

    async def append(
        self, run_id: str, *events: Event, state: RunState | None = None, after: int | None = None
    ) -> tuple[Event, ...]:
        stored = await self._stored(run_id, events, state, after)
        for event in stored:
            self._tell(run_id, event)
            if self._bus is not None:  # what is private stays in the database
                self._bus.tell("event", run=run_id, seq=event.seq, type=event.type, data=dict(event.data))
        return stored

    async def _stored(
        self, run_id: str, events: Sequence[Event], state: RunState | None, after: int | None
    ) -> tuple[Event, ...]:
        """With leases a database that is away is waited for: the run goes on when it is back."""
        begun = time.monotonic()
        while True:
            try:
                return await self._store.append_all(run_id, *events, state=state, after=after)
            except (LeaseLost, RunNotFound):
                raise
            except StoreError:
                waited = time.monotonic() - begun
                if after is None or self._store.leases is None or waited > PATIENCE_SECONDS:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def _heard(self, told: Mapping[str, Any]) -> None:
        self._tell(told["run"], Event(told["type"], told["data"], run_id=told["run"], seq=told["seq"]))

    def abandon(self, run_id: str) -> None:
        self._abandoned.add(run_id)
        self._tell(run_id, Event("error", UNSTORED, run_id=run_id))

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[Event, None]:
        with self._listening(run_id) as news:  # before reading: what is stored after the read comes as news
            looked, since = -float("inf"), time.monotonic()
            while True:
                found: Sequence[Event] = ()
                if time.monotonic() - looked >= self._poll:
                    looked = time.monotonic()
                    try:
                        found = await self._look(run_id, after)
                        if not found and news.empty() and await self._ended(run_id, after):
                            return
                        since = time.monotonic()
                    except StoreError:  # it may be restarted; what is told meanwhile was stored
                        if self._store.leases is None or time.monotonic() - since > PATIENCE_SECONDS:
                            raise
                for event in found or await _next(news, self._poll):
                    if 0 < event.seq <= after:  # read already
                        continue
                    if event.seq > after + 1:  # one was not heard: look
                        looked = -float("inf")
                        break
                    after = event.seq or after + 1
                    yield event.at(run_id, after)
                    if event.type in TERMINAL:
                        return

    async def _look(self, run_id: str, after: int) -> Sequence[Event]:
        found = await self._store.events(run_id, after)
        return found or ([Event("error", UNSTORED)] if run_id in self._abandoned else [])

    async def _ended(self, run_id: str, after: int) -> bool:
        """Whether the follower has seen the last event already. One stored just now is still to come."""
        events = await self._store.events(run_id)
        return any(event.type in TERMINAL and event.seq <= after for event in events)

    def _tell(self, run_id: str, event: Event) -> None:
        for news in self._news.get(run_id, ()):
            news.put_nowait(event)

    @contextmanager
    def _listening(self, run_id: str) -> Iterator[asyncio.Queue[Event]]:
        news: asyncio.Queue[Event] = asyncio.Queue()
        self._news.setdefault(run_id, []).append(news)
        try:
            yield news
        finally:
            self._news[run_id].remove(news)
            if not self._news[run_id]:
                del self._news[run_id]


async def _next(news: asyncio.Queue[Event], seconds: float) -> tuple[Event, ...]:
    try:
        return (await asyncio.wait_for(news.get(), seconds),)
    except TimeoutError:
        return ()
