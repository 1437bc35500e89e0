"""The tutor's actions: open a problem, check an attempt, give the next hint.

The model only chooses among them. All maths is done here, by exact algebra; replies refer to the results by
name. The slots `open`, `problem`, `answer`, `steps`, `level`, `budget`, `may_tell` and `progress` are the
vault: they are state on the server and never part of the prompt.
"""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import SlotSet

from senmon.checks.maths_algebra import BeyondError, evaluate
from senmon.checks.maths_grammar import parse_alternatives
from senmon.checks.maths_nodes import statement_variables
from senmon.errors import Unparsable

from .judging import judge
from .solution import Solution, TooHardError
from .solver import solve

NO_PROBLEM = "There is no open problem yet. Send me an equation or a sum."
FINISHED = "That problem is finished. Send me a new one."
ANOTHER = "Send me the next problem when you like."
#: Requests for help before the answer is told, at least.
LEAST_HINTS = 4


class OpenProblem(Action):
    """Reads a problem, works it out for the vault, and gives the first hint."""

    def name(self) -> str:
        return "open_problem"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        kept = tracker.get_slot("opened") or None
        try:
            solution = solve(str(tracker.get_slot("problem") or ""))
        except TooHardError as reason:
            dispatcher.utter_message(json_message={"status": "not opened", "hint": {"text": str(reason)}})
            return [SlotSet("problem", kept)]
        hints = _ladder(solution)
        dispatcher.utter_message(
            json_message={
                "status": "opened",
                "problem": {"text": solution.text},
                "skill": solution.skill,
                "hint": {"text": hints[0]},
            }
        )
        return _slots(
            opened=solution.text,
            problem=solution.text,
            skill=solution.skill,
            answer=list(solution.answers),
            steps=[step.done for step in solution.steps],
            progress=solution.text,
            open=True,
            may_tell=False,
            level=0,
            budget=len(hints),
        )


class CheckAnswer(Action):
    """Judges what the pupil wrote against the open problem."""

    def name(self) -> str:
        return "check_answer"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        attempt, problem = str(tracker.get_slot("attempt") or ""), tracker.get_slot("opened")
        if not problem or not tracker.get_slot("open"):
            dispatcher.utter_message(
                json_message=_without_problem(attempt, FINISHED if problem else NO_PROBLEM)
            )
            return []
        progress = str(tracker.get_slot("progress") or problem)
        judgement = judge(str(problem), attempt)
        result: dict[str, Any] = {"verdict": judgement.outcome, "feedback": {"text": judgement.said}}
        if judgement.outcome == "correct":
            result["hint"] = {"text": ANOTHER}
            dispatcher.utter_message(json_message=result)
            return _slots(open=False, level=0, problem=problem)
        changed: dict[str, Any] = {"problem": problem}
        if judgement.progress and judgement.progress != progress:
            progress = judgement.progress
            changed |= {"progress": progress, "level": 0, "budget": len(_ladder(solve(progress)))}
        if judgement.mistake is not None:
            result["error"] = {"name": judgement.mistake.name}
        hints = _ladder(solve(progress))
        level = int(changed.get("level", tracker.get_slot("level") or 0))
        result["hint"] = {"text": hints[min(level, len(hints) - 1)]}
        dispatcher.utter_message(json_message=result)
        return _slots(**changed)


class NextHint(Action):
    """The next rung: focus, probe, partial step, worked step; the answer when all are used up."""

    def name(self) -> str:
        return "next_hint"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        problem = tracker.get_slot("opened")
        if not problem or not tracker.get_slot("open"):
            dispatcher.utter_message(json_message={"hint": {"text": FINISHED if problem else NO_PROBLEM}})
            return []
        solution = solve(str(tracker.get_slot("progress") or problem))
        hints, level = _ladder(solution), int(tracker.get_slot("level") or 0) + 1
        if level >= len(hints):
            dispatcher.utter_message(json_message={"hint": {"text": solution.told()}})
            return _slots(level=level, budget=len(hints), may_tell=True, open=False)
        dispatcher.utter_message(json_message={"hint": {"text": hints[level]}})
        return _slots(level=level, budget=len(hints))


def _ladder(solution: Solution) -> tuple[str, ...]:
    return solution.hints(LEAST_HINTS)


def _slots(**values: Any) -> list[dict[str, Any]]:
    return [SlotSet(name, value) for name, value in values.items()]


def _without_problem(attempt: str, otherwise: str) -> dict[str, Any]:
    """Nothing is open: a sum that the pupil claims can be judged all the same."""
    try:
        (statement,) = parse_alternatives(attempt)
        if statement.is_equation and not statement_variables(statement):
            right = len({evaluate(side) for side in statement.sides}) == 1
            text = "That's right: the sum is true." if right else "Not quite: the two sides are not equal."
            hint = ANOTHER if right else "Work out one side again, slowly."
            return {
                "verdict": "correct" if right else "wrong",
                "feedback": {"text": text},
                "hint": {"text": hint},
            }
    except (Unparsable, BeyondError, ValueError):
        pass
    nothing = "I have nothing to check that against."
    return {"verdict": "unclear", "feedback": {"text": nothing}, "hint": {"text": otherwise}}
