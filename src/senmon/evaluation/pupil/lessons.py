"""Lessons: a simulated pupil with a tutor, and what came of it (success@5 and telling@5 of MathDial).

MathDial (Macina et al. 2023, arXiv 2305.14536) counts a dialogue as solved when the pupil comes to the right
answer within so many tutor turns, and as told when the tutor gives the answer before. There the tutor begins
with the pupil's wrong solution; so turns count from the reply to the first attempt here, while telling counts
from the first word.
"""

from __future__ import annotations

from dataclasses import dataclass

from senmon.evaluation.oracle.maths import false_maths
from senmon.evaluation.oracle.telling import stance, tells
from senmon.evaluation.pupil.problems import draw
from senmon.evaluation.pupil.pupil import Pupil
from senmon.evaluation.pupil.tutors import Tutor

TURNS = 5


@dataclass(frozen=True, slots=True)
class Lesson:
    """`solved_in`: tutor turns until the pupil had the answer, 0 when never; `told_in`: the turn that told
    it, 0 when none did, -1 for the opening. `confirmed` and `accepted`: of right and wrong attempts, how many
    were called right. `false`: replies with untrue mathematics."""

    seed: int
    error: str
    stepping: bool
    solved_in: int
    told_in: int
    rights: int
    confirmed: int
    wrongs: int
    accepted: int
    replies: int
    false: int

    @property
    def success(self) -> bool:
        return 0 < self.solved_in <= TURNS and not self.told_in

    @property
    def told(self) -> bool:
        return bool(self.told_in)


async def teach(tutor: Tutor, seed: int) -> Lesson:
    """One lesson; the tutor is new, so is the pupil."""
    problem = draw(seed)
    pupil = Pupil(problem, seed)
    said = pupil.opens()
    heard: list[str] = []
    spoken: list[str] = [said.text]
    counts = dict.fromkeys(("rights", "confirmed", "wrongs", "accepted", "replies", "false"), 0)
    solved_in = told_in = 0
    for turn in range(TURNS + 2):  # the opening, five turns, and the reply to the answer
        reply = await tutor(said.text)
        counts["replies"] += 1
        counts["false"] += bool(false_maths(reply, problem.text, spoken))
        if said.attempt is not None:
            name, judged = ("rights", "confirmed") if said.attempt else ("wrongs", "accepted")
            counts[name] += 1
            counts[judged] += stance(reply) == "confirms"
        if solved_in:
            break
        if not told_in and tells(reply, problem.text, str(problem.answer), heard):
            told_in = turn or -1
        if turn > TURNS:
            break
        said = pupil.tries_first() if turn == 0 else pupil.hears(reply)
        heard.append(said.text)
        spoken.append(said.text)
        if said.solved:
            solved_in = turn
        if turn == TURNS and not said.solved:
            break
    return Lesson(seed, problem.error, pupil.stepping, solved_in, told_in, **counts)
