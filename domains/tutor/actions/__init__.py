"""The tutor's actions: open a problem, check an attempt, give the next hint.

The model only chooses among them. All maths is done here, by exact algebra; replies refer to the results by
name. The slots `open`, `problem`, `answer`, `steps`, `level`, `budget`, `may_tell` and `progress` are the
vault; `observed` is what was seen of the pupil's skills, `given` the exercises from the teacher's lists. They
are state on the server and never part of the prompt.
"""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import SlotSet

from senmon.checks.maths_algebra import BeyondError, evaluate
from senmon.checks.maths_grammar import parse_alternatives
from senmon.checks.maths_nodes import statement_variables
from senmon.errors import Unparsable

from . import exercises
from .classroom import Budget, budget_of
from .judging import Judgement, advanced, judge
from .mastery import Observation, added, observations, weakest
from .reading import Reading, read
from .solution import Solution, TooHardError
from .solver import solve

NO_PROBLEM = "There is no open problem yet. Send me an equation or a sum."
FINISHED = "That problem is finished. Send me a new one."
ANOTHER = "Send me the next problem when you like."
NO_MORE_HINTS = "Those were all my hints. Try it once more, or show your working to your teacher."
WHICH = "I see more than one answer. Which one do you mean?"
SAY_IT = "If you have an answer or a next line, write just that."
LONGEST_ARGUMENT = 200
#: Exercises that a conversation remembers, so that none comes twice.
REMEMBERED = 100


class ReadMessage(Action):
    """Says which call a message is, where the words leave no doubt; the server asks before the model writes.

    An attempt at the open problem is checked, and a new problem opened, with the maths that the pupil typed.
    """

    def name(self) -> str:
        return "read_message"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        reading = _reading(tracker)
        call = {
            "attempt": ("check_answer", {"attempt": reading.text}),
            "unsure": ("check_answer", {"attempt": reading.text}),
            "problem": ("open_problem", {"problem": reading.text}),
        }.get(reading.kind)
        if call is not None and len(reading.text) <= LONGEST_ARGUMENT:
            name, arguments = call
            keep = reading.kind != "problem"
            dispatcher.utter_message(
                json_message={"call": {"name": name, "arguments": arguments}, "keep": keep}
            )
        return []


class OpenProblem(Action):
    """Reads a problem, works it out for the vault, and gives the first hint."""

    def name(self) -> str:
        return "open_problem"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        kept = tracker.get_slot("opened") or None
        given = str(tracker.get_slot("problem") or "")
        if _reading(tracker).kind in ("attempt", "unsure") or _goes_on(given, tracker):
            return checked(dispatcher, tracker, given)
        try:
            solution = solve(given)
        except TooHardError as reason:
            dispatcher.utter_message(json_message={"status": "not opened", "hint": {"text": str(reason)}})
            return [SlotSet("problem", kept)]
        hints = _ladder(solution, tracker)
        dispatcher.utter_message(
            json_message={
                "status": "opened",
                "problem": {"text": solution.text},
                "skill": solution.skill,
                "hint": {"text": hints[0]},
            }
        )
        return _opened(solution, len(hints))


class GiveExercise(Action):
    """Opens a problem from the teacher's lists: on the topic the pupil names, else on the weakest skill."""

    def name(self) -> str:
        return "give_exercise"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        words = str(tracker.get_slot("topic") or "")
        given = [str(text) for text in tracker.get_slot("given") or []]
        seen = observations(tracker.get_slot("observed"))
        found = exercises.pick(words, given, weakest(seen))
        if found is None:
            known = ", ".join(sorted({one.topic or one.skill for one in exercises.exercises()})[:12])
            text = (
                f"I have no exercise about that. I have: {known}." if known else "I have no exercises here."
            )
            dispatcher.utter_message(json_message={"status": "not opened", "hint": {"text": text}})
            return _slots(topic=None)
        solution = solve(found.text)
        dispatcher.utter_message(
            json_message={
                "status": "opened",
                "problem": {"text": solution.text},
                "skill": solution.skill,
            }
        )
        given = [*given, found.text][-REMEMBERED:]
        return _opened(solution, len(_ladder(solution, tracker))) + _slots(topic=None, given=given)


class CheckAnswer(Action):
    """Judges what the pupil wrote against the open problem."""

    def name(self) -> str:
        return "check_answer"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        return checked(dispatcher, tracker, str(tracker.get_slot("attempt") or ""))


def checked(dispatcher: Any, tracker: Any, attempt: str) -> list[dict[str, Any]]:
    """Judges `attempt` and says what comes next."""
    problem = tracker.get_slot("opened")
    if not problem or not tracker.get_slot("open"):
        said = str((tracker.latest_message or {}).get("text") or attempt)
        claim = attempt if _typed(attempt, said) else ""
        dispatcher.utter_message(json_message=_without_problem(claim, FINISHED if problem else NO_PROBLEM))
        return []
    progress = str(tracker.get_slot("progress") or problem)
    judgement = _judged(tracker, str(problem), attempt)
    result: dict[str, Any] = {"verdict": judgement.outcome, "feedback": {"text": judgement.said}}
    changed: dict[str, Any] = {"problem": problem, "observed": _observed(tracker, judgement)}
    if judgement.outcome == "correct":
        result["hint"] = {"text": ANOTHER}
        dispatcher.utter_message(json_message=result)
        return _slots(open=False, level=0, **changed)
    if judgement.progress and judgement.progress != progress:
        progress = judgement.progress
        changed |= {"progress": progress, "level": 0, "wrongs": 0}
        changed["budget"] = len(_ladder(solve(progress), tracker))
    if judgement.mistake is not None:
        result["error"] = {"name": judgement.mistake.name}
    wrongs = int(changed.get("wrongs", tracker.get_slot("wrongs") or 0)) + (judgement.outcome == "wrong")
    level = int(changed.get("level", tracker.get_slot("level") or 0))
    result["hint"] = {"text": _rung(solve(progress), tracker, judgement, level, wrongs)}
    dispatcher.utter_message(json_message=result)
    return _slots(**{**changed, "wrongs": wrongs})


def _reading(tracker: Any) -> Reading:
    """The latest message, read against the open problem."""
    opened = str(tracker.get_slot("opened") or "") if tracker.get_slot("open") else ""
    return read(str((tracker.latest_message or {}).get("text") or ""), opened)


def _judged(tracker: Any, problem: str, copied: str) -> Judgement:
    """What the pupil said is judged, not what the model copied. Nothing is confirmed that is not the pupil's
    one clear claim."""
    said = str((tracker.latest_message or {}).get("text") or "")
    if not said:  # the generator of the training data, and callers that send no message
        return judge(problem, copied)
    reading = read(said, problem)
    if reading.kind == "unsure":
        return Judgement("unclear", WHICH)
    if reading.kind == "attempt":
        return advanced(problem, reading.text, judge(problem, reading.text))
    judgement = judge(problem, copied)
    known = judgement.outcome == "unclear" or (judgement.outcome == "wrong" and _typed(copied, said))
    return judgement if known else Judgement("unclear", SAY_IT)


def _typed(copied: str, said: str) -> bool:
    """Whether it stands in the message as a whole: `3 + 4 = 7`, but not `1 + 1 = 2` of `11 + 1 = 23`."""
    letters = r"\s*".join(map(re.escape, "".join(copied.split())))
    return re.search(rf"(?<![\w.,/+*×÷=\-]){letters}(?![\w/+*×÷=]|[.,]\d)", said, re.IGNORECASE) is not None


def _rung(solution: Solution, tracker: Any, judgement: Judgement, level: int, wrongs: int) -> str:
    """Each wrong try in the same place after the first brings the next hint, so that none is said again and
    again. Requests for help alone lead to the answer."""
    hints, further = _ladder(solution, tracker), max(0, wrongs - 1)
    if judgement.mistake is not None and judgement.mistake.last and (last := solution.last_rungs()):
        return last[min(further, len(last) - 1)]
    return hints[min(level + further, len(hints) - 1)]


def _goes_on(given: str, tracker: Any) -> bool:
    """A right answer of the open problem (`x = 6`, `18`) that was brought as a problem. Lines that could be
    problems are taken for new ones: two equations may have the same solution by chance."""
    problem = str(tracker.get_slot("opened") or "")
    if not given or not problem or not tracker.get_slot("open"):
        return False
    try:
        solve(given)
    except TooHardError:
        return judge(problem, given).outcome in ("correct", "step_ok")
    return False


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
        hints, level = _ladder(solution, tracker), int(tracker.get_slot("level") or 0) + 1
        asked = int(tracker.get_slot("hints") or 0) + 1
        if level < len(hints):
            further = max(0, int(tracker.get_slot("wrongs") or 0) - 1)
            text = hints[min(level + further, len(hints) - 1)]
            dispatcher.utter_message(json_message={"hint": {"text": text}})
            return _slots(level=level, budget=len(hints), hints=asked)
        if not _budget(tracker).tell_answer:
            dispatcher.utter_message(json_message={"hint": {"text": NO_MORE_HINTS}})
            return _slots(budget=len(hints), hints=asked)
        dispatcher.utter_message(json_message={"hint": {"text": solution.told()}})
        told = Observation(str(tracker.get_slot("skill") or solution.skill), False, asked, "told")
        observed = added(tracker.get_slot("observed"), told)
        return _slots(
            level=level, budget=len(hints), may_tell=True, open=False, hints=asked, observed=observed
        )


def _budget(tracker: Any) -> Budget:
    return budget_of(tracker.get_slot("customer_id"))


def _ladder(solution: Solution, tracker: Any) -> tuple[str, ...]:
    budget = _budget(tracker)
    return solution.hints(budget.hints)[: budget.most_hints]


def _opened(solution: Solution, budget: int) -> list[dict[str, Any]]:
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
        budget=budget,
        hints=0,
        wrongs=0,
    )


def _observed(tracker: Any, judgement: Judgement) -> list[Any]:
    """The pupil's record; steps on the way and what can't be read say nothing of a skill."""
    kept = tracker.get_slot("observed")
    if judgement.outcome not in ("correct", "wrong"):
        return kept if isinstance(kept, list) else []
    error = judgement.mistake.name if judgement.mistake else ""
    skill, hints = str(tracker.get_slot("skill") or ""), int(tracker.get_slot("hints") or 0)
    return added(kept, Observation(skill, judgement.outcome == "correct", hints, error))


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
