"""How likely a pupil masters a skill: Bayesian knowledge tracing (Corbett and Anderson, 1995).

    after a right attempt   p' = p(1 − slip) / (p(1 − slip) + (1 − p)·guess)
    after a wrong attempt   p' = p·slip / (p·slip + (1 − p)(1 − guess))
    then                    p  = p' + (1 − p')·learn

The four numbers are written here and were not fitted to pupils. A right attempt after hints says less: each
hint adds to `guess`. An answer that was told counts as a wrong attempt. A pack that teaches keeps what
it saw in its slot `observed`, a list of `[skill, right, hints, error]`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PRIOR, LEARN, SLIP, GUESS = 0.3, 0.15, 0.1, 0.2
GUESS_PER_HINT, MOST_GUESS = 0.1, 0.6
#: Observations that one conversation keeps, the newest.
MOST = 200
#: The error of an answer that was told.
TOLD = "told"


@dataclass(frozen=True)
class Observation:
    skill: str
    right: bool
    hints: int = 0
    error: str = ""

    def to_json(self) -> list[Any]:
        return [self.skill, self.right, self.hints, self.error]

    @classmethod
    def of(cls, value: Any) -> Observation | None:
        match value:
            case [str(skill), bool(right), int(hints), str(error)]:
                return cls(skill, right, hints, error)
        return None


@dataclass(frozen=True)
class Standing:
    """A pupil at one skill. `mastery` is a probability; `mistake` the most frequent one, or empty."""

    skill: str
    mastery: float
    attempts: int
    right: int
    hints: int
    mistake: str


def added(kept: Any, new: Observation) -> list[Any]:
    """The slot `observed` with one more observation."""
    return [*(kept if isinstance(kept, list) else []), new.to_json()][-MOST:]


def observations(kept: Any) -> list[Observation]:
    values = kept if isinstance(kept, list) else []
    return [one for value in values if (one := Observation.of(value)) is not None]


def traced(before: float, seen: Observation) -> float:
    guess = min(MOST_GUESS, GUESS + GUESS_PER_HINT * seen.hints)
    if seen.right:
        after = before * (1 - SLIP) / (before * (1 - SLIP) + (1 - before) * guess)
    else:
        after = before * SLIP / (before * SLIP + (1 - before) * (1 - guess))
    return after + (1 - after) * LEARN


def mastery(seen: Iterable[Observation]) -> Mapping[str, float]:
    """Skill → probability, in the order in which the skills were met."""
    found: dict[str, float] = {}
    for one in seen:
        found[one.skill] = traced(found.get(one.skill, PRIOR), one)
    return found


def weakest(seen: Sequence[Observation]) -> str:
    levels = mastery(seen)
    return min(levels, key=lambda skill: levels[skill], default="")


def standings(seen: Sequence[Observation]) -> list[Standing]:
    """One for each skill, in the order in which the skills were met."""
    found = []
    for skill, level in mastery(seen).items():
        own = [one for one in seen if one.skill == skill]
        wrong = Counter(one.error for one in own if one.error)
        often = wrong.most_common(1)[0][0] if wrong else ""
        right = sum(one.right for one in own)
        found.append(Standing(skill, level, len(own), right, _hints(own), often))
    return found


def _hints(seen: Sequence[Observation]) -> int:
    """Hints asked for. An observation counts those of its problem so far, and a problem ends where it was
    solved or told; hints of one that was left show where the count falls."""
    total, before = 0, 0
    for one in seen:
        total += one.hints - before if one.hints >= before else one.hints
        before = 0 if one.right or one.error == TOLD else one.hints
    return total
