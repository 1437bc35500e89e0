"""The scripted engine keeps the promises of the seam."""

from __future__ import annotations

import asyncio

import pytest

from enginekit import ask, reply
from senmon.engines.scripted import ScriptedEngine, split_words
from senmon.errors import EngineUnavailable
from senmon.messages import ToolCall


async def test_words_stream_and_are_counted() -> None:
    engine = ScriptedEngine({"hello": "Hi there,\n  you."})
    found = await reply(engine, ask("hello"))
    assert [chunk.text for chunk in found.chunks] == ["Hi", " there,", "\n  you.", ""]
    assert (found.finish, found.usage.completion_tokens) == ("stop", 3)
    assert found.usage.prompt_tokens > 5
    assert "".join(split_words("a  b ")) == "a  b "


async def test_a_function_sees_the_request_and_may_call() -> None:
    call = ToolCall("call_1", "order_status", {"order_id": "A1001"})
    engine = ScriptedEngine(lambda request: ["One moment.", call] if request.tools == () else "no")
    found = await reply(engine, ask("where is it"))
    assert (found.text, found.call, found.finish) == ("One moment.", call, "tool_calls")
    assert engine.requests[0].messages[-1].content == "where is it"


async def test_stop_length_and_released_are_honoured() -> None:
    engine = ScriptedEngine({"*": "one two three four"})
    assert (await reply(engine, ask("x", stop=("two t",)))).text == "one "
    short = await reply(engine, ask("x", max_tokens=2))
    assert (short.text, short.finish) == ("one two", "length")
    assert (await reply(engine, ask("x", released="one two"))).text == " three four"


async def test_cancelling_and_closing() -> None:
    engine = ScriptedEngine({"*": "word " * 50}, delay=0.01)
    stream = engine.generate(ask("x", max_tokens=99))
    await anext(stream)
    await stream.aclose()
    assert engine.cancelled == 1
    running = asyncio.create_task(reply(engine, ask("x", max_tokens=99)))
    await asyncio.sleep(0.03)
    await engine.close()
    with pytest.raises(EngineUnavailable):
        await running
    with pytest.raises(EngineUnavailable):
        await reply(engine, ask("x"))


async def test_an_unknown_text_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="goodbye"):
        await reply(ScriptedEngine({"hello": "hi"}), ask("goodbye"))
