"""How often one visitor, key, address or site may ask: a token bucket each."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from senmon.errors import RateLimited
from senmon.messages import Identity
from senmon.server.bus import Bus
from senmon.settings import Settings

_MAX_BUCKETS = 10_000
#: Where the settings say nothing: multiples of a visitor's limit.
ADDRESS_TIMES = 10
SITE_TIMES = 100
READ_TIMES = 10


class RateLimiter:
    """`per_minute` requests in a burst, refilled evenly; 0: no limit. Forgets the longest idle first."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, key: str) -> None:
        """Raises RateLimited with the seconds to wait."""
        if not self._capacity:
            return
        now = self._clock()
        tokens, then = self._buckets.pop(key, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - then) * self._capacity / 60)
        self._buckets[key] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        if tokens < 1:
            raise _too_many((1 - tokens) * 60 / self._capacity)


class SharedRateLimiter:
    """The same, counted over all servers."""

    def __init__(self, per_minute: int, name: str, bus: Bus) -> None:
        self._per_minute = per_minute
        self._name = name
        self._bus = bus

    async def check(self, key: str) -> None:
        """Raises RateLimited, SharedStateGone."""
        if self._per_minute and (wait := await self._bus.take(f"{self._name}:{key}", self._per_minute)):
            raise _too_many(wait)


class Limits:
    """The limits of a server. What a visitor says counts for the visitor, the address and the site; with a
    `bus`, on all servers together. Reading is counted by each server, so that it goes on without Redis."""

    def __init__(self, settings: Settings, bus: Bus | None = None) -> None:
        visitor = settings.rate_limit_per_minute
        address, site = settings.rate_limit_per_address, settings.rate_limit_per_site

        def limiter(per_minute: int, name: str) -> RateLimiter | SharedRateLimiter:
            return RateLimiter(per_minute) if bus is None else SharedRateLimiter(per_minute, name, bus)

        self._visitor = limiter(visitor, "visitor")
        self._reader = RateLimiter(visitor * READ_TIMES)
        self._address = limiter(visitor * ADDRESS_TIMES if address is None else address, "address")
        self._site = limiter(visitor * SITE_TIMES if site is None else site, "site")

    async def speak(self, identity: Identity, address: str) -> None:
        """Raises RateLimited, SharedStateGone."""
        await _check(self._visitor, f"{identity.site}/{identity.visitor}")
        await self.arrive(address)
        if "key" not in identity.roles:
            await self.enter(identity.site)

    def read(self, identity: Identity) -> None:
        """Raises RateLimited."""
        self._reader.check(f"{identity.site}/{identity.visitor}")

    async def arrive(self, address: str) -> None:
        """Somebody new, of whom the address is known at most. Raises RateLimited, SharedStateGone."""
        await _check(self._address, address)

    async def enter(self, site: str) -> None:
        """A visitor of a site. Raises RateLimited, SharedStateGone."""
        await _check(self._site, site)


async def _check(limiter: RateLimiter | SharedRateLimiter, key: str) -> None:
    if isinstance(limiter, RateLimiter):
        limiter.check(key)
    else:
        await limiter.check(key)


def _too_many(wait: float) -> RateLimited:
    remedy = f"wait {max(1, round(wait))} s, then go on"
    return RateLimited("too many messages", retry_after=wait, remedy=remedy)
