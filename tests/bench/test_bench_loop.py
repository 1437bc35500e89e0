"""The made-up club, its visitors, and when a loop has kept its promise; the command measures the learning."""

from __future__ import annotations

import json
from pathlib import Path

from senmon.bench.loop_club import held_out, right, visits, write_club
from senmon.bench.loop_report import Loop, restored, rows, suites_of
from senmon.bench.loop_talk import Told
from senmon.dataset.loading import load_dataset
from senmon.dataset.normal_form import normalised
from senmon.packs.loader import load_pack

GAPS = {"cancel", "vouchers", "larger_is_smaller"}


def test_the_club_is_a_pack_whose_gaps_nobody_taught(tmp_path: Path) -> None:
    pack = load_pack(write_club(tmp_path / "club", seed=3, each=8))
    intents = load_dataset(pack).intents()
    assert set(intents.values()) == {8} and GAPS & set(intents) == {"cancel"}
    lines = [json.loads(line) for line in (tmp_path / "club/data/train.jsonl").read_text().splitlines()]
    former = {line["messages"][-1]["content"] for line in lines if line["intent"] == "cancel"}
    assert len(former) == 1 and right("cancel").reply not in former
    assert {article.id for article in pack.articles} >= {"cancel", "vouchers"}
    again = write_club(tmp_path / "again" / "club", seed=3, each=8)
    assert (again / "data/train.jsonl").read_bytes() == (tmp_path / "club/data/train.jsonl").read_bytes()


def test_what_is_held_out_nobody_says_before(tmp_path: Path) -> None:
    write_club(tmp_path / "club", seed=1, each=24)
    taught = {
        json.loads(line)["messages"][0]["content"] for line in (tmp_path / "club/data/train.jsonl").open()
    }
    seen = {normalised(text) for text in (*taught, *(ask.text for ask in visits(1, 21)))}
    exam = held_out(2, 20, 40)
    assert not seen & {normalised(ask.text) for ask in exam}
    assert {ask.intent for ask in exam if ask.gap} == GAPS
    for ask in exam:
        assert ask.expect and "[[" not in ask.expect
    replies = {ask.intent: ask.expect for ask in exam}
    assert len(set(replies.values())) == len(replies), "a right reply tells the intents apart"


def told(right_ones: int, of: int, intent: str, *, gap: bool, adapter: str = "a") -> list[Told]:
    ask = next(one for one in held_out(1, 1, 1) if one.intent == intent)
    assert ask.gap == gap
    return [
        Told(ask, f"{intent}{at}", ask.expect if at < right_ones else "No.", "club", adapter)
        for at in range(of)
    ]


def loop(gap: tuple[int, int], rest: tuple[int, int], *, same: bool = True) -> Loop:
    before = told(gap[0], 10, "cancel", gap=True) + told(rest[0], 100, "hours", gap=False)
    after = told(gap[1], 10, "cancel", gap=True) + told(rest[1], 100, "hours", gap=False)
    back = before if same else [*before[:-1], Told(before[-1].ask, "x", "Yes.", "club", "a")]
    counts = restored(before, back)
    return Loop(1, suites_of(before, after), 50, 40, 12, *counts, {"tune": 1.0}, ("a", "b"))


def test_a_promise_is_kept_or_not() -> None:
    assert loop((2, 5), (90, 89)).faults == ()
    assert [row[-1] for row in rows(loop((2, 5), (90, 89)))] == ["+30.0", "-1.0", "-1.0"]
    assert "cancel: +20.0 points" in loop((2, 4), (90, 90)).faults
    assert "everything else: -2.0 points" in loop((2, 9), (90, 88)).faults
    assert "hours: -2.0 points" in loop((2, 9), (90, 88)).faults
    assert "109 of 110" in loop((2, 9), (90, 90), same=False).faults[0]


def test_no_suite_may_pay_for_another() -> None:
    def of(hours: int, place: int) -> list[Told]:
        return told(hours, 20, "hours", gap=False) + told(place, 20, "place", gap=False)

    suites = suites_of(of(20, 4), of(11, 20))
    found = Loop(1, suites, 50, 40, 12, 1, 1, 0, {"tune": 1.0}, ("a", "b"))
    assert found.rest.change > 0 and found.faults == ("hours: -45.0 points",)


def test_a_question_that_is_routed_otherwise_is_not_compared() -> None:
    before = told(1, 2, "hours", gap=False)
    back = [before[0], Told(before[1].ask, "r", before[1].text, None, None)]
    assert restored(before, back) == (1, 1, 1)
