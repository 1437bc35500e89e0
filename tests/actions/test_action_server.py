"""The same actions on a real rasa-sdk action server, and servers that misbehave."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from rasakit import free_port, rasa_action_server
from senmon.actions.runner import ActionOutcome, ActionRequest, ActionRunner
from senmon.actions.server import ActionServer
from senmon.errors import (
    ActionDenied,
    ActionFailed,
    ActionRejected,
    ActionUnknown,
    PackCodeNotAllowed,
    SenmonError,
)
from senmon.messages import Identity, Message
from senmon.packs.loader import load_pack
from senmon.packs.manifest import ActionSpec
from senmon.packs.pack import Pack

CODE = """
from rasa_sdk import Action, ActionExecutionRejection
from rasa_sdk.events import FollowupAction, SlotSet


class Order(Action):
    def name(self):
        return "order"

    async def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="Found it", json_message={
            "order": {"id": tracker.get_slot("order_id"), "of": tracker.get_slot("customer_id")},
            "said": tracker.latest_message["text"], "slots": sorted(domain["slots"]), "pair": (1, 2)})
        dispatcher.utter_message(response="utter_eta")
        return [SlotSet("seen", True), FollowupAction("more")]


class More(Action):
    def name(self):
        return "more"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(json_message={"seen": tracker.get_slot("seen"), "handoff": "test"})


class Refusing(Action):
    def name(self):
        return "refusing"

    async def run(self, dispatcher, tracker, domain):
        raise ActionExecutionRejection(self.name(), "secret reason")


class Broken(Action):
    def name(self):
        return "broken"

    async def run(self, dispatcher, tracker, domain):
        raise ValueError("password is hunter2")
"""
RESPONSES = "responses:\n  utter_eta:\n    - text: 'Order {order_id} is coming'\n"
PARAMETERS = {"type": "object", "properties": {"order_id": {"type": "string"}}}


def make_pack(folder: Path, runtime: str, url: str = "") -> Pack:
    names = ("order", "refusing", "broken", "absent")
    specs = [
        ActionSpec(
            name=name,
            description="x",
            parameters=PARAMETERS,
            identity="customer" if name == "order" else "none",
            timeout_seconds=5,
            reply="rephrase",
            label="",
        )
        for name in names
    ]
    manifest = {
        "name": "shop",
        "title": "Shop",
        "description": "A shop.",
        "licence": "Apache-2.0",
        "actions": {"runtime": runtime, "url": url, "specs": [each.model_dump() for each in specs]},
    }
    folder = folder / "shop"
    folder.mkdir(exist_ok=True)
    (folder / "pack.yaml").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "system.md").write_text("Help.", encoding="utf-8")
    (folder / "actions.py").write_text(CODE, encoding="utf-8")
    (folder / "responses.yml").write_text(RESPONSES, encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "x.jsonl").write_text("", encoding="utf-8")
    return load_pack(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def rasa_server(folder: Path) -> Iterator[str]:
    """`python -m rasa_sdk --actions actions` in the pack's folder."""
    with rasa_action_server(make_pack(folder, "in_process").path) as url:
        yield url


def request_of(pack: Pack, name: str) -> ActionRequest:
    return ActionRequest(
        pack=pack,
        spec=pack.actions[name],
        arguments={"order_id": "A1001"},
        slots={"cart": ["tent"]},
        identity=Identity(customer="demo"),
        messages=(Message("user", "where is A1001?"),),
    )


async def outcome_of(request: ActionRequest) -> ActionOutcome | str:
    try:
        return await ActionRunner(lambda pack: True).run(request)
    except SenmonError as error:
        return error.code


@pytest.mark.parametrize("name", ["order", "refusing", "broken", "absent"])
async def test_same_outcome_in_process_and_on_a_server(folder: Path, rasa_server: str, name: str) -> None:
    here = await outcome_of(request_of(make_pack(folder, "in_process"), name))
    there = await outcome_of(request_of(make_pack(folder, "server", rasa_server), name))
    assert here == there
    if name == "order":
        assert isinstance(here, ActionOutcome)
        assert here.result["order"] == {"id": "A1001", "of": "demo"}
        assert here.result["pair"] == [1, 2]
        assert here.texts == ("Found it", "Order A1001 is coming")
        assert here.slots == {"seen": True}
        assert here.handoff == "test"
    else:
        expected: dict[str, type[SenmonError]] = {
            "refusing": ActionRejected,
            "broken": ActionFailed,
            "absent": ActionUnknown,
        }
        assert here == expected[name].code


async def test_the_same_rules_hold_before_a_server_is_asked(folder: Path) -> None:
    pack = make_pack(folder, "server", f"http://127.0.0.1:{free_port()}/webhook")
    with pytest.raises(ActionDenied):
        await ActionRunner(lambda pack: True).run(ActionRequest(pack=pack, spec=pack.actions["order"]))
    with pytest.raises(PackCodeNotAllowed):
        await ActionRunner(lambda pack: False).run(request_of(pack, "order"))
    with pytest.raises(ActionFailed, match="did not answer"):  # nobody listens there
        await ActionRunner(lambda pack: True).run(request_of(pack, "order"))


Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


@contextmanager
def http_server(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, data = answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/webhook"
    finally:
        server.shutdown()
        server.server_close()


TRACKER = {"sender_id": "v1", "slots": {}}
OK = json.dumps({"events": [], "responses": []}).encode()


async def test_the_domain_is_sent_once_and_again_when_asked_for() -> None:
    seen: list[tuple[bool, str]] = []
    forget = False

    def answer(body: dict[str, Any]) -> tuple[int, bytes]:
        seen.append(("domain" in body, body["domain_digest"]))
        return (449, b"{}") if forget and "domain" not in body else (200, OK)

    with http_server(answer) as url:
        client = ActionServer()
        for _ in range(2):
            await client.call(url, "x", TRACKER, {"actions": ["x"]}, 2)
        assert [with_domain for with_domain, _ in seen] == [True, False]
        forget = True
        await client.call(url, "x", TRACKER, {"actions": ["x"]}, 2)
        assert [with_domain for with_domain, _ in seen] == [True, False, False, True]
        await client.call(url, "x", TRACKER, {"actions": ["y"]}, 2)
        assert seen[-1][0]
        assert seen[-1][1] != seen[0][1]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<html>", ActionFailed),
        (200, b"null", ActionFailed),
        (200, b'{"events": "x", "responses": []}', ActionFailed),
        (200, b"[" * 100_000, ActionFailed),
        (200, b"x" * 300_000, ActionFailed),
        (500, b'{"error": "hunter2"}', ActionFailed),
        (302, b"", ActionFailed),
        (449, b"{}", ActionFailed),
        (400, b"not json", ActionRejected),
        (404, b"{}", ActionUnknown),
    ],
)
async def test_a_misbehaving_server_is_an_error(status: int, body: bytes, error: type[SenmonError]) -> None:
    with http_server(lambda payload: (status, body)) as url, pytest.raises(error) as caught:
        await ActionServer().call(url, "x", TRACKER, {}, 2)
    assert "hunter2" not in str(caught.value)


async def test_a_compressed_answer_is_not_unpacked() -> None:
    """It was not asked for, and a few kilobytes could be gigabytes."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["accept-encoding"])
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(OK))

    with pytest.raises(ActionFailed):
        await ActionServer(httpx.MockTransport(answer)).call("http://actions/webhook", "x", TRACKER, {}, 2)
    assert asked == ["identity"]


async def test_a_slow_server_fails_in_time(folder: Path) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, bytes]:
        time.sleep(0.6)
        return 200, b""

    with http_server(answer) as url, pytest.raises(ActionFailed):
        await ActionServer().call(url, "x", TRACKER, {}, 0.2)


@pytest.mark.parametrize("url", ["", "ftp://x/y", "http://", "nonsense"])
async def test_a_wrong_address_is_an_action_failure(url: str) -> None:
    with pytest.raises(ActionFailed):
        await ActionServer().call(url, "x", TRACKER, {}, 1)
