"""A circuit breaker: a server that fails again and again is left alone, then tried with one request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]
#: Seconds: how long a breaker stays open the first time, and at most.
FIRST, LONGEST = 1.0, 30.0


class Breaker:
    """Opens after `limit` failures in a row. Once its wait (1 s, then twice as long each time, 30 s at
    most) is over, one request goes through: its success closes the breaker, its failure opens it again."""

    def __init__(self, limit: int = 3, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._failures = 0
        self._wait = FIRST
        self._until: float | None = None
        self._trying = False

    @property
    def state(self) -> State:
        if self._until is None:
            return "closed"
        return "half-open" if self._clock() >= self._until else "open"

    @property
    def allows(self) -> bool:
        """Whether a request may go through now."""
        return self.state == "closed" or (self.state == "half-open" and not self._trying)

    @property
    def remaining(self) -> float:
        """Seconds until a request may be tried again."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def begin(self) -> None:
        """A request goes through now. Followed by `good`, `bad` or `unsure`."""
        self._trying = self._until is not None

    def good(self) -> None:
        self._failures, self._wait, self._until, self._trying = 0, FIRST, None, False

    def bad(self) -> None:
        self._failures += 1
        self._trying = False
        if self.state == "half-open" or (self.state == "closed" and self._failures >= self._limit):
            self._until = self._clock() + self._wait
            self._wait = min(2 * self._wait, LONGEST)

    def unsure(self) -> None:
        """The request ended without saying anything about the server (its caller left)."""
        self._trying = False

    def try_now(self) -> None:
        """The server gives a sign of life: no more waiting."""
        if self._until is not None:
            self._until = self._clock()
