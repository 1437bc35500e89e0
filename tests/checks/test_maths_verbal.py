"""Sums in words: a labelled set of its own, false claims and what only looks like one."""

import pytest

from senmon.checks.maths import MathsCheck
from senmon.checks.maths_verbal import false_claims
from senmon.checks.protocol import CheckContext
from senmon.messages import Message

FALSE = """
Half of 12 is 7.
A third of 21 is 6.
A quarter of 40 is 12.
Three quarters of 20 is 16.
Double 8 is 18.
Twice 7 is 15.
Six times seven is forty-four.
Seven plus five makes thirteen.
Eight minus eleven is three.
Twenty divided by four is six.
7 + 5 makes 13.
3 times 4 gives 14.
Adding 4 and 9 gives 12.
Dividing 18 by 3 gives 5.
Multiply 4 by 6 to get 26.
Subtract 5 from 12 and you get 8.
The sum of 8 and 7 is 16.
The product of 6 and 8 is 46.
The difference between 20 and 13 is 8.
10% of 80 is 8 and 20% of 80 is 18.
25% is the same as 1/5.
0.75 is equal to 2/3.
1/3 is bigger than 1/2.
−3 is less than −5.
The square root of 49 is 8.
5 squared is 10.
2/3 = 4/6 = 9/12.
3 × 4 = 12, and 12 + 5 = 18.
15 is a multiple of 4.
The lowest common multiple of 4 and 6 is 24.
"""
TRUE = """
Half of 12 is 6.
A third of 21 is 7.
Three quarters of 20 is 15.
Double 8 is 16.
Twice 7 is 14, so we are close.
Six times seven is forty-two.
Seven plus five makes twelve.
Eight minus eleven is minus three.
Twenty divided by four is five.
7 + 5 makes 12.
3 times 4 gives 12.
Adding 4 and 9 gives 13.
Dividing 18 by 3 gives 6.
Multiply 4 by 6 to get 24.
Subtract 5 from 12 and you get 7.
The sum of 8 and 7 is 15.
The product of 6 and 8 is 48.
The difference between 20 and 13 is 7.
10% of 80 is 8, so 20% of 80 is 16.
25% is the same as 1/4.
0.5 is the same as 1/2.
1/2 is bigger than 1/3.
−5 is less than −3.
The square root of 49 is 7.
5 squared is 25.
2/3 = 4/6 = 8/12.
3 × 4 = 12, and 12 + 5 = 17.
12 is a multiple of 4.
7 is a factor of 21.
9 goes into 45 five times.
The lowest common multiple of 4 and 6 is 12.
The lowest common denominator of 1/4 and 1/6 is 12.
You said half of 12 is 7. Is it?
Is a third of 21 really 6?
Half of 12 is not 7.
Adding 4 and 9 and then halving gives 6.5.
Take 5 from 12 in your head, 3 times if you like.
Half of the pupils got 7.
Divide 18 by 3 in step 2 to get x alone.
Multiply 2 by each term in the bracket and get 2 terms.
3 plus 4 times 2 is 11.
A third of 21 is about 7.
2 is not bigger than 5, is it?
Half of 12 is 6, half of 6 is 3.
Add 7 to both sides to get 18 on the right.
Subtract 6 from both sides and you get 2 terms less.
Double 8 and 3 more is 19.
"""


def flagged(reply: str, *said: str) -> bool:
    context = CheckContext(messages=tuple(Message("user", text) for text in said))
    return MathsCheck().judge("", reply, context).outcome == "repair"


@pytest.mark.parametrize("reply", FALSE.strip().splitlines())
def test_what_is_false_is_seen(reply: str) -> None:
    assert flagged(reply)


@pytest.mark.parametrize("reply", TRUE.strip().splitlines())
def test_what_is_true_or_no_claim_passes(reply: str) -> None:
    assert not flagged(reply)


def test_a_pupils_words_may_be_repeated_but_not_called_right() -> None:
    said = "i think half of 12 is 7"
    assert not flagged("Hm, half of 12 is 7.", said)
    assert flagged("Yes, half of 12 is 7.", said)


def test_a_claim_in_two_pieces_is_seen() -> None:
    assert MathsCheck().judge("Half of 12 ", "is 7.", CheckContext()).outcome == "repair"
    assert MathsCheck().judge("Half of 12 is 7. ", "Go on.", CheckContext()).outcome == "pass"


@pytest.mark.parametrize(
    "piece", ["is one hundred and ", "add 1 and 2 is ", "is 1", "1/0 is 1 of ", "half of "]
)
def test_long_texts_take_no_time(piece: str) -> None:
    assert list(false_claims(piece * (6000 // len(piece)))) == []


@pytest.mark.parametrize("reply", ["1/0 is the same as 2.", "4 is a multiple of 0."])
def test_nothing_is_divided_by_nought(reply: str) -> None:
    assert not flagged(reply)
