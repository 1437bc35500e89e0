"""`senmon bench trust`: what must hold when things break, counted.

Each part is a function `(effort, tell) -> rows`; a row says how many points were tried, and how many of them
broke the promise. Parts that need the whole program (a server) are given by the command line.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from senmon.wilson import wilson

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried. `points` for each kind of fault; `seconds` for what is measured over time; `size` of
    what is big."""

    points: int = 100
    seconds: float = 60.0
    size: int = 1_000_000
    seed: int = 0

    def draw(self, what: str) -> random.Random:
        """The same points in every run."""
        return random.Random(f"{what} {self.seed}")


QUICK = Effort(points=6, seconds=3.0, size=20_000)


@dataclass(frozen=True, slots=True)
class Row:
    """`failures` of `points` broke the promise `what`. `note` says more, of measured things only."""

    part: str
    what: str
    points: int
    failures: int
    note: str = ""
    #: Why points failed, the first few.
    why: tuple[str, ...] = ()

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share of failures. Without a point, nothing is known."""
        return wilson(self.failures, self.points) if self.points else (0.0, 1.0)


@dataclass(slots=True)
class Count:
    """A row in the making."""

    part: str
    what: str
    points: int = 0
    failed: list[str] = field(default_factory=list)
    note: str = ""

    @contextmanager
    def point(self, place: str) -> Iterator[None]:
        """One point: whatever is raised inside is a failure, with its place."""
        self.points += 1
        try:
            yield
        except Exception as error:
            self.failed.append(f"{place}: {type(error).__name__}: {str(error)[:160]}")

    def row(self, note: str = "") -> Row:
        return Row(
            self.part, self.what, self.points, len(self.failed), note or self.note, tuple(self.failed[:5])
        )


Part = Callable[[Effort, Tell], Sequence[Row]]


def must(held: bool, why: str) -> None:
    """Like `assert`, whatever Python's flags."""
    if not held:
        raise RuntimeError(why)


@dataclass(frozen=True, slots=True)
class PartResult:
    rows: tuple[Row, ...]
    seconds: float


def run_parts(parts: Mapping[str, Part], effort: Effort, tell: Tell) -> dict[str, PartResult]:
    """Every part in turn; the time that is left is told from what the parts took so far."""
    done: dict[str, PartResult] = {}
    begin = time.monotonic()
    for number, (name, part) in enumerate(parts.items()):
        spent = time.monotonic() - begin
        left = f", about {spent / number * (len(parts) - number):.0f} s left" if number else ""
        tell(f"{name} ({number + 1} of {len(parts)}{left})")
        start = time.monotonic()
        done[name] = PartResult(tuple(part(effort, tell)), time.monotonic() - start)
    return done


@contextmanager
def workbench() -> Iterator[Path]:
    """A folder for what is broken; it goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="senmon-trust-") as folder:
        yield Path(folder)


def busy() -> float:
    """How many processes wanted a core during the last minute."""
    return os.getloadavg()[0]
