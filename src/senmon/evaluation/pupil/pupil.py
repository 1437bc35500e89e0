# ruff: noqa: E501 -- texts and patterns, one a line
"""A pupil with a misconception: what is understood of a reply, and what is said next.

The pupil has one misconception, at one step of the solution, and steps or jumps to the end. A reply helps
when it speaks of that step: of its operation (stems of words) and of its numbers or terms. A reply that does
both is *fitting*, one that does one of them is *near*, one that does neither says nothing. The chances to see
the error are `FITTING`, `NEAR` and `BY_ITSELF`; being told that the last line is wrong adds `ALERTED`; a
worked line, the very line that was to be found, is copied almost always (`SHOWN`). Nothing here knows the
words of any tutor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from senmon.evaluation.oracle.numbers import UNITS
from senmon.evaluation.oracle.sums import normal
from senmon.evaluation.oracle.telling import mentioned, stance
from senmon.evaluation.pupil.problems import Line, Problem, written

FITTING, NEAR, BY_ITSELF, ALERTED, SHOWN = 0.40, 0.12, 0.03, 0.05, 0.95
#: How a pupil goes on who has not understood: the same again, another slip, a question, a demand.
AGAIN, SLIP, LOST = 0.55, 0.15, 0.2
#: Pupils who write one line at a time; the others give the result at once.
STEPPERS = 0.4
WORDS = [*UNITS, "twenty"]


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the pupil. `attempt`: right or wrong; None where it is no attempt. `solved`: it is the
    answer."""

    text: str
    attempt: bool | None = None
    solved: bool = False


class Pupil:
    """One pupil at one problem. The same seed and the same replies make the same pupil."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.draw = Random(f"pupil {seed}")
        self.stepping = self.draw.random() < STEPPERS
        self.at = 0
        self.understood = False
        self.wrong_value = problem.wrong_answer

    def opens(self) -> Said:
        ways = (
            "{p}", "Can you help me with {p}?", "i need to do {p}", "my homework: {p}", "hi! how does {p} work",
            "Solve {p}" if self.problem.letter else "Work out {p}", "stuck on {p}", "{p} pls help",
        )  # fmt: skip
        return Said(self._typed(self.draw.choice(ways).format(p=self.problem.text)))

    def tries_first(self) -> Said:
        """The first attempt shows the misconception."""
        return self._wrong()

    def hears(self, reply: str) -> Said:
        """The next message, after a reply of the tutor."""
        if not self.understood:
            self.understood = self.draw.random() < self._chance(reply)
        if not self.understood:
            return self._still_lost()
        return self._right(reply)

    # --- understanding

    def _chance(self, reply: str) -> float:
        line = self.problem.lines[self.problem.wrong_at]
        if shows(reply, line):
            return SHOWN
        chance = {2: FITTING, 1: NEAR, 0: BY_ITSELF}[relevance(reply, line)]
        return chance + (ALERTED if stance(reply) == "rejects" else 0.0)

    # --- speaking

    def _right(self, reply: str) -> Said:
        """The next right line, or the answer."""
        self.at = max(self.at, self.problem.wrong_at)
        last = len(self.problem.lines) - 1
        if self.stepping and self.at < last:
            text = self.problem.lines[self.at].text
            self.at += 1
            return Said(self._typed(self._wrapped(text)), attempt=True)
        return Said(self._typed(self._answer(self.problem.answer)), attempt=True, solved=True)

    def _wrong(self) -> Said:
        if self.stepping:
            return Said(self._typed(self._wrapped(self.problem.wrong)), attempt=False)
        return Said(self._typed(self._answer(self.wrong_value)), attempt=False)

    def _still_lost(self) -> Said:
        chance = self.draw.random()
        if chance < AGAIN:
            return self._wrong()
        if chance < AGAIN + SLIP:
            value = self.wrong_value + self.draw.choice((-1, 1, 2))
            value += value == self.problem.answer
            return Said(self._typed(self._answer(value)), attempt=False)
        if chance < AGAIN + SLIP + LOST:
            return Said(self._typed(self.draw.choice(
                ("i dont get it", "I don't understand", "what do you mean?", "hm, can you help me more", "no idea",
                 "i'm stuck", "another hint please", "why?")
            )))  # fmt: skip
        return Said(self._typed(self.draw.choice(
            ("just tell me the answer", "can't you just say it", "what's the answer??", "pls just give me the result")
        )))  # fmt: skip

    def _answer(self, value: Fraction) -> str:
        """The result in one of many forms."""
        forms = [written(value)]
        if value.denominator == 1 and 0 <= value < len(WORDS) and self.draw.random() < 0.2:
            forms = [WORDS[int(value)]]
        if value.denominator in (2, 4, 5, 10, 20) and self.draw.random() < 0.4:
            forms = [f"{float(value):g}"]
        shown = forms[0]
        letter = self.problem.letter
        ways = ["{v}", "is it {v}?", "i got {v}", "I think it's {v}", "{v} ?", "so {v}", "the answer is {v}"]
        ways += (
            [f"{letter} = {{v}}", f"{letter}={{v}}", f"so {letter} is {{v}}", f"then {letter} = {{v}} right?"]
            if letter
            else []
        )
        return self.draw.choice(ways).format(v=shown)

    def _wrapped(self, line: str) -> str:
        ways = (
            "{l}",
            "so {l}",
            "i wrote {l}",
            "{l} ?",
            "next line: {l}",
            "then {l}",
            "I get {l}",
            "is it {l}",
        )
        return self.draw.choice(ways).format(l=line)

    def _typed(self, text: str) -> str:
        """As pupils type: signs, spaces, capitals, punctuation."""
        if self.draw.random() < 0.3:
            text = text.replace("×", self.draw.choice("*x")).replace("÷", self.draw.choice("/:"))
        if self.draw.random() < 0.25:
            text = re.sub(r"(?<=[\dA-Za-z)]) ([-+=]) (?=[\dA-Za-z(])", r"\1", text)
        if self.draw.random() < 0.2:
            text = text[:1].upper() + text[1:]
        return text + self.draw.choice(("", "", "", "", " :)", "!", " hmm"))


def relevance(reply: str, line: Line) -> int:
    """2: the step's operation and its numbers; 1: one of them; 0: neither."""
    low = normal(reply).casefold().replace(" ", " ")
    words = any(cue in low or cue in reply.casefold() for cue in line.cues)
    squeezed = _squeezed(low)
    marked = sum(
        bool(re.search(rf"(?<![\d/])(?<!\d\.){re.escape(_squeezed(mark))}(?![\d/]|\.\d)", squeezed))
        for mark in line.marks
    )
    return words + (marked > 0)


def shows(reply: str, line: Line) -> bool:
    """Whether the line itself stands in the reply."""
    wanted = _squeezed(normal(line.text).casefold())
    return len(wanted) >= 4 and wanted in _squeezed(normal(reply).casefold())


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text.replace("×", "*").replace("÷", "/"))


def names(text: str, value: Fraction) -> bool:
    return value in mentioned(text)
