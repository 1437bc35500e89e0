"""What a suite found of one subject: scores by figure and item, tallies of faults, times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sheet:
    """`scores[figure][item]` is 0 or 1. `faults`: kinds of what went wrong, counted. `times`: seconds."""

    suite: str
    subject: str
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "suite": self.suite,
            "subject": self.subject,
            "scores": {name: dict(items) for name, items in self.scores.items()},
            "faults": dict(self.faults),
            "times": {name: list(values) for name, values in self.times.items()},
            "seconds": round(self.seconds, 1),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sheet:
        times = {name: tuple(values) for name, values in data["times"].items()}
        return cls(data["suite"], data["subject"], data["scores"], data["faults"], times, data["seconds"])


class Scores:
    """Collects a sheet's scores."""

    def __init__(self) -> None:
        self.scores: dict[str, dict[str, float]] = {}
        self.faults: Counter[str] = Counter()

    def put(self, figure: str, item: str, value: bool | None) -> None:
        """A score; None has none."""
        if value is not None:
            self.scores.setdefault(figure, {})[item] = float(value)

    def fault(self, kinds: Iterable[str]) -> None:
        self.faults.update(kinds)

    def sheet(self, suite: str, subject: str, seconds: float) -> Sheet:
        return Sheet(suite, subject, self.scores, dict(self.faults.most_common()), {}, seconds)
