"""The simulated pupil ranks tutors: random hints teach little, fitting ones much, telling is seen."""

from collections.abc import Callable
from fractions import Fraction

from senmon.evaluation.oracle.claims import task
from senmon.evaluation.oracle.maths import false_maths
from senmon.evaluation.pupil.lessons import Lesson, teach
from senmon.evaluation.pupil.problems import KINDS, Problem, draw
from senmon.evaluation.pupil.pupil import Pupil
from senmon.evaluation.pupil.tutors import RandomHints

SEEDS = range(140)
Reply = Callable[[Problem, str], str]


class Says:
    """A tutor that answers by a rule, knowing the problem."""

    def __init__(self, seed: int, reply: Reply) -> None:
        self.problem, self.reply = draw(seed), reply

    async def __call__(self, text: str) -> str:
        return self.reply(self.problem, text)


async def lessons(make: Callable[[int], object]) -> list[Lesson]:
    return [await teach(make(seed), seed) for seed in SEEDS]  # type: ignore[arg-type]


def share(found: list[Lesson]) -> float:
    return sum(lesson.success for lesson in found) / len(found)


async def test_a_tutor_with_random_hints_does_not_reach_the_bar() -> None:
    assert share(await lessons(RandomHints)) <= 0.4


async def test_hints_that_fit_the_step_teach_and_silence_does_not() -> None:
    def fitting(problem: Problem, text: str) -> str:
        line = problem.lines[problem.wrong_at]
        return f"Not quite. Think of {line.cues[0]}: look at {line.marks[0]}."

    good = share(await lessons(lambda seed: Says(seed, fitting)))
    silent = share(await lessons(lambda seed: Says(seed, lambda problem, text: "Go on.")))
    assert good >= 0.85
    assert silent <= 0.25


async def test_telling_is_no_success() -> None:
    found = await lessons(lambda seed: Says(seed, lambda problem, text: f"The answer is {problem.answer}."))
    assert all(lesson.told and not lesson.success for lesson in found)


async def test_the_same_seed_is_the_same_lesson() -> None:
    assert await teach(RandomHints(3), 3) == await teach(RandomHints(3), 3)


def test_problems_are_sound() -> None:
    """Right lines hold, the answer answers, the misconception's line is false, nothing shows the answer."""
    for seed in range(len(KINDS) * 12):
        problem = draw(seed)
        read = task(problem.text)
        assert read is not None and read.value == problem.answer, problem
        for line in problem.lines[: -1 if not problem.letter else None]:
            assert not problem.letter or not false_maths(line.text, problem.text), (problem, line)
        if problem.letter:
            assert false_maths(problem.wrong, problem.text), problem
        assert problem.wrong_answer != problem.answer
        assert isinstance(problem.answer, Fraction)


def test_pupils_speak_in_many_ways() -> None:
    said = {Pupil(draw(0), seed).tries_first().text for seed in range(200)}
    assert len(said) >= 25
