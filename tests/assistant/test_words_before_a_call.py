"""Two requests in one message: what is said after the first result, and the call for the second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.engines.protocol import GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.knowledge import Knowledge
from senmon.messages import Conversation, Identity, ToolCall
from senmon.packs.loader import load_pack
from senmon.rendering import prefix_message

FIRST = ToolCall("call_1", "order_status", {"order_id": "A1001"})
SECOND = ToolCall("call_2", "order_status", {"order_id": "A1002"})


async def test_the_words_stand_apart_and_each_has_its_own_facts(pack_folder: Callable[..., Path]) -> None:
    pack = load_pack(pack_folder())
    steps: list[Any] = [FIRST, ["One comes on [[order.eta]].", SECOND], "That was the other."]

    def script(request: GenerateRequest) -> Any:
        return steps.pop(0)

    shop = ServedPack(pack=pack, prefix=prefix_message(pack), knowledge=Knowledge((), None), checks=())
    bot = Assistant(
        ScriptedEngine(script), ActionRunner(lambda pack: True), lambda: Catalog(packs={"shop": shop})
    )
    replies = bot.reply(
        Conversation(id="c1"), "where are A1001 and A1002", Identity(customer="demo"), pinned="shop"
    )
    events = [event async for event in replies]
    assert events[-1].data["text"] == "One comes on Friday. That was the other."
    messages = Conversation.fold("c1", events).messages
    said = [message.content for message in messages if message.role == "assistant"]
    assert said == ["", "One comes on [[order.eta]].", "That was the other."]
