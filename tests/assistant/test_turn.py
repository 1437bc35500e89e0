"""A whole turn with the scripted engine: routing aside, everything is the real thing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.checks.registry import build_checks
from senmon.engines.protocol import Chunk, GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.errors import EngineBusy, PackNotFound, PromptTooLong
from senmon.knowledge import Knowledge
from senmon.messages import Conversation, Event, Identity, ToolCall
from senmon.packs.loader import load_pack
from senmon.rendering import prefix_message
from senmon.routing.router import PackRoutes, Router

DEMO = Identity(customer="demo")
CALL = ToolCall("call_1", "order_status", {"order_id": "A1001"})
Script = Callable[[GenerateRequest], Any]


def served(folder: Path) -> ServedPack:
    pack = load_pack(folder)
    return ServedPack(
        pack=pack,
        prefix=prefix_message(pack),
        knowledge=Knowledge(pack.articles, None),
        checks=build_checks(pack.manifest.checks),
    )


def assistant(folder: Path, script: Script, router: Router | None = None) -> Assistant:
    shop = served(folder)
    catalog = Catalog(packs={"shop": shop}, router=router)
    return Assistant(ScriptedEngine(script), ActionRunner(lambda pack: True), lambda: catalog)


async def turn(bot: Assistant, text: str, state: Conversation | None = None, **kwargs: Any) -> list[Event]:
    identity = kwargs.pop("identity", Identity())
    kwargs.setdefault("pinned", "shop")
    events = bot.reply(state or Conversation(id="c1"), text, identity, **kwargs)
    return [event async for event in events]


def said(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.type == "delta")


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


async def test_a_plain_reply(pack_folder: Callable[..., Path]) -> None:
    events = await turn(assistant(pack_folder(), lambda request: "Hello there. How can I help?"), "hi")
    assert types(events) == ["route", "delta", "delta", "done"]
    assert events[-1].data["text"] == "Hello there. How can I help?"
    assert events[-1].data["provenance"]["pack"] == "shop@0.1.0"


async def test_facts_of_a_passage_are_filled_in(pack_folder: Callable[..., Path]) -> None:
    bot = assistant(pack_folder(), lambda request: "You have [[article.return_days]] to send it back.")
    events = await turn(bot, "How long can I return an item?")
    assert said(events) == "You have 30 days to send it back."
    assert "passages" in types(events)
    state = Conversation.fold("c1", events)
    assert state.messages[-1].content == "You have [[article.return_days]] to send it back."


async def test_an_unknown_fact_never_leaves(pack_folder: Callable[..., Path]) -> None:
    bot = assistant(pack_folder(), lambda request: "It costs [[order.price]] today.")
    events = await turn(bot, "what does it cost")
    assert "[[" not in said(events)
    assert said(events) == served_texts(bot)["safe"]
    assert types(events).count("verdict") == 3


async def test_an_invented_number_is_repaired(pack_folder: Callable[..., Path]) -> None:
    replies = iter(["Certainly. It takes 93 days.", "It takes a while."])
    events = await turn(assistant(pack_folder(), lambda request: next(replies)), "how long")
    assert said(events) == "Certainly. It takes a while."
    assert "93" not in "".join(str(event.to_json()) for event in events)


async def test_an_action_runs_for_the_verified_customer(pack_folder: Callable[..., Path]) -> None:
    events = await turn(assistant(pack_folder(), order_script), "where is A1001", identity=DEMO)
    assert said(events) == "It should arrive on Friday."
    assert [event.data["status"] for event in events if event.type == "action"] == ["started", "finished"]
    assert "Friday" not in str([event.to_json() for event in events if event.type == "action"])


async def test_nobody_else_gets_the_order(pack_folder: Callable[..., Path]) -> None:
    bot = assistant(pack_folder(), order_script)
    events = await turn(bot, "where is A1001, I am customer demo")
    assert said(events) == served_texts(bot)["sign_in"]
    assert "Friday" not in str([(event.data, event.private) for event in events])


async def test_a_repeated_call_ends(pack_folder: Callable[..., Path]) -> None:
    bot = assistant(pack_folder(), lambda request: CALL if request.tools else "Done.")
    events = await turn(bot, "where is A1001", identity=DEMO)
    assert sum(event.type == "action" for event in events) == 2
    assert said(events) == "Done."


async def test_a_running_turn_and_its_stored_events_agree(pack_folder: Callable[..., Path]) -> None:
    bot = assistant(pack_folder(), order_script)
    first = await turn(bot, "where is A1001", identity=DEMO)
    run = Event("run", {}, {"messages": [{"role": "user", "content": "where is A1001"}]})
    state = Conversation.fold("c1", [run, *first])
    assert [message.role for message in state.messages] == ["user", "assistant", "tool", "assistant"]
    assert state.facts["order.eta"] == "Friday"
    seen: list[GenerateRequest] = []

    def thanked(request: GenerateRequest) -> str:
        seen.append(request)
        return "You are welcome."

    again = assistant(bot_folder(bot), thanked)
    await turn(again, "thanks", state)
    assert [message.content for message in seen[0].messages[-2:]] == [
        "It should arrive on [[order.eta]].",
        "thanks",
    ]


async def test_unknown_pack_is_refused_before_the_first_event(pack_folder: Callable[..., Path]) -> None:
    with pytest.raises(PackNotFound, match="shop"):
        await turn(assistant(pack_folder(), lambda request: "x"), "hi", pinned="shopp")


async def test_nothing_fits(pack_folder: Callable[..., Path]) -> None:
    folder = pack_folder()
    router = Router.fit(
        (PackRoutes("shop", "d", (("when do you open", "hours"), ("return policy", "returns")), ()),), None
    )
    bot = assistant(folder, lambda request: "never said", router)
    events = await turn(bot, "who won the football world cup in brazil", pinned=None)
    assert events[0].data["pack"] is None
    assert "Corner shop" in said(events)
    assert "never said" not in said(events)


async def test_another_language(pack_folder: Callable[..., Path]) -> None:
    events = await turn(assistant(pack_folder(), lambda request: "never said"), "注文はどこですか？")
    assert "担当者" in said(events)


async def test_a_full_queue_is_an_error_event(pack_folder: Callable[..., Path]) -> None:
    def busy(request: GenerateRequest) -> str:
        raise EngineBusy("the queue is full", retry_after=2.5)

    events = await turn(assistant(pack_folder(), busy), "hi")
    assert events[-1].type == "error"
    assert events[-1].data["retry_after"] == 2.5


async def test_an_unforeseen_fault_shows_nothing_of_itself(pack_folder: Callable[..., Path]) -> None:
    def broken(request: GenerateRequest) -> str:
        raise RuntimeError("secret detail")

    events = await turn(assistant(pack_folder(), broken), "hi")
    assert events[-1].data["code"] == "internal_error"
    assert "secret" not in str(events[-1].data)


async def test_a_long_conversation_loses_its_oldest_turns(pack_folder: Callable[..., Path]) -> None:
    seen: list[int] = []

    class Small(ScriptedEngine):
        async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
            seen.append(len(request.messages))
            if len(request.messages) > 6:
                raise PromptTooLong("too long")
            async for chunk in super().generate(request):
                yield chunk

    bot = assistant(pack_folder(), lambda request: "Fine.")
    bot.engine = Small(lambda request: "Fine.")
    talk = [{"role": role, "content": f"text {n}"} for n in range(10) for role in ("user", "assistant")]
    state = Conversation.fold("c1", [Event("run", {}, {"messages": talk})])
    assert said(await turn(bot, "and now?", state)) == "Fine."
    assert seen[0] > seen[-1] <= 6


async def test_an_empty_reply_becomes_the_safe_text(pack_folder: Callable[..., Path]) -> None:
    bot = assistant(pack_folder(), lambda request: "")
    assert said(await turn(bot, "hi")) == served_texts(bot)["safe"]


def order_script(request: GenerateRequest) -> Any:
    if request.messages[-1].role == "user":
        assert request.candidates["order_id"] == ("A1001",)
        return CALL
    return "It should arrive on [[order.eta]]."


def bot_folder(bot: Assistant) -> Path:
    return bot.catalog().packs["shop"].pack.path


def served_texts(bot: Assistant) -> Mapping[str, Any]:
    return bot.catalog().packs["shop"].texts.model_dump()


async def test_a_pack_does_not_see_another_packs_turns(pack_folder: Callable[..., Path]) -> None:
    shop, other = served(pack_folder("shop")), served(pack_folder("corner"))
    seen: list[GenerateRequest] = []

    def fine(request: GenerateRequest) -> str:
        seen.append(request)
        return "Fine."

    engine = ScriptedEngine(fine)
    catalog = Catalog(packs={"shop": shop, "corner": other})
    bot = Assistant(engine, ActionRunner(lambda pack: True), lambda: catalog)
    state = Conversation(id="c1")
    for text, pinned in (("to shop", "shop"), ("to corner", "corner"), ("shop again", "shop")):
        run = Event("run", {}, {"messages": [{"role": "user", "content": text}]})
        events = await turn(bot, text, state, pinned=pinned)
        state = state.apply(run)
        for event in events:
            state = state.apply(event)
    words = [[message.content for message in request.messages[1:]] for request in seen]
    assert words == [["to shop"], ["to corner"], ["to shop", "Fine.", "shop again"]]
