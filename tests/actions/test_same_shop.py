"""One shop behind rasa-sdk in process, behind rasa-sdk's own server, and behind HTTP: one conversation."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rasakit import rasa_action_server
from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.checks.registry import build_checks
from senmon.engines.protocol import GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.knowledge import Knowledge
from senmon.messages import CONTEXT, Conversation, Event, Identity, ToolCall
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.rendering import prefix_message
from shop_service import SUPPORT, TOKEN, Shop, http_actions, served

WAYS = ("in_process", "server", "http")
#: What is said, the call that the model makes, what it says of the result. None: it calls nothing.
TALK: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("what can I order back?", "list_orders", {}, "You have [[orders.count]] orders: [[orders.list]]."),
    (
        "where is A1001?",
        "order_status",
        {"order_id": "A1001"},
        "[[order.id]] is [[order.status_text]], due [[order.eta]].",
    ),
    ("what did it cost?", "order_status", {}, "[[order.id]]: [[order.items]] for [[order.total]]."),
    (
        "and a-1003?",
        "order_status",
        {"order_id": "a-1003"},
        "[[order.id]] waits because of [[order.reason]].",
    ),
    ("and A9999?", "order_status", {"order_id": "A9999"}, "I find no order [[order.id]]."),
    ("where is my order?", "order_status", {}, "Which one: [[choose.list]]?"),
    ("cancel A1001", "cancel_order", {"order_id": "A1001"}, "[[order.id]] is [[order.status_text]] already."),
    ("cancel A1004", "cancel_order", {"order_id": "A1004"}, "Shall I cancel [[order.id]] ([[order.items]])?"),
    ("yes", "confirm", {}, "[[order.id]] is cancelled, you get [[order.refund]]."),
    ("yes", "confirm", {}, "There is nothing open."),
    (
        "is A1004 refunded?",
        "refund_status",
        {"order_id": "A1004"},
        "[[refund.amount]] went back [[refund.day]].",
    ),
    ("return A1002", "start_return", {"order_id": "A1002"}, "Shall I start the return of [[order.items]]?"),
    ("is the ridge tent there?", "stock", {"product": "ridge tent"}, "[[product.name]], [[product.price]]."),
    ("yes", "confirm", {}, "There is nothing open."),
    (
        "the lark headlamp?",
        "stock",
        {"product": "Lark headlamp"},
        "[[product.name]] is back [[product.back]].",
    ),
    ("a flying carpet?", "stock", {"product": "flying carpet"}, "I don't know that product."),
    ("the invoice of A1002", "resend_invoice", {"order_id": "A1002"}, "It goes to [[order.mail]]."),
    ("a person please", "request_person", {"reason": "asked"}, "never said"),
)
STRANGER: tuple[Any, ...] = (
    ("where is A1001?", "order_status", {"order_id": "A1001"}, "I find no order [[order.id]]."),
    ("cancel A1004", "cancel_order", {"order_id": "A1004"}, "I find no order [[order.id]]."),
    (
        "where is ../demo/order",
        "order_status",
        {"order_id": "../demo/order"},
        "I find no order [[order.id]].",
    ),
    ("yes", "confirm", {}, "There is nothing open."),
)
TURNED = "The order of somebody else"


class Bot:
    """The support pack, its actions one of three ways."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.line: tuple[str, str, dict[str, Any], str] = TALK[0]
        shop = ServedPack(
            pack=pack,
            prefix=prefix_message(pack),
            knowledge=Knowledge(pack.articles, None),
            checks=build_checks(pack.manifest.checks),
        )
        environment = {"SHOP_TOKEN": TOKEN}.get
        actions = ActionRunner(lambda each: True, environment)
        self.assistant = Assistant(
            ScriptedEngine(self.script), actions, lambda: Catalog(packs={"support": shop})
        )

    def script(self, request: GenerateRequest) -> str | ToolCall:
        _, name, arguments, reply = self.line
        last = request.messages[-1]
        if last.role == "tool" and last.name != CONTEXT:
            return reply
        return ToolCall("call_1", name, arguments)

    async def talk(self, lines: Any, customer: str | None) -> list[list[Event]]:
        state, turns = Conversation(id="c1"), []
        for line in lines:
            self.line = line
            said = {"messages": [{"role": "user", "content": line[0]}]}
            events = [Event("run", {}, said)]
            before = state
            state = state.apply(events[0])
            reply = self.assistant.reply(before, line[0], Identity(customer=customer), pinned="support")
            async for event in reply:
                events.append(event)
                state = state.apply(event)
            turns.append(events)
        return turns


def shown(turns: list[list[Event]]) -> list[Any]:
    """What a client gets, and what the model was shown: all but which pack answered, what slots hold, how
    calls are numbered, and whether a rule saved the model a round."""
    told = []
    for events in turns:
        for event in events:
            data = {name: value for name, value in event.data.items() if name not in ("provenance", "usage")}
            private = {name: value for name, value in event.private.items() if name in ("messages", "facts")}
            told.append((event.type, data, private))
    plain: list[Any] = json.loads(re.sub(r"\b(?:call|read)_\d+\b", "call", json.dumps(told)))
    return plain


def support(folder: Path, **changes: Any) -> Pack:
    ignore = shutil.ignore_patterns("adapter", "tools", "__pycache__", "data", "eval")
    shutil.copytree(SUPPORT, folder / "support", ignore=ignore)
    (folder / "support/data").mkdir()
    (folder / "support/data/none.jsonl").write_text("", encoding="utf-8")
    path = folder / "support/pack.yaml"
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    manifest["actions"].update({name: value for name, value in changes.items() if name != "calls"})
    manifest.pop("evaluation", None)
    if changes.get("runtime") == "http":
        del manifest["actions"]["reader"]  # rules in Python: there is none here
    for spec in manifest["actions"]["specs"] if "calls" in changes else ():
        if spec["name"] == "request_person":
            spec["handover"] = True
        else:
            spec["http"] = changes["calls"][spec["name"]]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    if "calls" in changes:
        for code in (path.parent / "actions.py", path.parent / "actions"):
            shutil.rmtree(code) if code.is_dir() else code.unlink(missing_ok=True)
    return load_pack(path.parent)


@pytest.fixture(scope="module")
def bots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bot]]:
    """Each way with a database of its own."""
    here, there, far = (tmp_path_factory.mktemp(way) for way in WAYS)
    before = os.environ.get("SHOP_DATABASE")
    os.environ["SHOP_DATABASE"] = str(there / "shop.db")
    shop = Shop(far / "shop.db")
    code = support(there / "code")
    try:
        with rasa_action_server(code.path) as url, served(shop.app) as service:
            os.environ["SHOP_DATABASE"] = str(here / "shop.db")
            ways = {
                "in_process": support(here),
                "server": support(there, runtime="server", url=url),
                "http": support(far, runtime="http", **http_actions(service)),
            }
            yield {way: Bot(pack) for way, pack in ways.items()}
    finally:
        os.environ.pop("SHOP_DATABASE")
        if before is not None:
            os.environ["SHOP_DATABASE"] = before


async def test_the_conversation_is_the_same(bots: dict[str, Bot]) -> None:
    turns = {way: await bot.talk(TALK, "demo") for way, bot in bots.items()}
    expected = shown(turns["in_process"])
    texts = ["".join(event.data["text"] for event in turn if event.type == "delta") for turn in turns["http"]]
    assert texts[1].startswith("A1001 is on its way, due ")
    assert texts[5] == "Which one: A1004 (being packed), A1001 (on its way), A1003 (delayed)?"
    assert texts[8].startswith("A1004 is cancelled, you get €")
    assert texts[9] == texts[13] == "There is nothing open."
    assert texts[-1] == bots["http"].pack.manifest.texts.handoff
    assert shown(turns["server"]) == expected
    assert shown(turns["http"]) == expected


async def test_another_customer_gets_nothing_of_it(bots: dict[str, Bot]) -> None:
    turns = {way: await bot.talk(STRANGER[:2], "robin") for way, bot in bots.items()}
    expected = shown(turns["in_process"])
    assert shown(turns["server"]) == shown(turns["http"]) == expected
    assert "I find no order A1001." in str(expected)


async def test_nobody_in_particular_is_asked_to_sign_in(bots: dict[str, Bot]) -> None:
    turns = {way: await bot.talk(STRANGER, None) for way, bot in bots.items()}
    expected = shown(turns["in_process"])
    assert shown(turns["server"]) == shown(turns["http"]) == expected
    assert str(expected).count(bots["http"].pack.manifest.texts.sign_in) == 2 * len(STRANGER)


async def test_a_path_in_an_argument_stays_an_argument(bots: dict[str, Bot]) -> None:
    """`../demo` leads to nobody's order."""
    turns = await bots["http"].talk(STRANGER, "robin")
    assert "Mill Lane" not in str(shown(turns)) and "Ridge tent" not in str(shown(turns))
    assert [turn[-1].data["finish_reason"] for turn in turns] == ["stop"] * len(STRANGER)
