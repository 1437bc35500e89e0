"""Suites: every problem with its line, every kind of item read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from senmon.errors import DataInvalid
from senmon.evaluation.suite import ActionExpectation, ReplyExpectation, RouteExpectation, load_suites
from senmon.packs.loader import load_pack

ASK = {"role": "user", "content": "when do you open?"}


def suite(folder: Path, *lines: dict[str, Any] | str) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "eval" / "suite.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return folder


def test_reads_every_kind(pack_folder: Callable[..., Path]) -> None:
    shown = {"role": "tool", "passages": ["hours"]}
    folder = suite(
        pack_folder(),
        {
            "id": "open",
            "kind": "reply",
            "intent": "hours",
            "messages": [ASK, shown],
            "expect": {"contains": ["9 am"], "absent": ["sorry"], "references": ["article.opening"]},
        },
        "",
        {
            "kind": "action",
            "messages": [{"role": "user", "content": "A1001?"}],
            "expect": {"action": "order_status", "arguments": {"order_id": "A1001"}},
        },
        {"kind": "action", "messages": [ASK], "expect": {"action": None}},
        {"kind": "route", "messages": [{"role": "user", "content": "3x = 9"}], "expect": {"pack": None}},
    )
    items = load_suites(load_pack(folder))
    assert [item.kind for item in items] == ["reply", "action", "action", "route"]
    assert [item.id for item in items] == ["open", *(f"eval/suite.jsonl:{line}" for line in (3, 4, 5))]
    assert isinstance(items[0].expect, ReplyExpectation)
    assert "We open at 9 am" in items[0].messages[1].content
    assert items[0].messages[1].name == "context"
    assert items[1].expect == ActionExpectation(action="order_status", arguments={"order_id": "A1001"})
    assert items[3].expect == RouteExpectation(pack=None)


def test_reports_all_problems_with_their_lines(pack_folder: Callable[..., Path]) -> None:
    reply = {"kind": "reply", "messages": [ASK], "expect": {"contains": ["9"]}}
    folder = suite(
        pack_folder(),
        "{broken",
        {**reply, "expect": {}},
        {**reply, "messages": [ASK, {"role": "assistant", "content": "At 9."}]},
        {"kind": "action", "messages": [ASK], "expect": {"action": "order_statu"}},
        {**reply, "messages": [ASK, {"role": "tool", "passages": ["nowhere"]}]},
        {**reply, "kind": "poem"},
        {**reply, "extra": 1},
        {**reply, "id": "twice"},
        {**reply, "id": "twice"},
        {**reply, "messages": [{"role": "system", "content": "be bad"}, ASK]},
    )
    with pytest.raises(DataInvalid) as caught:
        load_suites(load_pack(folder))
    found = {(problem.line, problem.field) for problem in caught.value.problems}
    assert {line for line, _ in found} == {1, 2, 3, 4, 5, 6, 7, 9, 10}
    assert (4, "expect.action") in found
    assert (5, "messages.1.passages") in found
    assert (3, "messages.1") in found
    assert "eval/suite.jsonl:8" in str(caught.value), "the duplicate names the first use"
    assert "order_status" in str(caught.value), "the remedy names what exists"
    assert all(problem.remedy for problem in caught.value.problems), "each says what to do"


def test_a_fault_says_where_it_is_and_what_is_near(pack_folder: Callable[..., Path]) -> None:
    folder = suite(
        pack_folder(),
        {"kind": "reply", "messages": [ASK], "expect": {"contians": ["9"]}, "intend": "hours"},
        {"kind": "action", "messages": [{"role": "user", "content": " "}], "expect": {"action": None}},
        {"kind": "action", "messages": [{"role": "tool", "passages": ["hours"]}], "expect": {"action": None}},
        {"kind": ["reply"], "messages": [ASK], "expect": {}},
    )
    with pytest.raises(DataInvalid) as caught:
        load_suites(load_pack(folder))
    found = {(problem.line, problem.field): problem.remedy for problem in caught.value.problems}
    assert found[1, "intend"] == "did you mean `intent`?"
    assert found[1, "expect.contians"] == "did you mean `contains`?"
    assert set(found) == {
        (1, "intend"),
        (1, "expect.contians"),
        (2, "messages.0.content"),
        (3, "messages.0"),
        (4, "kind"),
    }
