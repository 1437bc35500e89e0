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


def asked(id: str, request: str, reply: str, *, reviewed: bool = False) -> Example:
    said = (Message("user", request), Message("assistant", reply))
    return Example(id, said, "talk", "train", origin="reviewed:c:r:Ann" if reviewed else "")


def test_each_time_that_it_is_learnt_it_brings_what_is_asked_alike_and_answered_otherwise() -> None:
    own = (
        asked("far", "where do you live", "In a box."),
        asked("near", "is one eighth plus one quarter two twelfths", "Denominators are not added."),
        asked("twin", "is one eighth plus one quarter two twelfths then", "Denominators are not added."),
        asked("next", "is one half a quarter", "No."),
        asked("same", "is one eighth more than one quarter or what", "Think of a cake."),
        *(asked(f"hi-{number}", "hi", "Hello.") for number in range(9)),
    )
    taught = asked("new", "is one eighth more than one quarter", "Think of a cake.", reviewed=True)
    made = emphasised((*own, taught))
    assert [one.id for one in made[len(own) + 1 :]] == ["new", "new", "near", "next", "twin"]


def test_where_nothing_is_alike_the_line_is_repeated_alone() -> None:
    own = tuple(asked(f"hi-{number}", "hi", "Hello.") for number in range(9))
    taught = asked("new", "do you take vouchers", "Yes.", reviewed=True)
    assert [one.id for one in emphasised((*own, taught))[10:]] == ["new", "new"]


def test_a_word_that_all_lines_have_costs_no_more_than_a_bound() -> None:
    own = tuple(asked(str(number), f"is number {number} prime", "No.") for number in range(5_000))
    taught = tuple(asked(f"r{n}", f"is number x{n} prime", "Yes.", reviewed=True) for n in range(200))
    made = emphasised((*own, *taught))
    brought = made[len(own) + 200 * 3 :]
    assert len({one.id for one in brought}) == len(brought) <= 600, "none is brought twice"
