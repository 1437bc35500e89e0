"""When a promotion is taken back, and how messages are grouped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from senmon.dataset.generation.review_file import read_entries
from senmon.dataset.loading import load_dataset
from senmon.improvement.clusters import clusters
from senmon.improvement.course import Course, history, keep, new_course, read_course
from senmon.improvement.gaps import drafted, gaps
from senmon.improvement.watching import TURNS, difference, looked
from senmon.messages import Event

NEW, OLD = "b" * 64, "a" * 64


def repaired() -> Event:
    return Event("verdict", {"check": "grounded", "outcome": "repair"}, {"reason": ""})


def promoted(stage: Any) -> Course:
    course = new_course("shop")
    return keep(stage.home, course, phase="promoted", version=NEW, before=OLD)


async def test_a_rate_that_rises_is_seen_and_one_that_does_not_is_not(stage: Any) -> None:
    course = promoted(stage)
    for number in range(24):
        extra = (repaired(),) if number % 12 == 0 else ()
        await stage.turn(f"before {number}", "Yes.", adapter=OLD[:12], extra=extra)
    few = await looked(stage.store, course, turns=30)
    assert (few.turns, few.compared, few.guards, few.over) == (0, 24, (), False)
    for number in range(24):
        extra = (repaired(),) if number % 12 == 0 else ()
        await stage.turn(f"same {number}", "Yes.", adapter=NEW[:12], extra=extra)
    same = await looked(stage.store, course, turns=30)
    assert (same.turns, same.fallen, same.over) == (24, (), False)
    for number in range(30):
        await stage.turn(f"worse {number}", "Yes.", adapter=NEW[:12], extra=(repaired(),))
    worse = await looked(stage.store, course, turns=60)
    assert [one.name for one in worse.fallen] == ["repaired"]
    assert worse.over
    assert TURNS >= 100


@pytest.mark.parametrize(
    ("first", "later", "low", "high"),
    # Newcombe 1998, table II: (56/70, 48/80) and (9/10, 3/10) by method 10, as later - earlier.
    [((48, 80), (56, 70), 0.0524, 0.3339), ((3, 10), (9, 10), 0.1705, 0.8090)],
)
def test_the_interval_of_a_difference(
    first: tuple[int, int], later: tuple[int, int], low: float, high: float
) -> None:
    found = difference(*first, *later, z=1.959964)
    assert found == pytest.approx((low, high), abs=1e-3)


def test_a_course_is_kept_and_read(stage: Any) -> None:
    course = promoted(stage)
    assert read_course(stage.home, "shop") == course
    kept = keep(stage.home, course, phase="kept")
    assert [line["phase"] for line in history(stage.home, "shop")] == ["promoted", "kept"]
    assert read_course(stage.home, "shop") == kept
    (stage.home / "improve" / "shop" / "state.json").write_text("{", encoding="utf-8")
    assert read_course(stage.home, "shop") is None


def test_groups_have_a_middle_that_all_are_near_to() -> None:
    near = np.eye(5, dtype=np.float32)
    for one, other in ((0, 1), (1, 2), (3, 4)):
        near[one, other] = near[other, one] = 0.9
    assert clusters(near, 0.8) == ((1, 0, 2), (3, 4))
    assert clusters(np.zeros((0, 0), dtype=np.float32), 0.8) == ()


async def test_gaps_say_what_would_help_and_draft_only_for_review(stage: Any) -> None:
    for text in ("gift cards for sale", "are gift cards for sale", "gift cards for sale here"):
        await stage.turn(text, "Sorry.", pack=None)
    await stage.turn("what are your hours on monday", "No.", margin=0.01, articles=("hours",))
    await stage.turn("what are your hours", "9 am.")
    dataset = load_dataset(stage.pack)
    found = await gaps(stage.pack, dataset, stage.store, None)
    assert [gap.size for gap in found] == [3, 1]
    assert (found[0].kind, found[0].why) == ("nothing", {"unanswered": 3})
    assert (found[1].kind, found[1].intent, found[1].like) == ("wording", "hours", "what are your hours")
    before = load_dataset(stage.pack).digest
    made = drafted(stage.pack, dataset, found)
    assert [entry.request for entry in made.made] == ["what are your hours on monday"]
    assert [entry.status for entry in read_entries(stage.folder)] == ["waiting"]
    assert load_dataset(stage.pack).digest == before, "nothing is learnt of a draft"
    again = drafted(stage.pack, dataset, found)
    assert again.made == ()
    assert len(read_entries(stage.folder)) == 1
