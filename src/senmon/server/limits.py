"""How often one visitor, key or address may ask: a token bucket each, in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from senmon.errors import RateLimited

_MAX_BUCKETS = 10_000


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
