"""Lines that corrections made untrue go out, and lines made of an erased person's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from senmon.dataset.loading import load_dataset
from senmon.errors import ConfigError
from senmon.improvement.asked import articles_as_asked
from senmon.improvement.forgetting import forget_conversations
from senmon.improvement.lines import line_id
from senmon.improvement.screening import DATA, SUITE, planned
from senmon.improvement.taking import RETIRED, take

FORMER = "You can send it back within [[article.return_days]]."
NOW = "Bring it to the shop within [[article.return_days]]."
ASKED = ("may I give this back", "send a jacket back to you", "these shoes go back", "I regret my order")


async def corrected(stage: Any, count: int) -> list[str]:
    runs = []
    for text in ASKED[:count]:
        run = await stage.turn(text, FORMER, articles=("returns",), intent="returns")
        await stage.desk().correct(run, reply=NOW)
        runs.append(run)
    return runs


def lines(stage: Any, name: str) -> list[dict[str, Any]]:
    path = stage.folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_a_reply_that_was_corrected_three_times_is_outdated(stage: Any) -> None:
    path = stage.folder / "data/train.jsonl"
    held = path.read_text().replace('{"intent": "returns"', '{"split": "test", "intent": "returns"', 1)
    path.write_text(held)
    before = lines(stage, "data/train.jsonl")
    old = [one for one in before if one["messages"][-1]["content"] == FORMER]
    await corrected(stage, 2)
    assert (await planned(stage.pack, stage.store, hold_out=0)).outdated == ()
    await corrected(stage, 4)
    plan = await planned(stage.pack, stage.store, hold_out=0)
    taught = [one for one in load_dataset(stage.pack).examples if one.messages[-1].content == FORMER]
    assert {one.split for one in taught} > {"train"}, "held-out ones go too: they would measure what was"
    assert len(plan.outdated) == len(taught) and plan.retired == ()
    plan = await planned(stage.pack, stage.store, hold_out=0, retire=True)
    assert plan.changes and plan.retired == plan.outdated
    take(stage.pack, plan)
    gone = lines(stage, RETIRED)
    left = lines(stage, "data/train.jsonl")
    assert {one["intent"] for one in gone} == {"returns"} and len(gone) == len(taught)
    assert sorted(map(str, gone + left)) == sorted(map(str, before)), "not a line is lost"
    assert len(old) >= len(gone) > 0
    again = await planned(stage.pack, stage.store, hold_out=0, retire=True)
    assert (again.changes, again.outdated) == (False, ())


async def test_a_reply_that_somebody_called_good_is_not(stage: Any) -> None:
    await corrected(stage, 4)
    run = await stage.turn("a hat goes back", FORMER, articles=("returns",), intent="returns")
    await stage.desk("Bea").good(run)
    assert (await planned(stage.pack, stage.store, hold_out=0)).outdated == ()


async def test_what_people_wrote_instead_outdates_a_reply_that_the_model_never_gave(stage: Any) -> None:
    """The model said something else altogether each time."""
    taught = [one for one in load_dataset(stage.pack).examples if one.messages[-1].content == FORMER]
    asked = [one.request for one in taught[:3]]
    for number, text in enumerate(asked):
        run = await stage.turn(f"please, {text}", f"Hm {number}.", articles=("returns",), intent="returns")
        await stage.desk().correct(run, reply=NOW)
    plan = await planned(stage.pack, stage.store, hold_out=0, retire=True)
    gone = {f"{one.path}:{one.number}" for one in plan.retired}
    assert gone and gone <= {one.source for one in taught}
    assert {one.rejected for one in plan.retired} == {3}
    assert not plan.conflicts and not plan.refused, "nothing that goes stands in the way"


async def test_corrections_that_differ_or_ask_something_else_outdate_nothing(stage: Any) -> None:
    taught = [one for one in load_dataset(stage.pack).examples if one.messages[-1].content == FORMER]
    for number, one in enumerate(taught[:3]):
        run = await stage.turn(f"please, {one.request}", "Hm.", articles=("returns",), intent="returns")
        await stage.desk().correct(run, reply=f"{NOW} It is way {'abc'[number]}.")
    for text in ("could a stranger fetch it", "who takes it to the till", "must it be the first floor"):
        run = await stage.turn(text, "Hm.", articles=("returns",), intent="returns")
        await stage.desk().correct(run, reply=NOW)
    assert (await planned(stage.pack, stage.store, hold_out=0)).outdated == ()


async def test_retrieval_learns_what_an_article_was_shown_for(stage: Any) -> None:
    runs = await corrected(stage, 3)
    pack = take(stage.pack, await planned(stage.pack, stage.store, hold_out=0))
    ids = [line_id(run) for run in runs]
    known = {one.id: one.asked for one in articles_as_asked(pack, ids[:2])}
    assert known.pop("returns") == ASKED[:2]
    assert set(known.values()) == {()}, "no other article has anything to do with it"
    assert articles_as_asked(pack, ()) == pack.articles, "an adapter that learnt none of them"


async def test_erasing_reaches_the_lines_of_the_pack(stage: Any) -> None:
    runs = await corrected(stage, 3)
    asked = await stage.turn("how long for gloves", FORMER, articles=("returns",), intent="returns")
    await stage.desk().mark_eval(asked, {"contains": ["30 days"]})
    take(stage.pack, await planned(stage.pack, stage.store, hold_out=0))
    talks = [(await stage.store.reviews.exchange(run)).conversation for run in (runs[0], asked)]
    assert (len(lines(stage, DATA)), len(lines(stage, SUITE))) == (3, 1)
    assert forget_conversations(stage.pack, talks) == 2
    assert (len(lines(stage, DATA)), (stage.folder / SUITE).exists()) == (2, False)
    assert all(one["origin"].split(":")[1] not in talks for one in lines(stage, DATA))
    assert forget_conversations(stage.pack, talks) == 0
    with (stage.folder / DATA).open("a") as file:
        file.write("{broken\n")
    with pytest.raises(ConfigError, match="can't be read"):
        forget_conversations(stage.pack, talks)
    assert len(lines(stage, "data/train.jsonl")) > 0
