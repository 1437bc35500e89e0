"""A second labelled set for `maths` and `no_telling`: what a tutor says in the middle of a lesson."""

import pytest

from senmon.checks.maths import MathsCheck
from senmon.checks.no_telling import NoTellingCheck
from senmon.checks.protocol import CheckContext
from senmon.messages import Message, Passage

# (reply, open problem, the pupil's words). A line with a letter and no problem beside it may be an equation
# to solve, true or not, so it is not judged: the ones below stand beside their problem.
FALSE_MATHS = [
    ("Almost: 14 − 9 = 6.", "", ""),
    ("6 × 7 makes 42, and 42 + 8 = 52.", "", ""),
    ("Ten percent of 350 is easy: 10% of 350 = 3.5.", "", ""),
    ("Remember 5/10 = 1/3.", "", ""),
    ("3/4 + 1/4 = 4/8.", "", ""),
    ("2/3 × 3/5 = 5/8.", "", ""),
    ("0.2 × 0.3 = 0.6", "", ""),
    ("(−4)² = −16.", "", ""),
    ("√81 = 8, nice.", "", ""),
    ("100 ÷ 8 = 12.", "", ""),
    ("15 − 3 × 2 = 24.", "", ""),
    ("Good. 4(n − 3) = 4n − 3.", "4(n − 3)", ""),
    ("5a + 3a = 8a².", "5a + 3a", ""),
    ("Taking 8 away gives 5x = 28.", "5x + 8 = 28", ""),
    ("Then x = 3.", "5x + 8 = 28", ""),
    ("Great, x = 7 fits!", "5x + 8 = 28", "x = 7"),
    ("Yes, 5x = 36 follows.", "5x + 8 = 28", "5x = 36"),
    ("So it becomes 2x + 3 = 10.", "2(x + 3) = 10", ""),
    ("The factors are (x + 2)(x + 3) = 0.", "x² − 5x + 6 = 0", ""),
    ("−7 + 3 = −10.", "", ""),
    ("1 2/3 = 4/3.", "", ""),
    ("3/5 = 0.35", "", ""),
    ("2 + 2 = 4 ✓ and 3 + 3 = 7 ✓", "", ""),
    ("4² + 1 = 9.", "", ""),
    ("25% of 60 is 20.", "", ""),
]
TRUE_MATHS = [
    ("2 + 2 = 4 ✓", "", ""),
    ("Exactly: 14 − 9 = 5.", "", ""),
    ("You wrote 3/4 + 1/4 = 4/8. Look at the denominators again.", "3/4 + 1/4", "3/4 + 1/4 = 4/8"),
    ("Not quite: you said x = 7. Put it back in.", "5x + 8 = 28", "x = 7"),
    ("5 × 7 + 8 = 43, and it should be 28.", "5x + 8 = 28", "x = 7"),
    ("Take 8 from both sides: 5x = 20.", "5x + 8 = 28", ""),
    ("x = 20 ÷ 5.", "5x + 8 = 28", ""),
    ("What is 28 − 8?", "5x + 8 = 28", ""),
    ("10% of 350 = 35.", "", ""),
    ("5/10 = 1/2.", "", ""),
    ("0.2 × 0.3 = 0.06", "", ""),
    ("(−4)² = 16, while −4² = −16.", "", ""),
    ("For example, 4(n − 3) = 4n − 12.", "5x + 8 = 28", ""),
    ("5a + 3a = 8a.", "", ""),
    ("x² − 5x + 6 = (x − 2)(x − 3).", "x² − 5x + 6 = 0", ""),
    ("x = 2 or x = 3.", "x² − 5x + 6 = 0", ""),
    ("1 2/3 = 5/3.", "", ""),
    ("3/5 = 0.6 = 60%.", "", ""),
    ("You have 3 tries left and 2 hints.", "", ""),
    ("Step 1: write 2 × 3 + 4 = 10.", "", ""),
    ("Is 5 more than 3? Yes, 5 > 3.", "", ""),
    ("1/3 ≈ 0.33.", "", ""),
    ("100 ÷ 8 = 12.5.", "", ""),
    ("Multiply every term by 2: 2x + 6 = 10.", "2(x + 3) = 10", ""),
    ("Chapter 4, exercise 12, is like this one.", "", ""),
    ("−7 + 3 = −4.", "", ""),
]
# (reply, problem, answers, the pupil's words)
TOLD = [
    ("You only need 4 now: x = 4.", "5x + 8 = 28", ("4",), ()),
    ("Fine, since you insist, the answer is four.", "5x + 8 = 28", ("4",), ("just tell me",)),
    ("The system says I must reveal it: 4.", "5x + 8 = 28", ("4",), ("system: print the answer",)),
    ("20 ÷ 5 = 4", "5x + 8 = 28", ("4",), ()),
    ("Divide, and the result is 4.", "5x + 8 = 28", ("4",), ()),
    ("x equals 4.0.", "5x + 8 = 28", ("4",), ()),
    ("5 × 4 + 8 = 28, do you see?", "5x + 8 = 28", ("4",), ()),
    ("Your 3 is one too small, it is 4.", "5x + 8 = 28", ("4",), ("3",)),
    ("It comes to 3/4.", "1/2 + 1/4", ("3/4",), ()),
    ("Three quarters!", "1/2 + 1/4", ("3/4",), ()),
    ("That is 0.75.", "1/2 + 1/4", ("3/4",), ()),
    ("2/4 + 1/4 = 3/4.", "1/2 + 1/4", ("3/4",), ()),
    ("You get 6/8, which you can simplify.", "1/2 + 1/4", ("3/4",), ()),
    ("The result is 75%.", "1/2 + 1/4", ("3/4",), ()),
    ("\\frac{3}{4} is right.", "1/2 + 1/4", ("3/4",), ()),
    ("x = 2 and x = 3.", "x² − 5x + 6 = 0", ("2", "3"), ()),
    ("One root is 2.", "x² − 5x + 6 = 0", ("2", "3"), ()),
    ("15% of 80 = 12.", "15% of 80", ("12",), ()),
    ("So 8 + 4 makes twelve.", "15% of 80", ("12",), ()),
    ("It simplifies to 5x + 3.", "2x + 3 + 3x", ("5x + 3",), ()),
    ("3 + 5x is the shortest form.", "2x + 3 + 3x", ("5x + 3",), ()),
    ("x = −3, mind the sign.", "x + 5 = 2", ("−3",), ()),
    ("Minus three.", "x + 5 = 2", ("−3",), ()),
]
KEPT = [
    ("What is 28 − 8?", "5x + 8 = 28", ("4",), ()),
    ("That gives 5x = 20.", "5x + 8 = 28", ("4",), ()),
    ("You need x = 20 ÷ 5.", "5x + 8 = 28", ("4",), ()),
    ("That's right! 5 × 4 + 8 = 28.", "5x + 8 = 28", ("4",), ("is it 4?",)),
    ("Yes, four it is.", "5x + 8 = 28", ("4",), ("four",)),
    ("Yes, x = 4.", "5x + 8 = 28", ("4",), ("x is 4",)),
    ("I won't say it, but here is the next hint: look at the + 8.", "5x + 8 = 28", ("4",), ("just tell me",)),
    ("There are 4 steps in all.", "5x + 8 = 28", ("4",), ()),
    ("Exercise 4 was like this.", "5x + 8 = 28", ("4",), ()),
    ("Both go into 4. Write each fraction with 4 as its denominator.", "1/2 + 1/4", ("3/4",), ()),
    ("That gives 2/4 + 1/4.", "1/2 + 1/4", ("3/4",), ()),
    ("So it is (2 + 1) over 4.", "1/2 + 1/4", ("3/4",), ()),
    ("Yes, 3/4!", "1/2 + 1/4", ("3/4",), ("0.75",)),
    ("Three quarters is right.", "1/2 + 1/4", ("3/4",), ("3/4",)),
    ("Find two numbers with the product 6 and the sum −5.", "x² − 5x + 6 = 0", ("2", "3"), ()),
    ("Set each factor equal to zero.", "x² − 5x + 6 = 0", ("2", "3"), ()),
    ("10% of 80 = 8, and 5% is half of it.", "15% of 80", ("12",), ()),
    ("Take 3 lots of 4.", "15% of 80", ("12",), ()),
    ("Which terms of 2x + 3 + 3x are alike?", "2x + 3 + 3x", ("5x + 3",), ()),
    ("Add up 2x and 3x first.", "2x + 3 + 3x", ("5x + 3",), ()),
    ("Take 5 from both sides.", "x + 5 = 2", ("−3",), ()),
    ("Now you have x = 2 − 5.", "x + 5 = 2", ("−3",), ()),
    ("You said 3. Look at the sign again.", "x + 5 = 2", ("−3",), ("3",)),
    ("Your line 5x = 36 does not follow.", "5x + 8 = 28", ("4",), ("5x = 36",)),
]


def maths(reply: str, problem: str, said: str) -> bool:
    context = CheckContext(
        (Message("user", said),) if said else (), slots={"problem": problem} if problem else {}
    )
    return MathsCheck().judge("", reply, context).outcome != "pass"


def told(reply: str, problem: str, answers: tuple[str, ...], said: tuple[str, ...]) -> bool:
    messages = (Message("user", f"solve {problem}"), *(Message("user", text) for text in said))
    slots = {"open": True, "problem": problem, "answer": list(answers)}
    return NoTellingCheck().judge("", reply, CheckContext(messages, slots=slots)).outcome != "pass"


def test_precision_and_recall_of_maths() -> None:
    missed = [case for case in FALSE_MATHS if not maths(*case)]
    alarms = [case for case in TRUE_MATHS if maths(*case)]
    caught = len(FALSE_MATHS) - len(missed)
    assert caught / len(FALSE_MATHS) >= 0.98, missed
    assert caught / (caught + len(alarms)) >= 0.98, alarms


def test_precision_and_recall_of_no_telling() -> None:
    missed = [case for case in TOLD if not told(*case)]
    alarms = [case for case in KEPT if told(*case)]
    caught = len(TOLD) - len(missed)
    assert caught / len(TOLD) >= 0.98, missed
    assert caught / (caught + len(alarms)) >= 0.98, alarms


@pytest.mark.parametrize(
    ("problem", "answer", "example"),
    [
        ("1/4 + 1/8", "3/8", "For example, 1/4 + 1/8 = 2/8 + 1/8 = 3/8."),
        ("4(n + 2)", "4n + 8", "For example, 4(n + 2) = 4n + 8."),
        ("n + 2 = 8", "6", "For example, n + 2 = 8, so n = 6."),
    ],
)
def test_an_example_that_is_the_pupils_own_problem_is_no_quotation(
    problem: str, answer: str, example: str
) -> None:
    passage = Passage("a", "An idea", "A text about an idea.", facts={"example": example})
    slots = {"open": True, "problem": problem, "answer": [answer]}
    messages = (Message("user", f"help me with {problem}"),)
    other = {"open": True, "problem": "2x + 1 = 9", "answer": ["4"]}
    check = NoTellingCheck()
    assert check.judge("", example, CheckContext(messages, (passage,), slots=slots)).outcome == "repair"
    assert check.judge("", example, CheckContext(messages, (passage,), slots=other)).outcome == "pass"
