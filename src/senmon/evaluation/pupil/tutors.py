"""Who teaches the simulated pupil: the assistant that is measured, or a control that gives random hints."""

from __future__ import annotations

from collections.abc import Awaitable
from random import Random
from typing import Protocol

from senmon.evaluation.pupil.problems import draw

#: Hints as any tutor might give them, on anything; `{a}` and `{b}` are numbers of some other problem.
HINTS = (
    "Have a look at the question again. What does it ask for?",
    "Try to draw a picture of it.",
    "Write down everything that you know.",
    "Have you seen a problem like this one before?",
    "What happens with the {a}?",
    "Look at the {a} and the {b}.",
    "Think about what the opposite of adding {a} is.",
    "Do the same thing to both sides.",
    "What do you have to divide by?",
    "Multiply every term in the bracket by {a}.",
    "Find a common denominator of {a} and {b}.",
    "Which operation comes first?",
    "How much is 10% of {a}?",
    "Remember that percent means out of a hundred.",
    "Bring the letters to one side.",
    "Check the sign of your {a}.",
    "Can you simplify {a}/{b}?",
    "Estimate first: is it more or less than {b}?",
    "Put your number back in and see whether it fits.",
    "Take it slowly, one small step at a time.",
    "Count up from {a} by {b}.",
    "Try it with easier numbers.",
    "What is {a} times {b}?",
    "Round {a} to the nearest ten.",
)


class Tutor(Protocol):
    """Answers a pupil's message."""

    def __call__(self, text: str) -> Awaitable[str]: ...


class RandomHints:
    """Gives a hint drawn at random, with numbers of another problem, whatever the pupil says."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(f"control {seed}")

    async def __call__(self, text: str) -> str:
        import re

        other = draw(self.draw.randint(0, 10**6))
        found = re.findall(r"\d+", other.text)
        a, b = self.draw.choice(found), self.draw.choice(found)
        return self.draw.choice(HINTS).format(a=a, b=b)
