"""Splits, duplicates, conflicts, leakage, and what is counted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senmon.dataset.example import Dataset, Example
from senmon.dataset.hygiene import alike, conflicts, exact_duplicates, suite_leaks
from senmon.dataset.loading import load_dataset
from senmon.dataset.near_duplicates import near_duplicates
from senmon.dataset.normal_form import normalised, request_key
from senmon.dataset.report import count_dataset
from senmon.dataset.twins import twins
from senmon.errors import DataInvalid
from senmon.messages import Message
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack

Make = Callable[..., Path]


def line(request: str, answer: str = "Fine.", intent: str = "x", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": request}, {"role": "assistant", "content": answer}]
    return {"intent": intent, "messages": messages, **more}


def write(folder: Path, *lines: dict[str, Any], name: str = "data/train.jsonl") -> Pack:
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return load_pack(folder)


def made(*talks: tuple[str, str, str]) -> Dataset:
    """A dataset of (request, reply, intent)."""
    return Dataset(
        tuple(
            Example(
                f"e{index}",
                (Message("user", request), Message("assistant", answer)),
                intent,
                "train",
                f"f:{index}",
            )
            for index, (request, answer, intent) in enumerate(talks)
        )
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Where's my order?!", "wheres  my ORDER", True),
        ("Öffnungszeiten…", "öffnungszeiten", True),
        ("3 + 4", "3 - 4", False),
        ("3.5", "35", False),
        ("it costs 3.", "it costs 3", True),
        ("ratio 3:4", "ratio 34", False),
        ("どこですか？", "どこですか", True),
    ],
)
def test_normal_form(one: str, other: str, same: bool) -> None:
    assert (normalised(one) == normalised(other)) is same


@given(st.text())
def test_normal_form_is_stable(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


# --- splits


def test_given_splits_are_kept_and_like_requests_follow(pack_folder: Make) -> None:
    pack = write(pack_folder("shop"), line("Where is 12345?", split="test"), line("where is 99999", "Other."))
    assert [example.split for example in load_dataset(pack).examples] == ["test", "test"]


def test_near_identical_requests_stay_on_one_side(pack_folder: Make) -> None:
    ways = (("A", "?"), ("a", " !"))
    lines = [line(f"{way[0]} question {n}{way[1]}", f"Reply {n} {way[0]}") for n in range(40) for way in ways]
    examples = load_dataset(write(pack_folder("shop"), *lines)).examples
    sides: dict[str, set[str]] = {}
    for example in examples:
        sides.setdefault(request_key(example.request), set()).add(example.split)
    assert len(sides) == 40 and all(len(side) == 1 for side in sides.values())
    assert 1 <= sum(example.split == "valid" for example in examples) <= 20


def test_greetings_politeness_and_emoji_do_not_part_what_asks_the_same(pack_folder: Make) -> None:
    ways = (
        "question {}",
        "hi, question {}",
        "Question {} please!",
        "thanks, QUESTION {} 🙂🙏🏽",
        "could you question {}?",
    )
    lines = [line(way.format(n), f"Reply {at} to {n}.") for n in range(40) for at, way in enumerate(ways)]
    splits = [example.split for example in load_dataset(write(pack_folder("shop"), *lines)).examples]
    sides = [set(splits[at : at + len(ways)]) for at in range(0, len(splits), len(ways))]
    assert all(len(side) == 1 for side in sides)
    assert {"train"} in sides and {"valid"} in sides


def test_twins_stay_together_and_a_stock_reply_makes_none(pack_folder: Make) -> None:
    reply = "Our opening hours are on the page about the shop, and the team is there all week but Sunday."
    words = ("museum", "library", "station", "harbour", "theatre", "chapel", "orchard", "bakery", "quarry")
    slips = [line(f"where is the {word[:at]}{word[at + 1 :]}", reply) for word in words for at in (2, 3)]
    examples = load_dataset(write(pack_folder("shop"), *slips)).examples
    pairs = list(zip(examples[::2], examples[1::2], strict=True))
    assert all(one.split == other.split for one, other in pairs)
    assert {example.split for example in examples} == {"train", "valid"}
    assert twins([example.messages for example in examples]) == tuple(
        (at, at + 1) for at in range(0, len(examples), 2)
    )


def test_a_given_test_split_gains_no_twins_and_they_do_not_train(pack_folder: Make) -> None:
    reply = "Our opening hours are on the page about the shop, and the team is there all week but Sunday."
    held = [line(f"where is the {word}", reply, split="test") for word in ("museum", "library")]
    twins_of_them = [line("hi, where is the museum please", reply), line("where is the librry", reply)]
    others = [line(f"question number {n}") for n in range(20)]
    splits = [
        e.split for e in load_dataset(write(pack_folder("shop"), *held, *twins_of_them, *others)).examples
    ]
    assert splits[:4] == ["test", "test", "valid", "valid"]
    assert "test" not in splits[4:] and "train" in splits[4:]


def test_a_given_test_split_does_not_stand_in_for_valid(pack_folder: Make) -> None:
    lines = [line("Where is it?", split="test"), *(line(f"{word} now") for word in ("a", "b", "c", "d", "e"))]
    pack = write(pack_folder("shop", data={"valid_percent": 1}), *lines)
    assert [e.split for e in load_dataset(pack).examples].count("valid") == 1


def test_the_split_of_a_request_does_not_depend_on_the_others(pack_folder: Make) -> None:
    lines = [line(f"question number {n}") for n in range(60)]
    whole = {e.request: e.split for e in load_dataset(write(pack_folder("shop"), *lines)).examples}
    random.Random(1).shuffle(lines)
    part = {e.request: e.split for e in load_dataset(write(pack_folder("shop"), *lines[:50])).examples}
    assert "valid" in part.values() and all(whole[request] == split for request, split in part.items())


def test_something_is_held_out_of_a_small_set(pack_folder: Make) -> None:
    for count in range(5, 12):
        lines = [line(f"small {count} request {n}") for n in range(count)]
        splits = [e.split for e in load_dataset(write(pack_folder("shop"), *lines)).examples]
        assert splits.count("valid") >= 1 and splits.count("train") >= 1


def test_a_conversation_on_two_sides_is_a_problem(pack_folder: Make) -> None:
    pack = write(
        pack_folder("shop"), line("Hello there", split="train"), line("hello there!", "fine", split="test")
    )
    with pytest.raises(DataInvalid) as caught:
        load_dataset(pack)
    (problem,) = caught.value.problems
    assert (
        problem.path == str(pack.path / "data/train.jsonl") and problem.line == 2 and problem.field == "split"
    )
    assert "data/train.jsonl:1" in problem.why and "same split" in problem.remedy


# --- repetition


def test_exact_duplicates_are_grouped() -> None:
    dataset = made(("Hi!", "Hello.", "a"), ("hi", "hello", "a"), ("hi", "Good day.", "a"))
    assert exact_duplicates(dataset) == (("e0", "e1"),)


def test_near_duplicates_are_found_and_others_are_not() -> None:
    text = (
        "you can send the item back within thirty days of delivery and we refund the whole price to your card"
    )
    close, far = (
        text.replace("whole", "full"),
        "our shop is open from nine to six on every weekday of the year",
    )
    assert near_duplicates([text, far, close, "short", "short"]) == ((0, 2), (3, 4))
    assert (
        near_duplicates([]) == ()
        and near_duplicates(["one"]) == ()
        and near_duplicates(["", ""]) == ((0, 1),)
    )


def test_near_duplicates_agree_with_brute_force() -> None:
    generator = random.Random(7)
    words = [f"w{n}" for n in range(200)]
    texts = [" ".join(generator.choices(words, k=40)) for _ in range(60)]
    for index in range(0, 60, 3):
        parts = texts[index].split()
        parts[-1] = "changed"
        texts.append(" ".join(parts))
    grams = [{tuple(text.split()[i : i + 2]) for i in range(39)} for text in texts]
    pairs = {
        (i, j)
        for j in range(len(texts))
        for i in range(j)
        if len(grams[i] & grams[j]) / len(grams[i] | grams[j]) >= 0.8
    }
    assert len(pairs) == 20 and set(near_duplicates(texts)) == pairs


def test_groups_of_examples_that_are_alike() -> None:
    dataset = made(("Hi!", "Hello.", "a"), ("hi", "hello", "a"), ("bye", "See you.", "b"))
    assert [[example.id for example in group] for group in alike(dataset)] == [["e0", "e1"]]


def test_conflicts_name_request_intents_and_places() -> None:
    dataset = made(("Cancel it!", "Done.", "cancel"), ("cancel it", "Sure.", "stop"), ("hi", "Hi.", "a"))
    (conflict,) = conflicts(dataset)
    assert conflict.intents == ("cancel", "stop") and conflict.sources == ("f:0", "f:1")


def test_training_examples_that_repeat_a_suite(pack_folder: Make, tmp_path: Path) -> None:
    suite = tmp_path / "cases.jsonl"
    items: list[Any] = [
        {"messages": [{"role": "user", "content": "When do you OPEN"}]},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": "second"}]},
        {"messages": "broken"},
        7,
    ]
    suite.write_text("".join(json.dumps(item) + "\n" for item in items) + "{", encoding="utf-8")
    dataset = made(
        ("when do you open?", "At nine.", "a"), ("hi", "Hi.", "b"), ("when do you close", "At six.", "a")
    )
    (leak,) = suite_leaks(dataset, [suite])
    assert leak.source == "f:0" and leak.item.endswith("cases.jsonl:1")


# --- the counts


def test_the_counts_are_true(pack_folder: Make) -> None:
    pack = load_pack(pack_folder("shop"))
    counts = count_dataset(pack, load_dataset(pack))
    assert counts.examples == 24 == sum(counts.splits.values()) == sum(counts.intents.values())
    assert (counts.turns, counts.calls, counts.messages, counts.several_turns) == (24, 8, 16 * 3 + 8 * 4, 0)
    assert counts.licences == {"Apache-2.0": 24} and counts.tags == {}
    assert counts.uncalled_actions == () and counts.unused_articles == ()


def test_what_no_training_example_shows_is_named(pack_folder: Make) -> None:
    pack = write(
        pack_folder("shop"),
        line("cancel it", "Done.", "cancel", split="train", tags=["short"]),
        line("one two three", "Four.", "count", split="valid"),
    )
    counts = count_dataset(pack, load_dataset(pack))
    assert counts.splits == {"train": 1, "valid": 1, "test": 0} and counts.tags == {"short": 1}
    assert counts.uncalled_actions == ("order_status",) and counts.unused_articles == ("hours", "returns")
