"""Guessing passwords is slow: after some failures a name, an address and both together have to wait."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from senmon.errors import RateLimited

#: Failures that are free: of one name from one address, of one address, of one name from anywhere.
PAIR, ADDRESS, NAME = 5, 20, 50
_FIRST, _LONGEST = 15.0, 15 * 60.0
_MOST = 10_000


class SignInThrottle:
    """Each failure beyond the free ones doubles the wait. Counts are forgotten after an hour's silence, and
    when the server starts anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def attempt(self, name: str, address: str) -> None:
        """Counts as a failure until `succeeded`, so that attempts side by side count too. RateLimited."""
        now = self._clock()
        known = [(key, free, self._count(key, now)) for key, free in _keys(name, address)]
        wait = max(last + _wait(count, free) - now for _, free, (count, last) in known)
        if wait > 0:
            raise RateLimited(
                "too many failed sign-ins",
                retry_after=wait,
                remedy=f"wait {_words(wait)}, then try again; an owner can give you a new link",
            )
        for key, _, (count, _) in known:
            self._failures.pop(key, None)
            self._failures[key] = (count + 1, now)
        while len(self._failures) > _MOST:
            self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        for key, _ in _keys(name, address):
            count, last = self._failures.pop(key, (0, 0.0))
            if key.startswith("pair") or count <= 1:
                continue
            self._failures[key] = (count - 1, last)

    def _count(self, key: str, now: float) -> tuple[int, float]:
        count, last = self._failures.get(key, (0, now))
        return (0, now) if now - last > 3600 else (count, last)


def _keys(name: str, address: str) -> Iterable[tuple[str, int]]:
    low = name.lower()[:100]
    return (f"pair {low}\0{address}", PAIR), (f"address {address}", ADDRESS), (f"name {low}", NAME)


def _wait(count: int, free: int) -> float:
    return 0.0 if count < free else min(_LONGEST, _FIRST * 2.0 ** min(count - free, 10))


def _words(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
