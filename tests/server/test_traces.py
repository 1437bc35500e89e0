"""One trace for each run, through the real server with the scripted engine; nothing said is in it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from senmon import tracing
from senmon.actions.http_client import HttpClient
from senmon.actions.http_request import HttpRequest
from senmon.actions.runner import ActionRunner
from senmon.actions.server import ActionServer
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.checks.registry import build_checks
from senmon.engines.protocol import GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.errors import ConfigError, EngineUnavailable
from senmon.knowledge import Knowledge
from senmon.messages import ToolCall
from senmon.packs.pack import Pack
from senmon.rendering import prefix_message
from senmon.server.app import create_app
from senmon.server.logging import JsonFormatter
from server_rig import SECRET_WORDS, FakeWorkspace, Site, client_of, serving

Spans = Callable[[int], list[ReadableSpan]]
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STEPS = re.compile(r'senmon_step_seconds_count{step="(\w+)"} ([\d.]+)')
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


def script(request: GenerateRequest) -> str | ToolCall:
    text = next(each.content for each in reversed(request.messages) if each.role == "user")
    if request.messages[-1].role == "tool" and request.messages[-1].name != "context":
        return "Sign in, then I look it up."
    if "A1001" in text:
        return ToolCall("c1", "order_status", {"order_id": "A1001"})
    if "gone" in text:
        raise EngineUnavailable(SECRET_WORDS)
    if "wrong" in text:
        return "It costs [[no.such.fact]]."
    return f"I repeat: {SECRET_WORDS}. You have [[article.return_days]] to send it back."


@pytest.fixture
def talking(site: Site, pack: Pack) -> Site:
    """The real assistant behind the server of all tests."""
    checks = build_checks(pack.manifest.checks)
    shop = ServedPack(pack, prefix_message(pack), Knowledge(pack.articles, None), checks)
    catalog = Catalog(packs={"shop": shop})
    actions = ActionRunner(lambda each: True)
    site.workspace.assistant = Assistant(ScriptedEngine(script), actions, lambda: catalog)  # type: ignore[assignment]
    return site


@pytest.fixture
def spans() -> Iterator[Spans]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider.get_tracer("test"))

    def finished(turns: int) -> list[ReadableSpan]:
        """Once so many turns have ended: a trace ends a moment after the last event was sent."""
        limit = time.monotonic() + 30
        while True:
            found = list(exporter.get_finished_spans())
            if [span.name for span in found].count("turn") >= turns:
                return found
            assert time.monotonic() < limit
            time.sleep(0.01)

    yield finished
    tracing.use(None)


def turn(site: Site, text: str, client: httpx.Client | None = None, **headers: str) -> str:
    client = client or site.client
    conversation = site.conversation(client)
    answer = client.post(
        f"/v1/conversations/{conversation}/messages",
        json={"client_id": "1", "text": text, "pack": "shop"},
        headers=headers,
    )
    run = str(answer.json()["run_id"])
    with client.stream("GET", f"/v1/runs/{run}/events") as response:
        assert {"event: done", "event: error"} & set(response.iter_lines())
    return run


def began(span: ReadableSpan) -> int:
    return span.start_time or 0


def ended(span: ReadableSpan) -> int:
    assert span.end_time is not None
    return span.end_time


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_run_is_one_trace(talking: Site, spans: Spans) -> None:
    run = turn(talking, f"How long can I return an item? {SECRET_WORDS}")
    found = spans(1)
    (root,) = (span for span in found if span.name == "turn")
    assert root.parent is None and attributes(root)["senmon.run"] == run
    assert attributes(root)["senmon.pack"] == "shop" and attributes(root)["senmon.finish"] == "stop"
    names = [span.name for span in found if span.name not in ("store", "turn")]
    assert names[:3] == ["route", "check", "retrieve"]
    assert set(names) == {"route", "retrieve", "generate", "check"} and names.count("check") == 3
    assert any(span.name == "store" for span in found)
    assert len({span.context.trace_id for span in found}) == 1
    assert {span.parent.span_id for span in found if span.parent} == {root.context.span_id}
    (generate,) = (span for span in found if span.name == "generate")
    facts = attributes(generate)
    assert facts["senmon.completion_tokens"] > 5 and 0 <= facts["senmon.first_token"] < 60
    assert all(began(root) <= began(span) <= ended(span) <= ended(root) for span in found)


def test_nothing_that_was_said_is_in_a_span(talking: Site, spans: Spans) -> None:
    for text in (f"Hello, {SECRET_WORDS}", f"A1001 {SECRET_WORDS}", f"wrong {SECRET_WORDS}"):
        turn(talking, text)
    found = spans(3)
    told = "".join(span.to_json() for span in found)
    assert "4711" not in told and "A1001" not in told and "no.such.fact" not in told
    keys = {key for span in found for key in attributes(span)}
    assert keys <= {f"senmon.{fact}" for fact in tracing.FACTS}
    acts = [attributes(span) for span in found if span.name == "act"]
    assert acts == [{"senmon.pack": "shop", "senmon.action": "order_status", "senmon.status": "denied"}]


def test_the_parent_is_a_back_ends_span_only(
    make_workspace: Callable[..., FakeWorkspace], spans: Spans
) -> None:
    key = "sk-" + "k" * 32
    with serving(make_workspace(api_keys=(key,))) as site:
        turn(site, "hello", client_of(site.url, Authorization=f"Bearer {key}"), traceparent=TRACEPARENT)
        turn(site, "hello", traceparent=TRACEPARENT)
        turn(site, "hello", traceparent="00-nonsense")
    mine, visitors, broken = (span for span in spans(3) if span.name == "turn")
    assert f"{mine.context.trace_id:032x}" == TRACE and mine.parent is not None
    assert f"{mine.parent.span_id:016x}" == SPAN
    assert visitors.parent is None and f"{visitors.context.trace_id:032x}" != TRACE
    assert [f"{link.context.trace_id:032x}" for link in visitors.links] == [TRACE]
    assert broken.parent is None and not broken.links


def test_a_named_proxys_span_is_the_parent(
    make_workspace: Callable[..., FakeWorkspace], spans: Spans
) -> None:
    with serving(make_workspace(trusted_proxies=("127.0.0.1",))) as site:
        turn(site, "hello", traceparent=TRACEPARENT)
    (root,) = (span for span in spans(1) if span.name == "turn")
    assert f"{root.context.trace_id:032x}" == TRACE


def test_a_broken_turn_says_its_code_alone(site: Site, spans: Spans) -> None:
    site.events(site.say(site.conversation(), "broken").json()["run_id"])
    site.events(site.say(site.conversation(), "busy").json()["run_id"])
    roots = [span for span in spans(2) if span.name == "turn"]
    assert [attributes(span)["senmon.error"] for span in roots] == ["internal_error", "engine_busy"]
    assert not any(span.status.is_ok for span in roots) and "4711" not in "".join(
        map(ReadableSpan.to_json, roots)
    )


def test_log_lines_of_a_run_name_it(talking: Site, spans: Spans) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    turns = logging.getLogger("senmon.assistant.turn")
    turns.addHandler(handler)
    try:
        run = turn(talking, "gone")
    finally:
        turns.removeHandler(handler)
    (line,) = map(json.loads, stream.getvalue().splitlines())
    (root,) = (span for span in spans(1) if span.name == "turn")
    (generate,) = (span for span in spans(1) if span.name == "generate")
    assert (line["run"], line["trace_id"]) == (run, f"{root.context.trace_id:032x}")
    assert attributes(generate)["senmon.error"] == "engine_unavailable" and not generate.status.is_ok


def test_without_a_tracer_the_steps_are_still_timed(talking: Site) -> None:
    def steps() -> dict[str, float]:
        text = talking.anonymous.get("/metrics").text
        return {name: float(count) for name, count in STEPS.findall(text)}

    before = steps()
    turn(talking, f"How long can I return an item? {SECRET_WORDS}")
    after = steps()
    moved = {name: after[name] - before.get(name, 0) for name in after}
    assert {name: moved[name] for name in ("route", "retrieve", "generate", "check")} == {
        "route": 1, "retrieve": 1, "generate": 1, "check": 3,
    }  # fmt: skip
    assert moved["store"] >= 2


async def test_a_stream_is_its_own_step_only_while_it_works(spans: Spans) -> None:
    async def words() -> AsyncGenerator[str, None]:
        tracing.note(finish="stop")
        yield "one"
        yield "two"

    with tracing.run("r1", None):
        async for step, _ in tracing.streamed("generate", words()):
            with tracing.step("check"):
                tracing.note(outcome="pass")
            assert step is not None
    found = {span.name: span for span in spans(1)}
    assert attributes(found["generate"]) == {"senmon.finish": "stop"}
    assert found["check"].parent == found["turn"].context


def test_a_fact_that_is_none_is_refused(spans: Spans) -> None:
    with tracing.run("r1", None), tracing.step("act"), pytest.raises(KeyError, match="text"):
        tracing.note(text=SECRET_WORDS)


async def test_an_action_server_learns_whose_work_it_does(spans: Spans) -> None:
    sent: list[str | None] = []

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("traceparent"))
        return httpx.Response(200, content=body())

    async def body() -> AsyncGenerator[bytes, None]:
        yield b'{"events": [], "responses": []}'

    server = ActionServer(httpx.MockTransport(reply))
    client = HttpClient(
        transport=httpx.MockTransport(reply), resolve=lambda *_: asyncio.sleep(0, ["127.0.0.1"])
    )
    declared = HttpRequest("GET", "http://shop.example/orders", {"Accept": "application/json"}, None, False)

    async def both() -> None:
        await server.call("http://actions.example/webhook", "look", {"sender_id": "s"}, {}, 5)
        await client.send("look", declared, private=True, timeout=5)

    with tracing.run("r1", None), tracing.step("act"):
        await both()
    await both()
    (act,) = (span for span in spans(1) if span.name == "act")
    assert sent[2:] == [None, None], "what belongs to no turn names none"
    for header in sent[:2]:
        assert header is not None
        assert header.startswith(f"00-{act.context.trace_id:032x}-{act.context.span_id:016x}-")


class Collector(BaseHTTPRequestHandler):
    """Keeps what OTLP exporters post."""

    got: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        self.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_traces_reach_a_collector(make_workspace: Callable[..., FakeWorkspace]) -> None:
    got: list[tuple[str, bytes]] = []
    collector = HTTPServer(("127.0.0.1", 0), type("Keeping", (Collector,), {"got": got}))
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    try:
        with serving(make_workspace(trace_url=f"http://127.0.0.1:{collector.server_port}/")) as site:
            run = turn(site, "hello")
    finally:
        collector.shutdown()
        collector.server_close()
    assert {path for path, _ in got} == {"/v1/traces"}
    assert any(run.encode() in body and b"senmon" in body for _, body in got)
    assert not tracing.is_on()


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://"])
async def test_an_address_that_is_none_is_refused(
    make_workspace: Callable[..., FakeWorkspace], url: str
) -> None:
    app = create_app(make_workspace(trace_url=url))
    with pytest.raises(ConfigError, match="SENMON_TRACE_URL"):
        async with app.router.lifespan_context(app):
            pass
