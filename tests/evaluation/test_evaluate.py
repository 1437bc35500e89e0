"""An evaluation with the scripted engine: what is scored, compared, bounded and reported."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from senmon.adapters import Adapter, AdapterCard
from senmon.dataset.loading import load_dataset
from senmon.engines.protocol import GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.evaluation.cases import heldout, heldout_cases, spread
from senmon.evaluation.evaluate import EvalProgress, evaluate
from senmon.evaluation.report import to_html, to_json, to_markdown, write_report
from senmon.evaluation.result import EvalReport
from senmon.messages import ToolCall
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack

GOOD = {
    "hours": "We open at [[article.opening]] and close at [[article.closing]].",
    "returns": "You can send it back within [[article.return_days]].",
    "order": "It should arrive on [[order.eta]].",
}


def answer(request: GenerateRequest) -> str | ToolCall:
    """With an adapter the right thing, without one a false fact that names an unknown reference."""
    if request.adapter is None:
        return "It is 12 noon on [[order.moon]]. <b>"
    last = request.messages[-1]
    if last.name == "order_status":
        return GOOD["order"]
    if last.name == "context":
        return GOOD["hours" if "open at" in last.content else "returns"]
    return ToolCall("call_1", "order_status", {"order_id": "A1001"})


@pytest.fixture
def pack(pack_folder: Callable[..., Path]) -> Pack:
    folder = pack_folder("shop", data={"valid_percent": 50})
    line = {
        "id": "open",
        "kind": "reply",
        "intent": "hours",
        "messages": [{"role": "user", "content": "opening?"}, {"role": "tool", "passages": ["hours"]}],
        "expect": {"contains": ["9 AM"], "absent": ["noon"], "references": ["article.opening"]},
    }
    (folder / "eval" / "suite.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return load_pack(folder)


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    card = AdapterCard(pack="shop", base_digest="b", rank=4, alpha=8, target_modules=("q_proj",))
    return Adapter("shop", "a" * 64, tmp_path, card)


async def run(pack: Pack, adapter: Adapter | None, **options: object) -> EvalReport:
    engine = ScriptedEngine(answer)
    return await evaluate(
        pack,
        load_dataset(pack),
        engine=engine,
        adapter=adapter,
        base=None,
        **options,  # type: ignore[arg-type]
    )


async def test_a_good_adapter_is_right_and_the_base_is_not(pack: Pack, adapter: Adapter) -> None:
    report = await run(pack, adapter)
    candidate, base = report.measurement("candidate"), report.measurement("base")
    assert candidate is not None
    assert base is not None
    cases = len(heldout_cases(heldout(load_dataset(pack)))) + 1
    assert candidate.metrics["faultless"].n == cases > 6
    for name in ("faultless", "action", "arguments", "references", "facts", "checks", "suite", "similarity"):
        assert candidate.metrics[name].value == pytest.approx(1.0), name
    assert base.metrics["faultless"].value == 0.0
    assert base.metrics["references"].value == 0.0
    assert base.metrics["facts"].value == 0.0
    assert base.metrics["suite"].value == 0.0
    assert base.metrics["similarity"].value < 0.4
    calls = sum(outcome.call is not None for outcome in candidate.outcomes)
    assert candidate.metrics["arguments"].n == calls > 0
    gain = report.difference("faultless", "candidate", "base")
    assert gain is not None
    assert (gain.value, gain.low, gain.n) == (1.0, 1.0, cases)
    assert any("loss was not measured" in note for note in report.notes)


async def test_time_bounds_the_sample_and_keeps_it_paired(pack: Pack, adapter: Adapter) -> None:
    report = await run(pack, adapter, seconds=0.0)
    sizes = {len(one.outcomes) for one in report.measurements}
    assert sizes == {12}
    assert any("time was up: 12 of" in note for note in report.notes)
    first, second = report.measurements
    assert [outcome.case for outcome in first.outcomes] == [outcome.case for outcome in second.outcomes]


async def test_progress_and_a_promoted_subject(pack: Pack, adapter: Adapter) -> None:
    seen: list[EvalProgress] = []
    promoted = replace(adapter, version="c" * 64)
    report = await run(pack, adapter, promoted=promoted, on_progress=seen.append)
    assert [one.subject for one in report.measurements] == ["base", "promoted", "candidate"]
    assert seen[-1].done == seen[-1].total == 3 * len(report.measurements[0].outcomes)
    same = report.difference("faultless", "candidate", "promoted")
    assert same is not None
    assert (same.low, same.high) == (0.0, 0.0)
    again = await run(pack, adapter, promoted=adapter)
    assert [one.subject for one in again.measurements] == ["base", "candidate"]


async def test_routes_are_scored_with_a_router(pack: Pack) -> None:
    line = {"kind": "route", "messages": [{"role": "user", "content": "3x = 9"}], "expect": {"pack": None}}
    path = pack.path / "eval" / "suite.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + json.dumps(line) + "\n", encoding="utf-8")
    fresh = load_pack(pack.path)
    report = await run(fresh, None, route=lambda text: "shop")
    assert report.measurements[0].metrics["route"].value == 0.0
    report = await run(fresh, None)
    assert any("no router was given" in note for note in report.notes)


def test_any_beginning_of_the_sample_is_spread_over_intents(pack: Pack) -> None:
    cases = heldout_cases(heldout(load_dataset(pack)))
    kinds = {(case.intent, case.call is None) for case in cases}
    assert {(case.intent, case.call is None) for case in spread(cases, limit=len(kinds))} == kinds
    assert spread(cases) == spread(tuple(reversed(cases)))


async def test_reports_are_complete_and_inert(pack: Pack, adapter: Adapter, tmp_path: Path) -> None:
    report = await run(pack, adapter)
    data = json.loads(to_json(report))
    assert data["measurements"][1]["metrics"]["faultless"]["value"] == 1.0
    text = to_markdown(await run(pack, None))
    assert "What base got wrong" in text
    assert "| faultless |" in text
    base_first = replace(report, measurements=report.measurements[::-1])
    page = to_html(base_first)
    assert page.count("<svg") == 1
    assert "<b>" not in page.replace("&lt;b&gt;", "")
    assert "&lt;b&gt;" in page
    assert "<script" not in page
    assert "src=" not in page
    paths = write_report(report, tmp_path / "out")
    assert [path.name for path in paths] == ["eval.json", "eval.md", "eval.html"]
    assert not math.isnan(report.seconds)
