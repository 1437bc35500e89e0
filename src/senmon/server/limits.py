"""How often one visitor, key, address or site may ask: a token bucket each, in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from senmon.errors import RateLimited
from senmon.messages import Identity
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
            wait = (1 - tokens) * 60 / self._capacity
            raise RateLimited(
                "too many messages", retry_after=wait, remedy=f"wait {max(1, round(wait))} s, then go on"
            )


class Limits:
    """The limits of a server. What a visitor says counts for the visitor, the address and the site."""

    def __init__(self, settings: Settings) -> None:
        visitor = settings.rate_limit_per_minute
        address, site = settings.rate_limit_per_address, settings.rate_limit_per_site
        self._visitor = RateLimiter(visitor)
        self._reader = RateLimiter(visitor * READ_TIMES)
        self._address = RateLimiter(visitor * ADDRESS_TIMES if address is None else address)
        self._site = RateLimiter(visitor * SITE_TIMES if site is None else site)

    def speak(self, identity: Identity, address: str) -> None:
        """Raises RateLimited."""
        self._visitor.check(f"{identity.site}/{identity.visitor}")
        self.arrive(address)
        if "key" not in identity.roles:
            self.enter(identity.site)

    def read(self, identity: Identity) -> None:
        """Raises RateLimited."""
        self._reader.check(f"{identity.site}/{identity.visitor}")

    def arrive(self, address: str) -> None:
        """Somebody new, of whom the address is known at most. Raises RateLimited."""
        self._address.check(address)

    def enter(self, site: str) -> None:
        """A visitor of a site. Raises RateLimited."""
        self._site.check(site)
