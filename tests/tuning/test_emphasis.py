"""How often what reviewers taught is learnt."""

from __future__ import annotations

import pytest

from senmon.dataset.example import Example
from senmon.messages import Message
from senmon.tuning.emphasis import emphasised, repetitions


def examples(own: int, reviewed: int) -> tuple[Example, ...]:
    said = (Message("user", "hi"), Message("assistant", "hello"))
    mine = [Example(f"own-{number}", said, "greet", "train") for number in range(own)]
    theirs = [
        Example(f"rev-{number}", said, "greet", "train", origin="reviewed:c:r:Ann")
        for number in range(reviewed)
    ]
    return (*mine, *theirs)


@pytest.mark.parametrize(
    ("own", "reviewed", "times"),
    [(100, 0, 0), (100, 10, 3), (100, 33, 3), (100, 34, 2), (100, 60, 1), (0, 5, 1), (0, 0, 0)],
)
def test_reviewed_lines_come_often_but_never_outweigh_the_rest(own: int, reviewed: int, times: int) -> None:
    given = examples(own, reviewed)
    assert repetitions(given) == times
    made = emphasised(given)
    assert made[: len(given)] == given, "what is there stays where it is"
    assert sum(one.reviewed for one in made) == max(1, times) * reviewed
    assert sum(not one.reviewed for one in made) == own
