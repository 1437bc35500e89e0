"""Praise needs a verdict."""

from __future__ import annotations

import json

import pytest

from senmon.checks.protocol import CheckContext
from senmon.checks.registry import build_checks
from senmon.checks.verdict import VerdictCheck, praises
from senmon.messages import Message
from senmon.packs.manifest import CheckSpec

PRAISE = """That's right! Put it back in: 3 × 6 − 7 = 11, so it fits.
Well done! Send me the next problem when you like.
Correct! x is six.
Yes, that is correct.
Exactly. You solved it.
Great work, that's it!
Perfect! Now the next one.
You're right, it is six.
You are absolutely right!
Spot on!
You got it!
Nice job!
Your answer is right.
The result is correct.
Right! Now divide.
Bingo!
You have found it.
Good job. Keep going.
That is absolutely correct!
Excellent work!
x = 6 is correct.
Yes, it is!
That was right.
Exactly right!""".splitlines()
OTHER = """Not quite. Look at the signs again.
That is not right yet.
That isn't correct.
You're not quite right there.
Is that right? Check it by putting it back in.
How can you check whether that's right?
Look at the right side of the equation.
Take 7 from both sides, and write the new line.
Let's see if that is correct.
When you think that it is correct, send me the line.
Work it out exactly once more.
The digits are right. Check where the decimal point belongs.
Almost right!
Nearly correct.
What would the correct answer look like?
No problem. Look at the − 7 beside 3x. What undoes it?
You can do this. Which part comes first?
That's all right, let's take one small step.
See you! You did good work today.
I only do maths. Shall we go back to your problem?
A fraction is right in between.
Turn the second fraction upside down, right?
Make sure that is correct.
You'll get it! What is the next step?
Is your answer correct?""".splitlines()


@pytest.mark.parametrize("text", PRAISE)
def test_praise_needs_a_verdict(text: str) -> None:
    check = VerdictCheck()
    assert check.judge("", text, turn(None)).outcome == "repair"
    assert check.judge("", text, turn("wrong")).outcome == "repair"
    assert check.judge("", text, turn("unclear")).outcome == "repair"
    assert check.judge("", text, turn("correct")).outcome == "pass"
    assert check.judge("", text, turn("step_ok")).outcome == "pass"


@pytest.mark.parametrize("text", OTHER)
def test_what_is_no_praise_passes(text: str) -> None:
    assert VerdictCheck().judge("", text, turn("wrong")).outcome == "pass"


def test_an_old_verdict_counts_at_rest_only() -> None:
    check, bye = VerdictCheck(), "You're welcome! Well done."
    earlier = (*turn("correct").messages, Message("assistant", "That's right!"), Message("user", "thanks"))
    assert check.judge("", bye, CheckContext(earlier)).outcome == "pass"
    assert check.judge("", bye, CheckContext(earlier, slots={"open": True})).outcome == "repair"


def test_it_can_be_declared_and_reads_any_result() -> None:
    (check,) = build_checks([CheckSpec(name="verdict", options={"field": "grade", "right": ["pass"]})])
    messages = (Message("user", "6"), Message("tool", '{"grade": "pass"}', name="mark"))
    assert check.judge("", "Well done!", CheckContext(messages)).outcome == "pass"
    broken = (Message("user", "6"), Message("tool", "[1", name="mark"))
    assert check.judge("", "Well done!", CheckContext(broken, slots={"open": True})).outcome == "repair"


def test_long_texts_are_no_burden() -> None:
    assert praises("is " * 5000 + "correct!") in (True, False)


def turn(verdict: str | None) -> CheckContext:
    messages = [Message("user", "is it 6?")]
    if verdict:
        messages.append(Message("tool", json.dumps({"verdict": verdict}), name="check_answer"))
    return CheckContext(tuple(messages), slots={"open": True})
