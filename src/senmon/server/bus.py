"""What servers tell each other: a port with two implementations, by `SENMON_REDIS_URL`.

What lasts lies in the database. The bus makes followers on other servers hear at once, counts rate limits,
and carries short-lived marks. Losing a message costs a follower a second: it looks into the database then.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from senmon.errors import ConfigError, SharedStateGone
from senmon.settings import Settings

Listener = Callable[[Mapping[str, Any]], None]

_STREAM = "senmon:bus"
#: Entries kept: a server that was cut off for longer looks into the database anyway.
_KEPT = 10_000
_WAITING = 1_000
_BLOCK_MS = 1_000
_RETRY_SECONDS = 0.5
_TIMEOUT_SECONDS = 3.0
#: For what is still to be told when a server stops.
_LAST_SECONDS = 1.0
#: A token bucket in Redis, by its own clock: tokens and when they were counted. Gives the seconds to wait.
_TAKE = """
local now = redis.call('TIME'); local t = now[1] + now[2] / 1e6
local most, key = tonumber(ARGV[1]), KEYS[1]
local was = redis.call('HMGET', key, 'tokens', 'then')
local gone = math.max(0, t - (tonumber(was[2]) or t))
local tokens = math.min(most, (tonumber(was[1]) or most) + gone * most / 60)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) * 60 / most end
redis.call('HSET', key, 'tokens', tostring(tokens), 'then', tostring(t))
redis.call('EXPIRE', key, 120)
return tostring(wait)
"""

log = logging.getLogger(__name__)


class Bus(Protocol):
    """`up`: whether the other servers can be reached."""

    @property
    def up(self) -> bool: ...
    def hear(self, kind: str, listener: Listener) -> None:
        """Call `listener` with what any server tells of `kind`."""

    def tell(self, kind: str, **data: Any) -> None:
        """Tell all servers; lost when they can't be reached."""

    async def take(self, key: str, per_minute: int) -> float:
        """Count a request; the seconds to wait, 0 when it may go on. Raises SharedStateGone."""

    async def mark(self, key: str, seconds: float) -> None:
        """Remember `key` for so long. Nothing when it can't be."""

    async def marked(self, key: str) -> bool: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...


def open_bus(settings: Settings) -> RedisBus | None:
    """None where one server answers alone. Raises ConfigError."""
    if settings.lease is None or settings.redis_url is None:
        return None
    return RedisBus(settings.redis_url.get_secret_value())


class RedisBus:
    """One Redis Stream that each server writes to and reads: two connections a server, whoever follows."""

    def __init__(self, url: str) -> None:
        try:
            from redis import asyncio as redis
        except ImportError as error:
            raise ConfigError(
                "the Redis client is not installed", remedy="pip install 'senmon[cluster]'"
            ) from error
        options: dict[str, Any] = {"decode_responses": True, "socket_connect_timeout": _TIMEOUT_SECONDS}
        try:
            self._redis = redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, **options)
        except ValueError as error:
            raise ConfigError("SENMON_REDIS_URL can't be parsed", remedy="redis://host:6379/0") from error
        self._take = self._redis.register_script(_TAKE)
        self._listeners: dict[str, list[Listener]] = {}
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(_WAITING)
        self._tasks: list[asyncio.Task[None]] = []
        self.up = False

    def hear(self, kind: str, listener: Listener) -> None:
        self._listeners.setdefault(kind, []).append(listener)

    def tell(self, kind: str, **data: Any) -> None:
        with suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(json.dumps({"kind": kind, **data}))

    async def take(self, key: str, per_minute: int) -> float:
        for again in (True, False):  # connections kept from before a restart of Redis fail once
            try:
                return float(await self._take(keys=[f"senmon:rate:{key}"], args=[per_minute]))
            except self._faults() as error:
                fault = error
                if again and self.up:
                    await self._redis.connection_pool.disconnect(inuse_connections=False)
                    continue
                break
        self._down(fault)
        raise SharedStateGone(
            "Redis, which the servers share, can't be reached",
            remedy="start it, or correct SENMON_REDIS_URL; this server goes on by itself then",
        ) from fault

    async def mark(self, key: str, seconds: float) -> None:
        with suppress(*self._faults()):
            await self._redis.set(f"senmon:mark:{key}", "1", px=int(seconds * 1000))

    async def marked(self, key: str) -> bool:
        with suppress(*self._faults()):
            return bool(await self._redis.exists(f"senmon:mark:{key}"))
        return False

    async def start(self) -> None:
        """Begins to hear; a Redis that is not there yet is waited for meanwhile."""
        last = "0-0"
        with suppress(*self._faults()):
            newest: Any = await self._redis.xrevrange(_STREAM, count=1)
            last, self.up = (newest[0][0] if newest else last), True
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive(last))]

    async def close(self) -> None:
        """What was told before goes out, if it can."""
        if self.up:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._outgoing.join(), _LAST_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()

    async def _send(self) -> None:
        while True:
            entries = [await self._outgoing.get()]
            while not self._outgoing.empty() and len(entries) < 100:
                entries.append(self._outgoing.get_nowait())
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for entry in entries:
                        pipe.xadd(_STREAM, {"of": entry}, maxlen=_KEPT, approximate=True)
                    await pipe.execute()
            except self._faults() as error:
                self._down(error)
                await asyncio.sleep(_RETRY_SECONDS)
            for _ in entries:
                self._outgoing.task_done()

    async def _receive(self, last: str) -> None:
        while True:
            try:
                found = await self._redis.xread({_STREAM: last}, count=500, block=_BLOCK_MS)
            except self._faults() as error:
                self._down(error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not self.up:
                log.info("Redis is reached")
            self.up = True
            for _, entries in found.items() if isinstance(found, dict) else found or ():
                for id, fields in _flat(entries):
                    last = id
                    self._hand_out(fields.get("of", ""))

    def _hand_out(self, entry: str) -> None:
        try:
            told = json.loads(entry)
            for listener in self._listeners.get(told["kind"], ()):
                listener(told)
        except Exception as error:  # one bad entry must not deafen a server
            log.error("an entry of the bus could not be read", exc_info=error)

    def _down(self, error: BaseException) -> None:
        if self.up:
            log.error("Redis can't be reached (%s): SENMON_REDIS_URL", type(error).__name__)
        self.up = False

    @staticmethod
    def _faults() -> tuple[type[Exception], ...]:
        from redis.exceptions import RedisError

        return (RedisError, OSError, TimeoutError)


def _flat(entries: Any) -> list[tuple[str, Mapping[str, str]]]:
    """Newer protocol versions of Redis nest one list deeper."""
    nested = (
        entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], tuple | list)
    )
    return [entry for each in entries for entry in each] if nested else list(entries)
