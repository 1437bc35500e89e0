"""The figures that are reported: what each says, and the bar that it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Suites in the order in which they run; the last two have no subject of their own.
SUITES = ("requests", "turns", "pupil", "offtopic", "latency", "checks")


@dataclass(frozen=True, slots=True)
class FigureSpec:
    """`bar`: the value to reach; None: reported only. `low`: less is better. `leads`: the figure by which a
    suite says which of two subjects is better."""

    suite: str
    says: str
    bar: float | None = None
    low: bool = False
    leads: bool = False

    def met(self, value: float) -> bool | None:
        if self.bar is None:
            return None
        return value <= self.bar if self.low else value >= self.bar

    @property
    def shown_bar(self) -> str:
        if self.bar is None:
            return ""
        return f"{'≤' if self.low else '≥'} {100 * self.bar:g} %"


FIGURES: Mapping[str, FigureSpec] = {
    "action": FigureSpec("requests", "right action with right arguments, or rightly none", 0.95, leads=True),
    "top3": FigureSpec("requests", "the article that answers is among the first 3 found", 0.95),
    "top1": FigureSpec("requests", "the article that answers is found first"),
    "answered": FigureSpec("requests", "a question is answered with the right article"),
    "ungrounded": FigureSpec(
        "requests", "reply with a fact that is not in evidence, after checks", 0.005, low=True
    ),
    "ungrounded_raw": FigureSpec("requests", "the same before checks, as the model wrote it", low=True),
    "refused": FigureSpec("requests", "false refusal: a request of the domain turned away", low=True),
    "maths": FigureSpec("turns", "reply mathematically correct, after checks", 0.995),
    "maths_raw": FigureSpec("turns", "the same before checks, as the model wrote it"),
    "confirmed": FigureSpec("turns", "right attempt confirmed", 0.99, leads=True),
    "accepted": FigureSpec("turns", "wrong attempt called right", 0.005, low=True),
    "opened": FigureSpec("turns", "new problem taken up as it was meant"),
    "told": FigureSpec("turns", "answer said while it was the pupil's to find", low=True),
    "fit": FigureSpec("turns", "other turns (ideas, thanks, demands): the reaction fits"),
    "turned_away": FigureSpec("turns", "false refusal: a turn of the domain turned away", low=True),
    "success": FigureSpec(
        "pupil", "simulated pupil solves within 5 tutor turns, answer not told", 0.85, leads=True
    ),
    "telling": FigureSpec("pupil", "answer told within 5 tutor turns", 0.05, low=True),
    "pupil_confirmed": FigureSpec("pupil", "right attempt of the simulated pupil confirmed", 0.99),
    "pupil_accepted": FigureSpec(
        "pupil", "wrong attempt of the simulated pupil called right", 0.005, low=True
    ),
    "pupil_maths": FigureSpec("pupil", "reply to the simulated pupil mathematically correct", 0.995),
    "control": FigureSpec("pupil", "a tutor that gives random hints, with the same pupils", 0.4, low=True),
    "kept": FigureSpec(
        "offtopic", "out of domain in mid-conversation, not answered as if in it", 0.95, leads=True
    ),
    "first_token": FigureSpec("latency", "first token, seconds", 0.3, low=True),
    "first_text": FigureSpec("latency", "first released text, seconds", 0.9, low=True),
    "last_text": FigureSpec("latency", "whole reply, seconds", low=True),
}


def specs(suite: str) -> dict[str, FigureSpec]:
    return {name: spec for name, spec in FIGURES.items() if spec.suite == suite}


#: Of every check, on its labelled set.
CHECK_BAR = 0.98
