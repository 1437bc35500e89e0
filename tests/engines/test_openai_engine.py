"""The remote engine against a small real server that speaks OpenAI's chat API."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from enginekit import ask, reply
from senmon.adapters import Adapter, AdapterCard
from senmon.engines.openai import OpenAIEngine
from senmon.engines.openai_wire import wire_messages
from senmon.engines.protocol import GenerateRequest
from senmon.errors import (
    AdapterMismatch,
    AdapterNotFound,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    PromptTooLong,
    SenmonError,
)
from senmon.messages import Message, ToolCall
from senmon.packs.manifest import ActionSpec

Answer = Callable[[dict[str, Any]], Response]
CARD = AdapterCard(pack="shop", base_digest="d" * 64, rank=4, alpha=8, target_modules=("q_proj",))
SHOP = Adapter("shop", "0123456789abcdef" * 4, Path("/nowhere"), CARD)


class Stub:
    """Answers with the queued answers, the last one again and again; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Answer] = []
        self.disconnected = threading.Event()
        app = FastAPI()
        app.post("/v1/chat/completions")(self._answer)
        config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off")
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, daemon=True)

    async def _answer(self, request: Request) -> Response:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(self.asked[-1])

    def start(self) -> str:
        self._thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self._thread.join(5)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Stub, str]]:
    stub = Stub()
    url = stub.start()
    yield stub, url
    stub.stop()


@pytest.fixture
def stub(running: tuple[Stub, str]) -> Stub:
    running[0].asked.clear()
    running[0].headers.clear()
    running[0].disconnected.clear()
    return running[0]


@pytest.fixture
async def engine(running: tuple[Stub, str]) -> AsyncIterator[OpenAIEngine]:
    engine = OpenAIEngine(running[1] + "/v1/", "secret-key", "plain", timeout=5)
    yield engine
    await engine.close()


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}


def stream(*parts: dict[str, Any], end: bool = True) -> Answer:
    lines = [": ping\n\n", *(f"data: {json.dumps(part)}\n\n" for part in parts)]
    if end:
        lines.append("data: [DONE]\n\n")
    return lambda _: StreamingResponse(iter(lines), media_type="text/event-stream")


def says(text: str, finish: str = "stop") -> Answer:
    pieces = [delta(role="assistant", content=""), *(delta(content=part) for part in text.split("|"))]
    return stream(*pieces, delta(finish), {"choices": [], "usage": USAGE})


def calls(name: str, arguments: str) -> Answer:
    half = len(arguments) // 2
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": ""}}
    parts = [{"index": 0, "function": {"arguments": part}} for part in (arguments[:half], arguments[half:])]
    deltas = [delta(tool_calls=[first]), *(delta(tool_calls=[part]) for part in parts)]
    return stream(
        delta(content="One moment. "), *deltas, delta("tool_calls"), {"choices": [], "usage": USAGE}
    )


def refuses(status: int, message: str = "no", **headers: str) -> Answer:
    body = {"error": {"message": message, "type": "x", "code": status}}
    return lambda _: JSONResponse(body, status, {k.replace("_", "-"): v for k, v in headers.items()})


def tool_request(tool: ActionSpec) -> GenerateRequest:
    request: GenerateRequest = ask(
        "order A1001?", SHOP, tools=(tool,), candidates={"order_id": ("A1001", "A1002")}
    )
    return request


async def test_text_streams_with_usage_under_the_adapters_name(stub: Stub, engine: OpenAIEngine) -> None:
    stub.answers = [says("Hel|lo <|you")]
    found = await reply(engine, ask("hi", SHOP, temperature=0.5, top_k=5, seed=3, stop=("END",)))
    assert (found.text, found.finish) == ("Hello <you", "stop")
    assert (found.usage.prompt_tokens, found.usage.cached_tokens) == (12, 8)
    asked = stub.asked[0]
    assert asked["model"] == "shop@0123456789ab"
    assert (asked["temperature"], asked["top_k"], asked["seed"], asked["stop"]) == (0.5, 5, 3, ["END"])
    assert "tools" not in asked
    assert stub.headers[0]["authorization"] == "Bearer secret-key"


async def test_the_base_and_released_text(stub: Stub, engine: OpenAIEngine) -> None:
    stub.answers = [says("world")]
    assert (await reply(engine, ask("hi", released="Hello"))).text == "world"
    assert stub.asked[0]["model"] == "plain"
    assert stub.asked[0]["messages"][-1] == {"role": "assistant", "content": "Hello"}
    assert stub.asked[0]["continue_final_message"] is True


def test_context_is_folded_into_the_user_message_and_results_stay() -> None:
    call = ToolCall("c1", "order_status", {"order_id": "A1"})
    wired = wire_messages(
        (
            Message("system", "s"),
            Message("user", "where is it?"),
            Message("tool", "# Returns\n30 days", name="context"),
            Message("assistant", tool_calls=(call,)),
            Message("tool", '{"eta": "Friday"}', tool_call_id="c1", name="order_status"),
            Message("tool", "late context", name="context"),
        )
    )
    assert [message["role"] for message in wired] == ["system", "user", "assistant", "tool", "user"]
    assert wired[1]["content"].startswith("where is it?\n\n<context ")
    assert "# Returns\n30 days" in wired[1]["content"]
    assert wired[3] == {"role": "tool", "tool_call_id": "c1", "content": '{"eta": "Friday"}'}
    assert "late context" in wired[4]["content"]


@pytest.mark.parametrize(
    "marker",
    ["<|im_end|>", "<|im_start|>system", "<tool_call>", "</tool_response>", "<｜User｜>", "</s>", "[/INST]",
     "<end_of_turn>", "[TOOL_CALLS]"],
)  # fmt: skip
def test_a_marker_of_turns_is_broken_up_wherever_it_was_typed(marker: str) -> None:
    """The server encodes the whole prompt, in which a typed marker would be a real one."""
    messages = (
        Message("system", f"the pack's {marker}"),
        Message("system", f"a caller's {marker}"),
        Message("user", f"hi{marker}"),
        Message("assistant", marker),
        Message("tool", f'{{"note": "{marker}"}}', name="context"),
    )
    first, *rest = wire_messages(messages)
    assert first["content"] == f"the pack's {marker}"
    assert marker not in str(rest)


def test_ordinary_brackets_stay() -> None:
    text = "if a<b and b>c, <b>bold</b>, <me@shop.example>, [[order.eta]], [see](https://x.example), x < |y|"
    wired = wire_messages((Message("system", "s"), Message("user", text)))
    assert wired[1]["content"] == text


async def test_a_call_is_assembled_and_checked(
    stub: Stub, engine: OpenAIEngine, order_tool: ActionSpec
) -> None:
    stub.answers = [calls("order_status", '{"order_id": "A1002"}')]
    found = await reply(engine, tool_request(order_tool))
    assert found.call == ToolCall("c1", "order_status", {"order_id": "A1002"})
    assert (found.text, found.finish) == ("One moment. ", "tool_calls")
    sent = stub.asked[0]["tools"][0]["function"]
    assert sent["parameters"]["properties"]["order_id"] == {"enum": ["A1001", "A1002"]}
    assert "tool_choice" not in stub.asked[0]
    stub.answers = [calls("order_status", '{"order_id": "A1002"}')]
    await reply(engine, dataclasses.replace(tool_request(order_tool), must_call=True))
    assert stub.asked[1]["tool_choice"] == "required"


async def test_a_wrong_call_is_retried_once_with_the_reason(
    stub: Stub, engine: OpenAIEngine, order_tool: ActionSpec
) -> None:
    right, wrong = '{"order_id": "A1001"}', '{"order_id": "Z9"}'
    stub.answers = [calls("order_status", wrong), calls("order_status", right)]
    found = await reply(engine, tool_request(order_tool))
    assert found.call is not None and found.call.arguments == {"order_id": "A1001"}
    assert found.text == "One moment. "
    assert "refused" in stub.asked[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("order_status", '{"order_id": "Z9"}'), ("order_status", "{oh"), ("rm", "{}"), ("order_status", "[]")],
)
async def test_two_wrong_calls_are_an_error(
    stub: Stub, engine: OpenAIEngine, order_tool: ActionSpec, name: str, arguments: str
) -> None:
    stub.answers = [calls(name, arguments)]
    with pytest.raises(EngineError, match="twice"):
        await reply(engine, tool_request(order_tool))
    assert len(stub.asked) == 2


async def test_a_call_spelt_as_text_is_understood(
    stub: Stub, engine: OpenAIEngine, order_tool: ActionSpec
) -> None:
    spelt = 'Yes. <tool|_call>{"name": "order_status", "argu|ments": {"order_id": "A1001"}}</tool_call> Done.'
    stub.answers = [says(spelt)]
    found = await reply(engine, tool_request(order_tool))
    assert (found.text, found.finish) == ("Yes. ", "tool_calls")
    assert found.call is not None and found.call.name == "order_status"
    plain = await reply(engine, ask("hi"))
    assert (plain.text, plain.finish, plain.call) == ("Yes. ", "stop", None)


@pytest.mark.parametrize(
    ("answer", "request_adapter", "error"),
    [
        (refuses(404, "The model does not exist"), SHOP, AdapterNotFound),
        (refuses(404, "The model does not exist"), None, EngineUnavailable),
        (refuses(401, "bad key"), None, EngineUnavailable),
        (refuses(400, "This model's maximum context length is 2048"), None, PromptTooLong),
        (refuses(400, "nonsense"), None, EngineError),
        (stream(delta(content="half"), end=False), None, EngineUnavailable),
        (stream({"error": {"message": "boom"}}), None, EngineUnavailable),
        (lambda _: Response("data: {oh\n\n", media_type="text/event-stream"), None, EngineError),
        (stream({"choices": [{"delta": {"tool_calls": [7]}}]}), None, EngineError),
    ],
)
async def test_faults_have_their_names(
    stub: Stub,
    engine: OpenAIEngine,
    answer: Answer,
    request_adapter: Adapter | None,
    error: type[SenmonError],
) -> None:
    stub.answers = [answer]
    with pytest.raises(error) as caught:
        await reply(engine, ask("hi", request_adapter))
    assert "secret-key" not in str(caught.value)


async def test_busy_tells_when_to_come_back(stub: Stub, engine: OpenAIEngine) -> None:
    stub.answers = [refuses(429, "slow down", Retry_After="7")]
    with pytest.raises(EngineBusy) as caught:
        await reply(engine, ask("hi"))
    assert caught.value.retry_after == 7
    assert len(stub.asked) == 1


async def test_server_faults_are_retried_before_the_first_chunk_only(
    stub: Stub, engine: OpenAIEngine
) -> None:
    stub.answers = [refuses(503), refuses(500), says("fine")]
    assert (await reply(engine, ask("hi"))).text == "fine"
    assert len(stub.asked) == 3
    stub.asked.clear()
    stub.answers = [stream(delta(content="ha"), {"error": {"message": "boom"}})]
    with pytest.raises(EngineUnavailable, match="boom"):
        await reply(engine, ask("hi"))
    assert len(stub.asked) == 1


async def test_nobody_there_and_another_base() -> None:
    engine = OpenAIEngine("http://127.0.0.1:9", retries=0, base_digest="a" * 64)
    with pytest.raises(EngineUnavailable, match="can't be reached"):
        await reply(engine, ask("hi"))
    with pytest.raises(AdapterMismatch):
        await reply(engine, ask("hi", SHOP))
    await engine.close()


def endless(stub: Stub) -> Answer:
    async def lines() -> AsyncIterator[str]:
        try:
            for _ in range(1000):
                yield f"data: {json.dumps(delta(content='and '))}\n\n"
                await asyncio.sleep(0.02)
        finally:
            stub.disconnected.set()

    return lambda _: StreamingResponse(lines(), media_type="text/event-stream")


async def test_closing_the_iterator_hangs_up(stub: Stub, engine: OpenAIEngine) -> None:
    stub.answers = [endless(stub)]
    generation = engine.generate(ask("hi"))
    assert (await anext(generation)).text == "and "
    await generation.aclose()
    assert await asyncio.to_thread(stub.disconnected.wait, 3)


async def test_closing_the_engine_ends_running_replies(stub: Stub, engine: OpenAIEngine) -> None:
    stub.answers = [endless(stub)]
    task = asyncio.create_task(reply(engine, ask("hi")))
    await asyncio.sleep(0.1)
    await engine.close()
    with pytest.raises(EngineUnavailable, match="closed"):
        await asyncio.wait_for(task, 3)
    with pytest.raises(EngineUnavailable):
        await reply(engine, ask("hi"))


async def test_silence_is_a_fault(stub: Stub, running: tuple[Stub, str]) -> None:
    async def slow() -> AsyncIterator[str]:
        yield ": ping\n\n"
        await asyncio.sleep(2)

    stub.answers = [lambda _: StreamingResponse(slow(), media_type="text/event-stream")]
    engine = OpenAIEngine(running[1], timeout=0.2, retries=0)
    with pytest.raises(EngineUnavailable, match="Timeout"):
        await reply(engine, ask("hi"))
    await engine.close()
