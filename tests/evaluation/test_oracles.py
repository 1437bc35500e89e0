"""The second opinions: right on the labelled sets, independent of the checks, and never in the way."""

import ast
import json
import time
from pathlib import Path
from typing import Any

import pytest

import senmon.evaluation.oracle
from senmon.evaluation.oracle.evidence import Said
from senmon.evaluation.oracle.facts import unsupported
from senmon.evaluation.oracle.maths import false_maths
from senmon.evaluation.oracle.telling import stance, tells
from senmon.evaluation.served.check_sets import load_set

SETS = Path(__file__).parents[2] / "evaluation" / "checks"
ROOM = Path(senmon.evaluation.oracle.__file__).parent
SHOP = Said(
    ("where is A1001", "i want to cancel"),
    ("Returning an item\nYou can return an item within 30 days of delivery at any Packpoint shop.",),
    ({"order_status": {"order": {"id": "A1001", "eta": "Tuesday, 24 November", "total": "€418.80"}}},),
)


def test_the_oracles_share_no_code_with_the_checks() -> None:
    for path in (*ROOM.glob("*.py"), *(ROOM.parent / "pupil").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = getattr(node, "module", "") if isinstance(node, ast.ImportFrom) else ""
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else [module or ""]
            assert not [name for name in names if name.startswith(("senmon.checks", "sympy"))], path.name


def judged(name: str, line: Any) -> bool:
    context = line.context
    users = [each["content"] for each in context.messages if each["role"] == "user"]
    if name == "maths":
        return bool(false_maths(line.reply, str(context.slots.get("problem", "")), users))
    passages = [
        "\n".join(
            (each["title"], each["text"], each.get("url", ""), *map(" ".join, each.get("facts", {}).items()))
        )
        for each in context.passages
    ]
    results = [
        {each.get("name", ""): json.loads(each["content"])}
        for each in context.messages
        if each["role"] == "tool"
    ]
    return bool(unsupported(line.reply, Said(tuple(users), tuple(passages), tuple(results))))


@pytest.mark.parametrize(("name", "precision", "recall"), [("maths", 0.96, 0.97), ("grounded", 0.92, 0.92)])
def test_the_labelled_sets_are_told_apart(name: str, precision: float, recall: float) -> None:
    told = [(line.flag, judged(name, line)) for line in load_set(SETS / f"{name}.jsonl")]
    hits = sum(bad and flagged for bad, flagged in told)
    assert hits / sum(flagged for _, flagged in told) >= precision
    assert hits / sum(bad for bad, _ in told) >= recall


@pytest.mark.parametrize(
    "reply",
    [
        "Order A1001 should be there on Tuesday, 24 November.",
        "It comes on 24 November.",
        "You have thirty days.",
        "That was €418.80.",
        "One moment, please!",
        "Shall I cancel it?",
        "Once it has been cancelled you get your money.",
    ],
)
def test_what_is_known_may_be_said(reply: str) -> None:
    assert unsupported(reply, SHOP) == ()


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        ("It comes on Wednesday.", "date"),
        ("Order A1002 is on its way.", "id"),
        ("You have three weeks.", "number"),
        ("That was €419.80.", "amount"),
        ("You get 10% off.", "share"),
        ("We open at 9 am.", "time"),
        ("Ask Sarah Jones about it.", "name"),
        ("I have cancelled it for you.", "deed"),
        ("We'll refund you tomorrow.", "promise"),
        ("You get a voucher.", "right"),
        ("See https://elsewhere.example/help", "link"),
    ],
)
def test_what_is_not_known_is_named(reply: str, what: str) -> None:
    assert what in {each.split()[0] for each in unsupported(reply, SHOP)}


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("2 + 2 = 4 ✓", ""),
        ("So 3x = 18, and x = 6.", "3x - 7 = 11"),
        ("1/2 ÷ 3/5 = 1/2 × 5/3 = 5/6", ""),
        ("(x − 4)(x + 1) = 0", "x² − 3x − 4 = 0"),
        ("You wrote 3x = 4. Look at the sign.", "3x - 7 = 11"),
        ("If x = 5, then 3x − 7 = 8.", "3x - 7 = 11"),
        ("17 ÷ 5 = 3 remainder 2.", ""),
    ],
)
def test_true_maths_is_true(reply: str, problem: str) -> None:
    assert false_maths(reply, problem) == ()


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("2 + 2 = 5", ""),
        ("So 3x = 4.", "3x - 7 = 11"),
        ("(x − 4)(x + 2) = 0", "x² − 3x − 4 = 0"),
        ("3(x + 2) = 3x + 2", "3(x + 2)"),
        ("The answer is 7.", "3x - 7 = 11"),
        ("The lowest common denominator of 4 and 6 is 24.", ""),
        ("The opposite of adding is dividing.", ""),
        ("0.35 is bigger than 0.5", ""),
    ],
)
def test_false_maths_is_false(reply: str, problem: str) -> None:
    assert false_maths(reply, problem)


def test_telling_and_judging_are_heard_in_the_words() -> None:
    assert tells("18 ÷ 3 = 6", "3x - 7 = 11")
    assert tells("It is six.", "3x - 7 = 11")
    assert tells("That makes 6 + 2x.", "2(x + 3)", "2x + 6")
    assert not tells("What is 18 ÷ 3?", "3x - 7 = 11")
    assert not tells("Yes, 6!", "3x - 7 = 11", heard=["is it 6?"])
    assert not tells("Multiply 2 by both in 2(x + 3).", "2(x + 3)", "2x + 6")
    assert [stance(each) for each in ("That's right! 6 it is.", "Not quite.", "What next?")] == [
        "confirms",
        "rejects",
        "neither",
    ]


@pytest.mark.parametrize(
    "text",
    ["(" * 5000 + "1", "9^9^9^9 = 1", "1/" * 3000, "= " * 4000, "a1 " * 3000, "1,1,1," * 900, "½" * 2000],
)
def test_hostile_text_is_read_in_time(text: str) -> None:
    started = time.process_time()
    false_maths(text, "3x - 7 = 11")
    unsupported(text, SHOP)
    tells(text, "3x - 7 = 11")
    assert time.process_time() - started < 3
