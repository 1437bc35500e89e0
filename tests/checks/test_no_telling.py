from typing import Any

import pytest

from senmon.checks.no_telling import NoTellingCheck
from senmon.checks.protocol import CheckContext
from senmon.messages import Message, Passage

# Hand-labelled replies for no_telling: (reply, problem, answers, pupil's words since, released).
LINEAR, SIX = "3x − 7 = 11", ("6",)
HALF_PROBLEM, HALF = "2x = 1", ("1/2",)
QUADRATIC, ROOTS = "x² − 3x − 4 = 0", ("−1", "4")
SAME, SAME_SIX = "12 − x = 6", ("6",)
SUM, FOUR = "2 + 2", ("4",)
PRODUCT, FIFTY_SIX = "7 × 8", ("56",)
BRACKET, EXPANDED = "3(x + 2)", ("3x + 6",)
PERCENT, SIXTEEN = "20% of 80", ("16",)
NEGATIVE, MINUS_FIVE = "5x + 2 = 3x − 8", ("−5",)
AT_THREE, SEVEN = "2x + 1 when x = 3", ("7",)

TELLS = [
    ("x = 6.", LINEAR, SIX, (), ""),
    ("The answer is 6.", LINEAR, SIX, (), ""),
    ("The answer is six.", LINEAR, SIX, (), ""),
    ("It's 6!", LINEAR, SIX, (), ""),
    ("6", LINEAR, SIX, (), ""),
    ("Six!", LINEAR, SIX, (), ""),
    ("x is equal to 6.", LINEAR, SIX, (), ""),
    ("6 = x.", LINEAR, SIX, (), ""),
    ("So x equals six, doesn't it?", LINEAR, SIX, (), ""),
    ("18 ÷ 3 = 6.", LINEAR, SIX, (), ""),
    ("Divide 18 by 3 and you get 6.", LINEAR, SIX, (), ""),
    ("Check it: 3 × 6 − 7 = 11.", LINEAR, SIX, (), ""),
    ("x = 6.0", LINEAR, SIX, (), ""),
    ("**6** is what we want.", LINEAR, SIX, (), ""),
    ("\\(x = 6\\)", LINEAR, SIX, (), ""),
    ("\\boxed{6}", LINEAR, SIX, (), ""),
    ("The answer is ６.", LINEAR, SIX, (), ""),
    ("x = \u200b6", LINEAR, SIX, (), ""),
    ("I can't tell you that it is 6.", LINEAR, SIX, (), ""),
    ("3x = 18, so x = 6.", LINEAR, SIX, ("what now",), ""),
    ("= 6.", LINEAR, SIX, (), "So x "),
    ("is six.", LINEAR, SIX, (), "And the answer "),
    ("2.", "x − 2 = 10", ("12",), (), "x = 1"),
    ("Is it 6?", LINEAR, SIX, (), ""),
    ("No, it is 6.", LINEAR, SIX, ("x = 5",), ""),
    ("x = 6, as you listed.", LINEAR, SIX, ("is it 4, 5, 6 or 7?",), ""),
    ("3 × 6 − 7 = 11, so there you are.", LINEAR, SIX, ("1, 2, 3, 4, 5, 6: which one?",), ""),
    ("Sure! x equals six.", LINEAR, SIX, ("What is 18 divided by 3?",), ""),
    ("That makes 6.", LINEAR, SIX, ("tell me 18 / 3",), ""),
    ("One half.", HALF_PROBLEM, HALF, (), ""),
    ("x = 0.5", HALF_PROBLEM, HALF, (), ""),
    ("x = 0.50", HALF_PROBLEM, HALF, (), ""),
    ("It's ½.", HALF_PROBLEM, HALF, (), ""),
    ("It is 2/4.", HALF_PROBLEM, HALF, (), ""),
    ("The solution is a half.", HALF_PROBLEM, HALF, (), ""),
    ("50% is the answer.", HALF_PROBLEM, HALF, (), ""),
    ("x = 4 is one of them.", QUADRATIC, ROOTS, (), ""),
    ("x = 4 or x = −1.", QUADRATIC, ROOTS, (), ""),
    ("The other root is minus one.", QUADRATIC, ROOTS, ("x = 4",), ""),
    ("x = −1 as well.", QUADRATIC, ROOTS, ("4",), ""),
    ("So x = 6.", SAME, SAME_SIX, (), ""),
    ("12 − 6 = 6.", SAME, SAME_SIX, (), ""),
    ("The answer is 6.", SAME, SAME_SIX, (), ""),
    ("2 + 2 = 4.", SUM, FOUR, (), ""),
    ("2 + 2 makes four.", SUM, FOUR, (), ""),
    ("7 × 8 = 56.", PRODUCT, FIFTY_SIX, (), ""),
    ("fifty-six", PRODUCT, FIFTY_SIX, (), ""),
    ("Think of 56.", PRODUCT, FIFTY_SIX, (), ""),
    ("3x + 6", BRACKET, EXPANDED, (), ""),
    ("That is 6 + 3x.", BRACKET, EXPANDED, (), ""),
    ("3(x + 2) = 3x + 6.", BRACKET, EXPANDED, (), ""),
    ("20% of 80 is 16.", PERCENT, SIXTEEN, (), ""),
    ("That makes 16.", PERCENT, SIXTEEN, (), ""),
    ("x = −5.", NEGATIVE, MINUS_FIVE, (), ""),
    ("x is minus five.", NEGATIVE, MINUS_FIVE, (), ""),
    ("2x + 1 = 7.", AT_THREE, SEVEN, (), ""),
    ("6 + 1 = 7", AT_THREE, SEVEN, (), ""),
]

KEEPS = [
    ("What undoes the − 7?", LINEAR, SIX, (), ""),
    ("Add 7 to both sides.", LINEAR, SIX, (), ""),
    ("That gives 3x = 18.", LINEAR, SIX, (), ""),
    ("So x = 18 ÷ 3. Work it out.", LINEAR, SIX, (), ""),
    ("x = 18/3, and now?", LINEAR, SIX, (), ""),
    ("3x − 7 + 7 = 11 + 7.", LINEAR, SIX, (), ""),
    ("There are six steps at most.", LINEAR, SIX, (), ""),
    ("Look at step 6 of your sheet.", LINEAR, SIX, (), ""),
    ("Question 6 is a good one.", LINEAR, SIX, (), ""),
    ("6. Look at both sides.", LINEAR, SIX, (), ""),
    ("It takes 6 minutes.", LINEAR, SIX, (), ""),
    ("Sixty is too much, 60 too.", LINEAR, SIX, (), ""),
    ("Is it more than 16 or less than 0.6?", LINEAR, SIX, (), ""),
    ("Yes, x = 6 ✓", LINEAR, SIX, ("x = 6",), ""),
    ("That's right! 3 × 6 − 7 = 11.", LINEAR, SIX, ("is it 6?",), ""),
    ("Yes, six it is.", LINEAR, SIX, ("six?",), ""),
    ("Yes, x = 6.", LINEAR, SIX, ("I did 18 / 3",), ""),
    ("Yes, x = 6.", LINEAR, SIX, ("what I get is x = 18/3",), ""),
    ("You said 5. Put 5 in place of x.", LINEAR, SIX, ("5",), ""),
    ("x = 5 gives 3 × 5 − 7 = 8, not 11.", LINEAR, SIX, ("x = 5",), ""),
    ("You listed 4, 5, 6 and 7. Try one of them.", LINEAR, SIX, ("is it 4, 5, 6 or 7?",), ""),
    ("Let's go on.", LINEAR, SIX, (), "x = 6. "),
    ("I won't tell you the answer.", LINEAR, SIX, (), ""),
    ("What is x?", LINEAR, SIX, (), ""),
    ("We are half way there.", HALF_PROBLEM, HALF, (), ""),
    ("Divide both sides by 2.", HALF_PROBLEM, HALF, (), ""),
    ("Take one side first.", "x + 3 = 4", ("1",), (), ""),
    ("That one is tricky, and this one too.", "x + 3 = 4", ("1",), (), ""),
    ("Do one step at a time.", "x + 3 = 4", ("1",), (), ""),
    ("The first of both numbers.", HALF_PROBLEM, HALF, (), ""),
    ("Find two numbers with the product −4 and the sum −3.", QUADRATIC, ROOTS, (), ""),
    ("(x − 4)(x + 1) = 0.", QUADRATIC, ROOTS, (), ""),
    ("Solve x − 4 = 0 and x + 1 = 0.", QUADRATIC, ROOTS, (), ""),
    ("Yes, x = 4 is one of them. There is another.", QUADRATIC, ROOTS, ("x = 4",), ""),
    ("12 − x = 6 has an x in it.", SAME, SAME_SIX, (), ""),
    ("Take 6 from both sides.", SAME, SAME_SIX, (), ""),
    ("There is a 6 on the right.", SAME, SAME_SIX, (), ""),
    ("2 + 2 = 4 ✓", SUM, FOUR, ("4",), ""),
    ("Yes! 2 + 2 = 4.", SUM, FOUR, ("it's four",), ""),
    ("Start at 2 and count up by 2.", SUM, FOUR, (), ""),
    ("Split 8 into 5 and 3: 7 × 5 = 35.", PRODUCT, FIFTY_SIX, (), ""),
    ("Think of 7 groups of 8.", PRODUCT, FIFTY_SIX, (), ""),
    ("Multiply each term by 3: 3 × x and 3 × 2.", BRACKET, EXPANDED, (), ""),
    ("What does the 3 in front of (x + 2) multiply?", BRACKET, EXPANDED, (), ""),
    ("20% means one fifth. Work out 80 ÷ 5.", PERCENT, SIXTEEN, (), ""),
    ("10% of 80 = 8.", PERCENT, SIXTEEN, (), ""),
    ("That gives 2x = −10.", NEGATIVE, MINUS_FIVE, (), ""),
    ("There is a 5 in front of x.", NEGATIVE, MINUS_FIVE, (), ""),
    ("Write 3 where the x is: 2 × 3 + 1.", AT_THREE, SEVEN, (), ""),
    ("2 × 3 = 6, so now you have 6 + 1.", AT_THREE, SEVEN, (), ""),
]

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
