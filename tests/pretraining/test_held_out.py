"""Bits per byte that do not depend on tokenizer or template, and the probes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.messages import Message, ToolCall
from senmon.pretraining.comparison import examine
from senmon.pretraining.comparison_report import write_report
from senmon.pretraining.corpus import Document
from senmon.pretraining.heldout import Measured, held_documents, measure, measure_base, prepare
from senmon.pretraining.probes import PROBES, Generated, cases, last_number
from senmon.rendering import Renderer

CALL = ToolCall("1", "order_status", {"order_id": "A1001"})
TALK = Document(
    "support", "shop",
    (
        Message("system", "Be kind."),
        Message("user", "Where is A1001?"),
        Message("assistant", tool_calls=(CALL,)),
        Message("tool", '{"status": "shipped"}', tool_call_id="1", name="order_status"),
        Message("assistant", "It is on its way."),
    ),
)  # fmt: skip
PROSE = Document("prose", "cats", "The cat sat on the mat, and the dog sat by the door. " * 20)


def test_markers_of_turns_do_not_count_but_ends_do(tiny_base: BaseFiles) -> None:
    tokenizer = load_tokenizer(tiny_base)
    held = prepare([TALK], Renderer(tokenizer), tokenizer)[0]
    counted = tokenizer.decode(held.ids[held.counted])
    call = '<tool_call>{"name": "order_status", "arguments": {"order_id": "A1001"}}</tool_call>'
    bodies = ["Be kind.", "Where is A1001?", call, '{"status": "shipped"}', "It is on its way."]
    assert counted == "".join(f"{body}<|im_end|>" for body in bodies)
    assert held.bytes == sum(len(body.encode()) for body in bodies)


def test_bits_are_those_of_a_plain_pass(tiny_base: BaseFiles) -> None:
    model, tokenizer = load_model(tiny_base), load_tokenizer(tiny_base)
    held = prepare([PROSE, TALK], Renderer(tokenizer), tokenizer)
    found = measure(model, held, context=1000)
    for one in held:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor(one.ids[None])).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(one.ids[1:]), reduction="none")
        bits = float(losses[torch.tensor(one.counted[1:])].sum()) / math.log(2)
        assert found[one.group].bits[0] == pytest.approx(bits, rel=1e-4)
        assert found[one.group].value == pytest.approx(bits / one.bytes, rel=1e-4)


def test_long_documents_are_read_in_pieces_without_losing_a_token(tiny_base: BaseFiles) -> None:
    tokenizer = load_tokenizer(tiny_base)
    held = prepare([PROSE], Renderer(tokenizer), tokenizer)
    model = load_model(tiny_base)
    short, long = measure(model, held, context=32), measure(model, held, context=1000)
    assert short["prose"].bytes == long["prose"].bytes
    # A random base spends about log2(vocabulary) bits a token, however it is cut.
    assert short["prose"].value == pytest.approx(long["prose"].value, rel=0.02)


def test_another_tokenizer_measures_the_same_bytes(tiny_base: BaseFiles, tmp_path: Path) -> None:
    from senmon.pretraining.presets import fresh_base

    data = json.loads((tiny_base.path / "tokenizer.json").read_text(encoding="utf-8"))
    keep = len(data["model"]["merges"]) // 4
    data["model"]["merges"] = data["model"]["merges"][:keep]
    (tmp_path / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    other, _ = fresh_base("tiny", tmp_path / "tokenizer.json", tmp_path / "start")
    prepared = []
    for files in (tiny_base, other):
        tokenizer = load_tokenizer(files)
        prepared.append(prepare([TALK], Renderer(tokenizer), tokenizer)[0])
    assert len(prepared[1].ids) > len(prepared[0].ids)
    assert prepared[0].bytes == prepared[1].bytes


def test_groups_take_turns_between_their_sources(tmp_path: Path) -> None:
    path = tmp_path / "valid.jsonl"
    sources = ["a"] * 5 + ["b"] * 5 + ["c"] * 5
    lines = [json.dumps({"text": f"text {n}", "source": source}) for n, source in enumerate(sources)]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = held_documents(path, 4, groups={"a": "one", "b": "one"})
    assert [(d.group, d.source) for d in found] == [("c", "c")] * 4 + [("one", "a"), ("one", "b")] * 2
    assert {d.group for d in held_documents(path, 4, groups={"a": "one"}, others="rest")} == {"one", "rest"}


def test_differences_are_paired_by_document() -> None:
    random = np.random.default_rng(0)
    size = tuple(int(n) for n in random.integers(50, 500, 60))
    before = Measured(tuple(float(random.uniform(1, 3)) * n for n in size), size)
    after = Measured(tuple(bits - 0.1 * n for bits, n in zip(before.bits, size, strict=True)), size)
    value, low, high = after.change_from(before)
    assert value == pytest.approx(-0.1)
    assert (low, high) == pytest.approx((-0.1, -0.1))
    assert after.interval()[0] < after.value < after.interval()[1]
    assert "one document" in Measured((8.0,), (4,)).text()


def judged(name: str, reply: Generated, number: int = 0) -> bool:
    made = [case for case in cases(3, seed=1) if name in case.judges]
    return made[number].judges[name](reply)


def test_probes_accept_what_is_right_and_nothing_else() -> None:
    made = {name: next(c for c in cases(3, seed=1) if name in c.judges) for name in (p.name for p in PROBES)}
    identifier = made["copy_id"].wanted
    assert judged("copy_id", Generated(f"Your order is {identifier}."))
    assert not judged("copy_id", Generated(f"Your order is {identifier}0."))
    assert not judged("copy_id", Generated(f"Your order is {identifier[:-1]}."))
    first, second = made["fields"].wanted.split(", ")
    assert judged("fields", Generated(f"It is {first.upper()}; {second}."))
    assert not judged("fields", Generated(f"It is {first}."))
    tool, _, value = made["tool"].wanted.rstrip(")").partition("(")
    right = ToolCall("1", tool, {"order_id": value})
    assert judged("tool", Generated("", right))
    assert judged("argument", Generated("", right))
    assert not judged("tool", Generated(f"I call {tool}."))
    assert not judged("argument", Generated("", ToolCall("1", tool, {"order_id": value + "1"})))
    total = made["sum"].wanted
    assert judged("sum", Generated(f"Add: the answer is {total}."))
    assert not judged("sum", Generated(f"{total} or {int(total) + 1}"))
    letter, _, root = made["algebra"].wanted.partition(" = ")
    assert judged("algebra", Generated(f"Divide both sides: {letter} = {root}."))
    assert not judged("algebra", Generated(f"{letter} = {root}1"))
    assert not judged("algebra", Generated(f"{letter} = {root}. So {letter} = 99."))


def test_probes_are_seeded_and_numerous() -> None:
    assert [c.messages for c in cases(20)] == [c.messages for c in cases(20)]
    assert [c.messages for c in cases(20)] != [c.messages for c in cases(20, seed=1)]
    for probe in PROBES:
        prompts = {str(c.messages) for c in cases(50) if probe.name in c.judges}
        assert len(prompts) >= 48, probe.name


def test_the_last_number_is_read_as_people_write_it() -> None:
    assert last_number("345 + 678 = 1,023.") == "1023"
    assert last_number("x = -7") == "-7"
    assert last_number("none") == ""


async def test_bases_are_compared_side_by_side(tiny_base: BaseFiles, tmp_path: Path) -> None:
    reports = [await examine(tiny_base, [TALK, PROSE], count=2, threads=1) for _ in range(2)]
    assert reports[0].to_json()["probes"]["sum"]["cases"] == 2
    alone = measure_base(tiny_base, [TALK])["support"].value
    assert reports[0].bits["support"].value == pytest.approx(alone, rel=1e-5)
    assert len(reports[0].samples) >= 5
    picture = write_report(tmp_path / "docs/section.md", reports)
    page = (tmp_path / "docs/section.md").read_text(encoding="utf-8")
    assert picture.stat().st_size > 5000
    assert page.count(f"({tiny_base.digest[:8]})") > 2
    assert "| adds two 3-digit numbers | 2 | 0% (0% to 66%) | 0% (0% to 66%) |" in page
