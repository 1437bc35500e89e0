"""From decisions to lines of the pack: masked, judged, without repetitions and without the exam."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from senmon.dataset.loading import load_dataset
from senmon.errors import DataInvalid
from senmon.evaluation.suite import load_suites
from senmon.improvement.lines import referenced
from senmon.improvement.screening import DATA, SUITE, planned
from senmon.improvement.taking import take
from senmon.messages import Event, Message, ToolCall


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


async def test_a_correction_becomes_a_line_with_its_lineage(stage: Any) -> None:
    conversation = await stage.conversation(name="Mary Poppins", email="mary@corner.com")
    text = "I am Mary, mary@corner.com or +49 30 901820: how long can I send things back"
    run = await stage.turn(text, "No.", conversation=conversation, articles=("returns",), intent="returns")
    await stage.desk().correct(run, reply="You have 30 days, Mary.")
    plan = await planned(stage.pack, stage.store, hold_out=0)
    assert not (stage.folder / DATA).exists(), "a plan writes nothing"
    pack = take(stage.pack, plan)
    (line,) = lines(stage.folder, DATA)
    assert line["origin"] == f"reviewed:{conversation}:{run}:Ann"
    assert line["messages"] == [
        {"role": "user", "content": "I am [name], [email] or [phone]: how long can I send things back"},
        {"role": "tool", "name": "context", "passages": ["returns"]},
        {"role": "assistant", "content": "You have [[article.return_days]], [name]."},
    ]
    assert (line["intent"], line["split"]) == ("returns", "train")
    assert line["rejected"] == ["No."]
    assert line["id"] in {example.id for example in load_dataset(pack).examples}
    again = await planned(pack, stage.store, hold_out=0)
    assert (again.changes, again.unchanged) == (False, 1)
    await stage.desk().correct(run, reply="You have 30 days.")
    changed = await planned(pack, stage.store, hold_out=0)
    assert [one.record["messages"][-1]["content"] for one in changed.changed] == [
        "You have [[article.return_days]]."
    ]
    take(pack, changed)
    await stage.desk().dismiss(run)
    gone = await planned(stage.pack, stage.store, hold_out=0)
    assert gone.withdrawn == (line["id"],)
    take(stage.pack, gone)
    assert not (stage.folder / DATA).exists()


async def test_what_people_rejected_is_kept_beside_what_they_wanted(stage: Any) -> None:
    conversation = await stage.conversation()
    first = await stage.turn("Is there parking?", "Ask Zoe.", conversation=conversation, intent="parking")
    await stage.thumb(first)
    liked = await stage.turn(
        "is there parking", "Behind the shop.", conversation=conversation, intent="parking"
    )
    other = await stage.turn("is there parking", "Never heard of it.", intent="parking")
    await stage.thumb(other)
    await stage.desk().good(liked)
    plan = await planned(stage.pack, stage.store, hold_out=0)
    pack = take(stage.pack, plan)
    (line,) = lines(stage.folder, DATA)
    assert line["rejected"] == ["Ask Zoe."], "of this conversation alone: its origin tells whose it is"
    (example,) = [one for one in load_dataset(pack).examples if one.id == line["id"]]
    assert example.rejected == ("Ask Zoe.",)


async def test_what_the_exam_asks_is_not_learnt(stage: Any) -> None:
    item = {
        "id": "till", "kind": "reply", "messages": [{"role": "user", "content": "Is the till open late?"}],
        "expect": {"contains": ["till"]},
    }  # fmt: skip
    (stage.folder / "eval" / "cases.jsonl").write_text(json.dumps(item) + "\n", encoding="utf-8")
    asked = await stage.turn("is the till open late", "No.")
    own = await stage.turn("is there parking", "No.")
    also = await stage.turn("is there parking?", "No.")
    desk = stage.desk()
    await desk.correct(asked, reply="Yes.")
    await desk.mark_eval(own, {"contains": ["behind the shop"]})
    await desk.correct(also, reply="Yes, behind the shop.")
    plan = await planned(stage.pack, stage.store, hold_out=0)
    assert plan.added == ()
    assert {one.review.run for one in plan.refused} == {asked, also}
    assert all("measured, not learnt" in one.why for one in plan.refused)
    (item,) = [line.record for line in plan.asked]
    assert item["expect"] == {"contains": ["behind the shop"]}
    pack = take(stage.pack, plan)
    assert {one.source for one in load_suites(pack)} == {"eval/cases.jsonl:1", f"{SUITE}:1"}
    await desk.correct(own, reply="Yes, behind the shop.")
    moved = await planned(pack, stage.store, hold_out=0)
    assert len(moved.added) == 1
    assert moved.suite == ()


async def test_repetitions_are_left_out_and_contradictions_told(stage: Any) -> None:
    texts = ["do you have gift cards", "Do you have gift cards?", "do you have gift cards please now"]
    runs = [await stage.turn(text, "No.") for text in texts]
    for run, reply in zip(runs, ("Yes, we do.", "Yes, we do.", "Ask at the till."), strict=True):
        await stage.desk().correct(run, reply=reply, intent="gift_cards")
    there = next(one for one in load_dataset(stage.pack).split("train") if one.intent == "hours")
    known = await stage.turn(there.request, "No.", articles=("hours",))
    await stage.desk().correct(known, reply="We open at [[article.opening]].")
    plan = await planned(stage.pack, stage.store, hold_out=0)
    assert [one.review.run for one in plan.refused] == [runs[1]]
    assert "says the same as" in plan.refused[0].why
    assert {line.review.run for line in plan.added} == {runs[0], runs[2], known}
    assert any(each.startswith(there.source) for each in plan.conflicts)


async def test_held_out_conversations_measure(stage: Any) -> None:
    topics = ("gift cards", "parking", "dogs", "toilets", "bicycles", "coffee", "cash", "wifi")
    for topic in topics:
        run = await stage.turn(f"is there something about {topic} here", "No.")
        await stage.desk().correct(run, reply=f"Yes, {topic} are fine.", intent="other")
    plan = await planned(stage.pack, stage.store, hold_out=100)
    assert {line.record["split"] for line in plan.added} == {"test"}
    take(stage.pack, plan)
    # What was decided once stays, whatever the share is later.
    later = await planned(stage.pack, stage.store, hold_out=0)
    assert not later.changes


async def test_history_ends_behind_a_reply_that_failed(stage: Any) -> None:
    conversation = await stage.conversation()
    await stage.turn("hello there", "Hello!", conversation=conversation)
    bad = await stage.turn("are you open", "Never.", conversation=conversation)
    await stage.thumb(bad)
    await stage.turn("really", "Really.", conversation=conversation)
    run = await stage.turn("is there parking", "No.", conversation=conversation)
    await stage.desk().correct(run, reply="Yes.")
    plan = await planned(stage.pack, stage.store, hold_out=0)
    said = [one["content"] for one in plan.added[0].record["messages"]]
    assert said == ["really", "Really.", "is there parking", "Yes."]
    await stage.desk().correct(bad, reply="We are.")
    plan = await planned(stage.pack, stage.store, hold_out=0)
    last = next(line for line in plan.added if line.review.run == run)
    said = [one["content"] for one in last.record["messages"]]
    assert said == ["hello there", "Hello!", "are you open", "We are.", "really", "Really.",
                    "is there parking", "Yes."]  # fmt: skip


async def test_calls_are_corrected_and_kept(stage: Any) -> None:
    wrong = await stage.turn("where is order A1001", "I don't know.", intent="order_status")
    call = {"name": "order_status", "arguments": {"order_id": "A1001"}}
    await stage.desk().correct(wrong, call=call)
    made = ToolCall("call_1", "order_status", {"order_id": "A1002"})
    result = {"order": {"id": "A1002", "eta": "Friday", "mail": "joe@corner.com"}}
    private = {
        "messages": [
            Message("assistant", "", (made,)).to_json(),
            Message("tool", json.dumps(result), tool_call_id="call_1", name="order_status").to_json(),
        ],
        "facts": {"order.id": "A1002", "order.eta": "Friday"},
    }
    action = Event("action", {"name": "order_status", "status": "finished"}, private)
    right = await stage.turn("status of A1002?", "[[order.eta]].", intent="order_status", extra=(action,))
    await stage.desk().correct(right, reply="It comes on [[order.eta]].")
    plan = await planned(stage.pack, stage.store, hold_out=0)
    assert plan.refused == ()
    by_run = {line.review.run: line.record["messages"] for line in plan.added}
    assert by_run[wrong][-1]["tool_calls"][0]["function"] == call
    assert [one["role"] for one in by_run[right]] == ["user", "assistant", "tool", "assistant"]
    assert "[email]" in by_run[right][2]["content"]
    take(stage.pack, plan)


async def test_a_pack_that_would_break_is_left_as_it_was(stage: Any) -> None:
    run = await stage.turn("is there parking", "No.")
    await stage.desk().correct(run, reply="Yes.")
    plan = await planned(stage.pack, stage.store, hold_out=0)
    broken = type(plan)(data=('{"messages": 3}',), suite=())
    before = sorted(path.name for path in stage.folder.rglob("*"))
    with pytest.raises(DataInvalid):
        take(stage.pack, broken)
    assert sorted(path.name for path in stage.folder.rglob("*")) == before
    manifest = (stage.folder / "pack.yaml").read_text(encoding="utf-8")
    (stage.folder / "pack.yaml").write_text(
        manifest + "data: {train: [data/train.jsonl]}\n", encoding="utf-8"
    )
    with pytest.raises(DataInvalid, match=r"fits none of data\.train"):
        take(stage.pack, plan)


def test_values_of_facts_become_references() -> None:
    facts = {"article.days": "30 days", "order.eta": "Friday", "answer.1": "You have 30 days."}
    assert referenced("You have 30 days.", facts) == "You have [[article.days]]."
    assert referenced("It comes on Friday.", facts) == "It comes on Friday.", "too plain a word"
    assert referenced("You have 130 days.", facts) == "You have 130 days."
    assert referenced("Within [[article.days]], 30 days.", facts) == "Within [[article.days]], 30 days."
    twice = {"article.days": "30 days", "order.days": "30 days"}
    assert referenced("You have 30 days.", twice) == "You have 30 days."
