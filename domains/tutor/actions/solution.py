"""A worked problem: its answer, which stays in the vault, and steps to lead a pupil through."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from senmon.checks.no_telling import NoTellingCheck
from senmon.checks.protocol import CheckContext

_NUDGES = (
    "Try the next small step on your own and write down what you get.",
    "Write down the next line of your working. I will check it.",
    "Have a go. A wrong try also helps us to find the way.",
)


_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


class TooHardError(Exception):
    """Readable maths that the tutor has no steps for. The text is for the pupil."""


@dataclass(frozen=True)
class Step:
    """One step: what to look at, what to do, how it starts, and the line that it leads to."""

    focus: str
    probe: str
    partial: str
    done: str


@dataclass(frozen=True)
class Solution:
    """`answers` are finished values or expressions; `said` is the answer as a sentence says it."""

    text: str
    skill: str
    answers: tuple[str, ...]
    said: str
    steps: tuple[Step, ...]
    confirmed: str

    def hints(self, least: int = 0) -> tuple[str, ...]:
        """The ladder: focus, probe, partial and worked step, one step after the other, never the answer.

        It has at least `least` rungs; a short one is filled up with encouragement.
        """
        return _ladder(self, least)

    def last_rungs(self) -> tuple[str, ...]:
        """The hints of the last step alone, for a pupil whose way was right up to there."""
        step = self.steps[-1]
        safe = _safe(self, (step.focus, step.probe, step.partial))
        return tuple(hint for hint in safe if hint not in _NUDGES)

    def told(self) -> str:
        """The whole way, for when the ladder is used up."""
        way = " ".join(step.done for step in self.steps[:-1])
        return f"{way} So the answer is {self.said}.".strip()


@lru_cache(maxsize=512)
def _ladder(solution: Solution, least: int) -> tuple[str, ...]:
    found: list[str] = []
    short = len(solution.steps) > 3
    for index, step in enumerate(solution.steps):
        last = index == len(solution.steps) - 1
        opening = f"{solution.steps[index - 1].done} {step.focus}" if index else step.focus
        found.append(opening)
        found.append(step.probe)
        if last or not short:
            found.append(step.partial)
    safe = _safe(solution, found)
    spare = [nudge for nudge in _NUDGES if nudge not in safe] * least
    return tuple(safe + spare[: max(0, least - len(safe))])


def _safe(solution: Solution, hints: Sequence[str]) -> list[str]:
    """A hint that would give the answer away becomes a nudge; so does one that was given already."""
    context = CheckContext(slots={"open": True, "problem": solution.text, "answer": list(solution.answers)})
    safe: list[str] = []
    nudges = iter(_NUDGES * len(hints))
    for hint in hints:
        kept = _without_leak(hint, context)
        safe.append(kept if kept and kept not in safe else next(nudges))
    return safe


def _without_leak(hint: str, context: CheckContext) -> str:
    """The hint, or as many of its sentences as give nothing away."""
    sentences = _SENTENCE_END.split(hint)
    for count in range(len(sentences), 0, -1):
        kept = " ".join(sentences[:count])
        if NoTellingCheck().judge("", kept, context).outcome == "pass":
            return kept
    return ""
