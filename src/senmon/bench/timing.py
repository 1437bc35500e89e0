"""Wall and CPU seconds of one repetition, and medians with spread over repetitions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Spent:
    """Seconds; CPU seconds are of this process, all threads."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def spending() -> Iterator[Spent]:
    spent = Spent()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield spent
    finally:
        spent.wall, spent.cpu = time.perf_counter() - wall, time.process_time() - cpu


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the repetitions."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def times(self, factor: float) -> Spread:
        return Spread(factor * self.median, factor * self.low, factor * self.high)

    def text(self, digits: int = 1) -> str:
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


def alternating(ways: Mapping[str, Callable[[], T]], repetitions: int) -> dict[str, list[T]]:
    """Each way once per repetition, in turn, every other time backwards: what slows the machine hits all."""
    found: dict[str, list[T]] = {name: [] for name in ways}
    for repetition in range(repetitions):
        for name in list(ways)[:: -1 if repetition % 2 else 1]:
            found[name].append(ways[name]())
    return found


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """How many times more of something `ours` has, repetition by repetition."""
    return Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])
