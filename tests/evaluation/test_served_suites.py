"""Whole conversations on blind texts: what is scored, kept, compared, written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from senmon.adapters import Adapter, AdapterCard
from senmon.assistant import Catalog, ServedPack
from senmon.checks.registry import build_checks
from senmon.engines.protocol import GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.evaluation.served.blind import load_blind
from senmon.evaluation.served.document import render
from senmon.evaluation.served.plot import write_plot
from senmon.evaluation.served.rig import Stand, Talk
from senmon.evaluation.served.run import ADAPTER, BASE, Plan, chosen, failures, measure, merged
from senmon.knowledge import Knowledge
from senmon.messages import ToolCall
from senmon.packs.loader import load_pack
from senmon.rendering import prefix_message
from senmon.routing.router import PackRoutes, Router

DOCS = Path(__file__).parents[2] / "docs"
STATUS = {"action": "order_status", "arguments": {"order_id": "a-1001"}}
WHERE = "where is order A1001"
REQUESTS = [
    {"id": "r1", "customer": "demo", "text": WHERE, "expect": STATUS},
    {"id": "r2", "customer": "demo", "history": [WHERE], "text": "and A1001 again?", "expect": STATUS},
    {"id": "r3", "text": "can I send it back", "expect": {"article": "returns"}},
    {"id": "r4", "text": "when do you open", "expect": {"article": "hours"}},
]
STRAYS = [{"id": "o1", "pack": "shop", "history": ["when do you open"], "text": "solve 3x = 9"}]
SHOP: dict[str, Any] = {"pack": "shop", "evidence": {"passages": ["Within 30 days."]}}
REPLIES = [
    {"id": "l1", **SHOP, "reply": "You have 30 days.", "label": {"supported": True}},
    {"id": "l2", **SHOP, "reply": "You have 40 days.", "label": {"supported": False}},
]


def script(request: GenerateRequest) -> str | ToolCall:
    """With an adapter the right thing; without one an invented time, and a call for everything else."""
    last = request.messages[-1]
    asked = next(message.content for message in reversed(request.messages) if message.role == "user")
    if request.adapter is None:
        return (
            "We open at 4 am, ask Sarah Jones." if "open" in asked or last.name != "context" else "No idea."
        )
    if last.name == "order_status":
        return "It should arrive on [[order.eta]]."
    if "A1001" in asked:
        return ToolCall("call_1", "order_status", {"order_id": "A1001"})
    if "open" in asked:
        return "We open at [[article.opening]] and close at [[article.closing]]."
    return "You can send it back within [[article.return_days]]."


@pytest.fixture
def plan(pack_folder: Callable[..., Path], tmp_path: Path) -> Plan:
    pack = load_pack(pack_folder("shop"))
    blind = tmp_path / "blind"
    blind.mkdir()
    for name, lines in (("shop-requests", REQUESTS), ("offtopic", STRAYS), ("replies-labelled", REPLIES)):
        text = "\n".join(json.dumps(line) for line in lines)
        (blind / f"{name}.jsonl").write_text(text, encoding="utf-8")
    examples = tuple(
        (text, "ask") for text in ("when do you open", "can I send it back", "where is order A1001")
    )
    routes = PackRoutes(
        "shop", "d", examples * 4, ("solve 3x = 9", "what is the weather") * 4, frozenset(), 0.95
    )
    checks = build_checks(pack.manifest.checks, system=pack.system)
    served = ServedPack(pack, prefix_message(pack), Knowledge(pack.articles, None), checks)
    catalog = Catalog({"shop": served}, Router.fit((routes,), None))
    stand = Stand.unhurried(ScriptedEngine(script), catalog, lambda pack: True, lambda name: None)
    card = AdapterCard(pack="shop", base_digest="b", rank=4, alpha=8, target_modules=("q_proj",))
    adapter = Adapter("shop", "f" * 64, tmp_path, card)
    suites = chosen(["requests,offtopic,latency", "checks"])
    return Plan("shop", stand, {BASE: None, ADAPTER: adapter}, suites, load_blind(blind, "shop"), tmp_path)


async def test_base_and_adapter_are_measured_and_compared(plan: Plan, tmp_path: Path) -> None:
    steps: list[Any] = []
    section = await measure(plan, tmp_path / "kept", steps.append)
    figures = section["figures"]
    values = {
        name: {who: one["value"] for who, one in figure["values"].items()} for name, figure in figures.items()
    }
    assert values["action"][ADAPTER] == 1.0
    assert values["top3"] == {BASE: 1.0, ADAPTER: 1.0}
    assert values["answered"][ADAPTER] == 1.0
    assert values["ungrounded"] == {BASE: 0.0, ADAPTER: 0.0}
    assert values["ungrounded_raw"][BASE] > 0 == values["ungrounded_raw"][ADAPTER]
    assert figures["action"]["met"] is True
    assert figures["action"]["bar"] == "≥ 95 %"
    assert steps[-1].done == steps[-1].total > 0
    assert section["times"]["first_text"]["values"][ADAPTER]["n"] >= 2
    rows = {(one["name"], one["source"]): one for one in section["checks"]}
    assert rows["grounded", "blind replies"]["recall"]["value"] == 1.0
    assert rows["oracle of grounded", "blind replies"]["precision"]["value"] == 1.0


async def test_what_is_measured_is_kept_and_what_changed_is_measured_anew(plan: Plan, tmp_path: Path) -> None:
    engine = plan.stand.engine
    assert isinstance(engine, ScriptedEngine)
    first = await measure(plan, tmp_path / "kept")
    asked = len(engine.requests)
    again = await measure(plan, tmp_path / "kept")
    assert len(engine.requests) == asked
    assert again["figures"] == first["figures"]
    other = replace(plan, limit=2)
    await measure(other, tmp_path / "kept")
    assert len(engine.requests) > asked


async def test_an_adapter_that_is_no_better_than_the_base_is_named(plan: Plan, tmp_path: Path) -> None:
    adapter = plan.subjects[ADAPTER]
    assert adapter is not None
    bad = replace(plan, subjects={BASE: adapter, ADAPTER: None})
    section = await measure(bad, tmp_path / "kept")
    assert any("requests" in reason for reason in failures(section))


async def test_the_page_follows_from_its_data(plan: Plan, tmp_path: Path) -> None:
    section = await measure(plan, tmp_path / "kept")
    data = merged({"packs": {"other": section}}, "shop", section)
    page = render(json.loads(json.dumps(data)))
    assert list(data["packs"]) == ["other", "shop"]
    assert "right action with right arguments" in page
    assert "where is order" not in page
    write_plot(section, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


async def test_conversations_do_not_share_what_they_change(plan: Plan) -> None:
    one, other = Talk(plan.stand, "1", "demo"), Talk(plan.stand, "2", "demo")
    assert one._runner is not other._runner
    turn = await one.say("where is order A1001")
    assert turn.pack == "shop"


def test_the_page_in_the_docs_is_the_one_of_its_data() -> None:
    data: dict[str, Any] = json.loads((DOCS / "evaluation.json").read_text(encoding="utf-8"))
    assert (DOCS / "evaluation.md").read_text(encoding="utf-8") == render(data)
    assert data["packs"]
    assert all(section["figures"] for section in data["packs"].values())
