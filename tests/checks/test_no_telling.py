import sys
from pathlib import Path
from typing import Any

import pytest

from senmon.checks.no_telling import NoTellingCheck
from senmon.checks.protocol import CheckContext
from senmon.messages import Message, Passage

sys.path.insert(0, str(Path(__file__).parent))

from telling_replies import KEEPS, TELLS

CHECK = NoTellingCheck()
Case = tuple[str, str, tuple[str, ...], tuple[str, ...], str]


def context(problem: str, answers: tuple[str, ...], said: tuple[str, ...], **more: Any) -> CheckContext:
    messages = (Message("user", f"solve {problem}"), *(Message("user", text) for text in said))
    return CheckContext(messages, slots={"open": True, "problem": problem, "answer": list(answers), **more})


def outcome(case: Case, **more: Any) -> str:
    reply, problem, answers, said, released = case
    return CHECK.judge(released, reply, context(problem, answers, said, **more)).outcome


def test_labelled_replies() -> None:
    """Precision and recall of `repair` over the labelled replies."""
    missed = [case for case in TELLS if outcome(case) != "repair"]
    alarms = [case for case in KEEPS if outcome(case) != "pass"]
    caught = len(TELLS) - len(missed)
    assert len(TELLS) + len(KEEPS) >= 80
    assert caught / len(TELLS) >= 0.98, missed
    assert caught / (caught + len(alarms)) >= 0.98, alarms


@pytest.mark.parametrize("lifted", [{"open": False}, {"may_tell": True}, {"level": 4, "budget": 4}])
def test_what_lifts_the_check(lifted: dict[str, Any]) -> None:
    assert all(outcome(case, **lifted) == "pass" for case in TELLS)


def test_a_level_below_the_budget_does_not_lift_it() -> None:
    assert outcome(TELLS[0], level=3, budget=4) == "repair"


def test_no_vault_no_secret() -> None:
    assert CHECK.judge("", "x = 6", CheckContext()).outcome == "pass"


def test_the_reason_keeps_the_secret() -> None:
    for case in TELLS:
        reply, problem, answers, said, released = case
        reason = CHECK.judge(released, reply, context(problem, answers, said)).reason
        assert not any(character.isdigit() for character in reason)


def test_an_answer_said_before_this_problem_is_secret() -> None:
    messages = (Message("user", "x = 6"), Message("user", "now solve 3x − 7 = 11"))
    slots = {"open": True, "problem": "3x − 7 = 11", "answer": ["6"]}
    assert CHECK.judge("", "x = 6", CheckContext(messages, slots=slots)).outcome == "repair"


def test_an_attempt_in_the_message_that_sets_the_problem_counts() -> None:
    messages = (Message("user", "I did 3x-7 = 11 and got x = 6, right?"),)
    slots = {"open": True, "problem": "3x − 7 = 11", "answer": ["6"]}
    assert CHECK.judge("", "Yes, x = 6.", CheckContext(messages, slots=slots)).outcome == "pass"


def test_articles_may_be_quoted() -> None:
    example = "For example, n + 2 = 8, so the letter n stands for 6."
    passage = Passage("variable", "Variables", "A letter stands for a number.", facts={"example": example})
    base = context("3x − 7 = 11", ("6",), ())
    quoting = CheckContext(base.messages, (passage,), slots=base.slots)
    assert CHECK.judge("", f"Look: {example}", quoting).outcome == "pass"
    assert CHECK.judge("", f"Look: {example} And x = 6.", quoting).outcome == "repair"
    assert CHECK.judge("", f"Look: {example}", base).outcome == "repair"


@pytest.mark.parametrize(
    "text", ["6" * 1_000_000, "six " * 50_000, "x = " * 50_000, "(" * 50_000, "minus " * 50_000]
)
def test_hostile_text_returns(text: str) -> None:
    assert CHECK.judge(text, text, context("3x − 7 = 11", ("6",), (text,))).outcome in ("pass", "repair")
