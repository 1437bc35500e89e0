"""A declared action against a real service: what is sent, what comes back, what may never happen."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from senmon.actions.http import HttpActions
from senmon.actions.http_client import HttpClient, reachable
from senmon.actions.runner import ActionOutcome, ActionRequest, ActionRunner
from senmon.errors import ActionDenied, ActionFailed, ActionRejected, PackCodeNotAllowed
from senmon.messages import Identity, Message
from senmon.packs.loader import load_pack
from shop_service import served

SECRET = "tok-very-secret"
TEXT = {"type": "string"}


class Service:
    """Records what arrives; answers what the test has put in `answers`, one after the other."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.answers: list[Callable[[], Any]] = []
        self.app = FastAPI()
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        self.app.add_api_route("/{path:path}", self.answer, methods=methods, response_model=None)

    async def answer(self, request: Request) -> Any:
        body = await request.body()
        self.seen.append(
            {
                "method": request.method,
                "path": request.scope["raw_path"].decode("ascii"),
                "query": request.url.query,
                "headers": dict(request.headers),
                "body": json.loads(body) if body else None,
            }
        )
        made = self.answers.pop(0)() if self.answers else JSONResponse({"id": "A1", "eta": "Friday"})
        return await made if asyncio.iscoroutine(made) else made


SERVICE = Service()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(SERVICE.app) as url:
        yield url


@pytest.fixture(autouse=True)
def fresh() -> None:
    SERVICE.seen.clear()
    SERVICE.answers.clear()


@pytest.fixture
def run(address: str, tmp_path: Path) -> Callable[..., Any]:
    """`await run({...the action's http...}, arguments)` → outcome."""

    async def go(
        http: dict[str, Any], arguments: dict[str, Any] | None = None, **options: Any
    ) -> ActionOutcome:
        customer = options.pop("customer", "demo")
        given = {"result": {"order.eta": "eta"}, **http}
        names = options.pop("parameters", ("order_id", "note"))
        spec = {
            "name": "act",
            "description": "x",
            "parameters": {"type": "object", "properties": {name: {} for name in names}},
            "identity": "customer" if "{customer_id}" in json.dumps(given) else "none",
            "timeout_seconds": options.pop("seconds", 10),
            "reply": options.pop("reply", "rephrase"),
            "http": given,
        }
        service = {"url": address, "headers": {"Authorization": "Bearer ${SHOP_TOKEN}"}}
        actions = {"runtime": "http", "http": {**service, **options.pop("service", {})}, "specs": [spec]}
        folder = tmp_path / "shop"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        manifest = {
            "name": "shop",
            "title": "S",
            "description": "S.",
            "licence": "CC0-1.0",
            "actions": actions,
        }
        (folder / "pack.yaml").write_text(json.dumps(manifest), encoding="utf-8")
        (folder / "system.md").write_text("Help.", encoding="utf-8")
        (folder / "data/x.jsonl").write_text("", encoding="utf-8")
        pack = load_pack(folder)
        runner = ActionRunner(
            options.pop("allowed", lambda pack: True), options.pop("environment", {"SHOP_TOKEN": SECRET}.get)
        )
        if (client := options.pop("client", None)) is not None:
            runner._https = HttpActions({"SHOP_TOKEN": SECRET}.get, client)
        request = ActionRequest(
            pack=pack,
            spec=pack.actions["act"],
            arguments=arguments or {},
            slots=options.pop("slots", {}),
            identity=Identity(customer=customer),
            messages=tuple(Message("user", text) for text in options.pop("said", ("hello",))),
            sender=options.pop("sender", "conversation-1"),
        )
        return await runner.run(request)

    return go


ORDER = {"url": "customers/{customer_id}/orders/{order_id}"}


async def test_the_request_is_as_declared(run: Callable[..., Any]) -> None:
    http = {**ORDER, "method": "POST", "query": {"lang": "en", "note": "{note}"}}
    http["body"] = {
        "count": "{count}",
        "note": "For {note}",
        "gone": "{missing_one}",
        "in": [{"x": "{order_id}"}],
    }
    names = ("order_id", "note", "count", "missing_one")
    arguments = {"order_id": "A1001", "note": "Mum & Dad", "count": 2}
    outcome = await run(http, arguments, parameters=names)
    (seen,) = SERVICE.seen
    assert (seen["method"], seen["path"]) == ("POST", "/customers/demo/orders/A1001")
    assert seen["query"] == "lang=en&note=Mum%20%26%20Dad"
    assert seen["body"] == {"count": 2, "note": "For Mum & Dad", "in": [{"x": "A1001"}]}
    assert seen["headers"]["authorization"] == f"Bearer {SECRET}"
    assert len(seen["headers"]["idempotency-key"]) == 36
    assert outcome.result == {"order": {"eta": "Friday"}}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("../../admin", "..%2F..%2Fadmin"),
        ("A1?admin=1#x", "A1%3Fadmin%3D1%23x"),
        ("%2e%2e%2fadmin", "%252e%252e%252fadmin"),
        ("A1/../../x", "A1%2F..%2F..%2Fx"),
        ("//evil.example/", "%2F%2Fevil.example%2F"),
        ("@evil.example", "%40evil.example"),
        ("\\evil", "%5Cevil"),
        ("é ü", "%C3%A9%20%C3%BC"),
        ("${SHOP_TOKEN}", "%24%7BSHOP_TOKEN%7D"),
        ("{customer_id}", "%7Bcustomer_id%7D"),
    ],
)
async def test_an_argument_stays_in_its_place(run: Callable[..., Any], value: str, path: str) -> None:
    await run(ORDER, {"order_id": value})
    assert [seen["path"] for seen in SERVICE.seen] == [f"/customers/demo/orders/{path}"]


@pytest.mark.parametrize("value", ["..", ".", "a\r\nX-Admin: 1", "a\x00", "x" * 600, ["a"], "\ud800"])
async def test_what_can_be_no_part_of_an_address_is_refused(run: Callable[..., Any], value: Any) -> None:
    with pytest.raises((ActionRejected, ActionFailed)):
        await run(ORDER, {"order_id": value})
    assert SERVICE.seen == []


@pytest.mark.parametrize("customer", ["..", "a/../b", "demo/orders/A1#"])
async def test_neither_is_a_strange_customer(run: Callable[..., Any], customer: str) -> None:
    try:
        await run(ORDER, {"order_id": "A1"}, customer=customer)
    except ActionRejected:
        return
    assert SERVICE.seen[0]["path"].count("/") == 4


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "é", "a\nb"])
async def test_headers_hold_one_line_of_ascii(run: Callable[..., Any], value: str) -> None:
    with pytest.raises(ActionRejected):
        await run({"url": "x", "headers": {"X-Note": "n={note}"}}, {"note": value})
    assert SERVICE.seen == []
    await run({"url": "x", "headers": {"X-Note": "n={note}"}}, {"note": "${SHOP_TOKEN}"})
    assert SERVICE.seen[0]["headers"]["x-note"] == "n=${SHOP_TOKEN}"


async def test_without_a_value_nothing_is_sent(run: Callable[..., Any]) -> None:
    assert (await run(ORDER)).result == {"missing": "order_id"}
    assert (await run(ORDER, {"order_id": ""})).result == {"missing": "order_id"}
    assert (await run({"url": "x", "query": {"n": "{note}"}, "needs": ["note"]})).result == {
        "missing": "note"
    }
    assert SERVICE.seen == []


async def test_the_customer_comes_from_the_identity_alone(run: Callable[..., Any]) -> None:
    with pytest.raises(ActionDenied):
        await run(ORDER, {"order_id": "A1"}, customer=None)
    with pytest.raises(ActionRejected):
        await run(ORDER, {"order_id": "A1", "customer_id": "robin"})
    await run(ORDER, {"order_id": "A1"}, slots={"customer_id": "robin"})
    assert [seen["path"] for seen in SERVICE.seen] == ["/customers/demo/orders/A1"]


async def test_nothing_runs_unallowed_or_without_its_variable(run: Callable[..., Any]) -> None:
    with pytest.raises(PackCodeNotAllowed):
        await run(ORDER, {"order_id": "A1"}, allowed=lambda pack: False)
    for value in ({}, {"SHOP_TOKEN": ""}, {"SHOP_TOKEN": "a\nb"}):
        with pytest.raises(ActionFailed, match="SHOP_TOKEN"):
            await run(ORDER, {"order_id": "A1"}, environment=value.get)
    assert SERVICE.seen == []


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (404, {}, {"error": "not_found"}),
        (403, {}, {"error": "not_allowed"}),
        (422, {}, {"error": "refused"}),
        (409, {"why": {"text": "is packed"}}, {"error": "too_late", "reason": "is packed"}),
        (409, {}, {"error": "too_late"}),
        (418, {"code": "teapot"}, {"error": "teapot"}),
        (418, {}, {"error": "refused"}),
    ],
)
async def test_a_refusal_is_a_result(
    run: Callable[..., Any], status: int, body: Any, result: dict[str, Any]
) -> None:
    SERVICE.answers.append(lambda: JSONResponse(body, status))
    errors = {
        409: {"error": "too_late", "fields": {"reason": "why.text"}},
        418: {"fields": {"error": "code"}},
    }
    assert (await run({"url": "x", "errors": errors})).result == result


async def test_401_asks_to_sign_in_or_blames_the_credentials(run: Callable[..., Any]) -> None:
    SERVICE.answers += [lambda: JSONResponse({}, 401)] * 2
    with pytest.raises(ActionDenied):
        await run({"url": "x"}, customer=None)
    with pytest.raises(ActionFailed, match="credentials"):
        await run({"url": "x"})


@pytest.mark.parametrize(
    ("http", "status", "tries"),
    [
        ({}, 503, 3),
        ({}, 500, 1),
        ({"method": "POST"}, 503, 1),
        ({"method": "POST"}, 429, 3),
        ({"method": "POST", "idempotent": True}, 503, 3),
        ({"method": "DELETE"}, 502, 3),
    ],
)
async def test_a_busy_service_is_asked_again_where_that_is_safe(
    run: Callable[..., Any], http: dict[str, Any], status: int, tries: int
) -> None:
    SERVICE.answers += [lambda: JSONResponse({}, status, {"Retry-After": "0"})] * 5
    with pytest.raises(ActionFailed, match=str(status)):
        await run({"url": "x", **http})
    assert len(SERVICE.seen) == tries
    assert len({seen["headers"].get("idempotency-key") for seen in SERVICE.seen}) == 1


async def test_it_recovers_and_does_not_wait_for_long(run: Callable[..., Any]) -> None:
    SERVICE.answers.append(lambda: JSONResponse({}, 503))
    assert (await run({"url": "x"})).result == {"order": {"eta": "Friday"}}
    SERVICE.answers.append(lambda: JSONResponse({}, 429, {"Retry-After": "3600"}))
    started = asyncio.get_running_loop().time()
    with pytest.raises(ActionFailed, match="429"):
        await run({"url": "x"})
    assert asyncio.get_running_loop().time() - started < 3


async def test_the_key_is_the_call_of_the_turn(run: Callable[..., Any]) -> None:
    post = {"url": "x", "method": "POST", "body": {"o": "{order_id}"}}
    first = {"arguments": {"order_id": "A1"}}
    for options in (
        first,
        first,
        {"arguments": {"order_id": "A2"}},
        {**first, "said": ("hello", "again")},
        {**first, "sender": "conversation-2"},
        {**first, "sender": "local"},
        {**first, "sender": "local"},
    ):
        await run(post, **options)
    keys = [seen["headers"]["idempotency-key"] for seen in SERVICE.seen]
    assert keys[0] == keys[1]
    assert len(set(keys[1:])) == len(keys) - 1


async def slow() -> Response:
    await asyncio.sleep(5)
    return JSONResponse({})


def endless() -> Response:
    return StreamingResponse(b"x" * 65536 for _ in range(10_000))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: RedirectResponse("http://127.0.0.1:1/other", 302), "302"),
        (lambda: Response("<html>", 200), "not JSON"),
        (lambda: Response(b"\xff\xfe", 200), "not JSON"),
        (lambda: Response("[" * 100_000, 200), "not JSON"),
        (lambda: JSONResponse({"other": 1}), "another shape"),
        (lambda: JSONResponse([]), "another shape"),
        (lambda: Response(b"\x1f\x8b\x08", 200, {"content-encoding": "gzip"}), "did not answer"),
        (endless, "took longer|did not answer"),
        (slow, "took longer|did not answer"),
    ],
)
async def test_what_no_service_should_answer_has_failed(
    run: Callable[..., Any], answer: Callable[[], Any], says: str
) -> None:
    SERVICE.answers += [answer] * 3
    with pytest.raises(ActionFailed, match=says) as caught:
        await run({"url": "x"}, seconds=1.5)
    assert SECRET not in str(caught.value)


async def test_a_dead_service_has_failed(run: Callable[..., Any]) -> None:
    with pytest.raises(ActionFailed, match="did not answer"):
        await run({"url": "x"}, service={"url": "http://127.0.0.1:9"})


async def test_fields_lists_words_and_constants(run: Callable[..., Any]) -> None:
    body = {
        "state": "SHIPPED",
        "paid": True,
        "a/b": {"~": "odd"},
        "lines": [{"name": f"Tent {number}", "n": number, "s": "a"} for number in range(9)],
        "long": "x" * 5000,
        "nothing": None,
    }
    SERVICE.answers.append(lambda: JSONResponse(body))
    http = {
        "url": "x",
        "result": {
            "order.state": "state",
            "order.paid": "paid",
            "order.odd": "/a~1b/~0",
            "order.first": "lines.0.name",
            "order.none": "nothing",
            "order.long": "long",
            "order.gone": "no.such.path",
        },
        "lists": {
            "lines": {"path": "lines", "limit": 2, "fields": {"name": "name"}},
            "said": {"path": "/lines", "limit": 3, "fields": {"n": "n", "s": "s"}, "item": "{n} ({s})",
                     "values": {"s": {"a": "b"}}},
            "absent": {"path": "state"},
        },
        "values": {"order.state": {"SHIPPED": "on its way"}, "order.paid": {"true": "paid"}},
        "constants": {"done": "looked up"},
    }  # fmt: skip
    result = dict((await run(http)).result)
    assert len(result["order"].pop("long")) == 1000
    assert result == {
        "done": "looked up",
        "order": {"state": "on its way", "paid": "paid", "odd": "odd", "first": "Tent 0"},
        "lines": [{"name": "Tent 0"}, {"name": "Tent 1"}],
        "said": "0 (b), 1 (b), 2 (b)",
    }


async def test_a_verbatim_text_and_an_answer_without_a_body(run: Callable[..., Any]) -> None:
    http = {"url": "x", "text": "It comes {order.eta}. {nothing}"}
    assert (await run(http, reply="verbatim")).texts == ("It comes Friday.",)
    SERVICE.answers.append(lambda: Response(status_code=204))
    deleting = {"url": "x", "method": "DELETE", "result": {}, "constants": {"done": "gone"}}
    assert (await run(deleting)).result == {"done": "gone"}


async def test_values_are_remembered_for_good_or_for_one_message(run: Callable[..., Any]) -> None:
    http = {"url": "x/{order_id}", "remember": {"order_id": "id"}, "remember_once": {"ticket": "eta"}}
    slots = dict((await run(http, {"order_id": "A1"}, said=("one",))).slots)
    assert slots == {"order_id": "A1", "ticket": {"value": "Friday", "after": 1}}
    again = {
        "url": "y/{order_id}",
        "method": "POST",
        "body": {"t": "{ticket}"},
        "remember_once": {"ticket": "no"},
    }
    await run(again, slots=slots, said=("one", "two"))
    await run(again, slots=slots, said=("one", "two", "three"))
    await run(again, slots={**slots, "ticket": "made up"}, said=("one", "two"))
    sent = [(seen["path"], seen["body"]) for seen in SERVICE.seen[1:]]
    assert sent == [("/y/A1", {"t": "Friday"}), ("/y/A1", {}), ("/y/A1", {})]


@pytest.mark.parametrize(
    ("host", "address", "private", "may"),
    [
        ("api.example", "93.184.216.34", False, True),
        ("api.example", "127.0.0.1", False, False),
        ("api.example", "10.0.0.8", False, False),
        ("api.example", "10.0.0.8", True, True),
        ("api.example", "169.254.169.254", False, False),
        ("api.example", "169.254.169.254", True, False),
        ("api.example", "::ffff:10.0.0.8", False, False),
        ("api.example", "64:ff9b::a00:8", False, False),
        ("api.example", "2002:a00:8::", False, False),
        ("api.example", "fd00::1", False, False),
        ("api.example", "0.0.0.0", True, False),
        ("api.example", "224.0.0.1", True, False),
        ("10.0.0.8", "10.0.0.8", False, True),
        ("localhost", "127.0.0.1", False, True),
        ("2130706433", "127.0.0.1", False, False),
    ],
)
def test_where_a_host_may_lead(host: str, address: str, private: bool, may: bool) -> None:
    assert reachable(host, address, private=private) is may


async def test_a_name_that_leads_inside_is_not_followed(run: Callable[..., Any], address: str) -> None:
    """DNS says what it likes; the address that was checked is the one connected to."""
    port = address.rpartition(":")[2]
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ("127.0.0.1",)

    inside = {"url": f"https://shop.example:{port}"}
    with pytest.raises(ActionFailed, match="private network"):
        await run({"url": "x"}, service=inside, client=HttpClient(resolve=resolve))
    assert SERVICE.seen == []
    own = {"url": f"http://shop.example:{port}", "private_network": True}
    await run({"url": "x"}, service=own, client=HttpClient(resolve=resolve))
    assert asked == ["shop.example"] * 2
    assert SERVICE.seen[0]["headers"]["host"] == f"shop.example:{port}"


async def test_no_secret_and_no_customer_is_logged(
    run: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="senmon")
    for status in (404, 500, 401):
        SERVICE.answers.append(partial(JSONResponse, {"m": "customer 4711"}, status))
    await run(ORDER, {"order_id": "A1001-x"})
    for _ in range(2):
        with pytest.raises(ActionFailed):
            await run(ORDER, {"order_id": "A1001-x"})
    assert caplog.records
    for word in (SECRET, "A1001-x", "demo", "4711"):
        assert word not in caplog.text
