"""The actions of the shipped pack `support`, in process and on a real rasa-sdk action server."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from senmon.actions.runner import ActionOutcome, ActionRequest, ActionRunner
from senmon.dataset.loading import load_dataset
from senmon.errors import ActionDenied, ActionRejected
from senmon.messages import Identity, Message
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.rendering import flatten_facts

FOLDER = Path(__file__).parents[2] / "domains" / "support"
DEMO = Identity(customer="demo")


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(FOLDER)


async def run(pack: Pack, name: str, arguments: dict[str, Any], identity: Identity = DEMO) -> ActionOutcome:
    messages = (Message("user", "hello"),)
    request = ActionRequest(
        pack=pack, spec=pack.actions[name], arguments=arguments, identity=identity, messages=messages
    )
    return await ActionRunner(lambda pack: True).run(request)


STATUSES = {"A1001": "shipped", "A1002": "delivered", "A1003": "delayed", "A1004": "processing"}


@pytest.mark.parametrize(("number", "status"), STATUSES.items())
async def test_the_demo_customer_sees_their_orders(pack: Pack, number: str, status: str) -> None:
    order = (await run(pack, "order_status", {"order_id": number})).result["order"]
    assert order["id"] == number
    assert order["status"] == status
    assert all(isinstance(value, str) and value for value in order.values())


@pytest.mark.parametrize("typed", ["a1001", "A-1001", "#1001", "1001"])
async def test_numbers_as_people_type_them(pack: Pack, typed: str) -> None:
    assert (await run(pack, "order_status", {"order_id": typed})).result["order"]["id"] == "A1001"


async def test_another_customers_order_and_no_order_get_the_same_answer(pack: Pack) -> None:
    theirs = (await run(pack, "order_status", {"order_id": "A1005"})).result
    nobodys = (await run(pack, "order_status", {"order_id": "A9999"})).result
    assert theirs == {"error": "not_found", "order": {"id": "A1005"}}
    assert nobodys == {"error": "not_found", "order": {"id": "A9999"}}
    robin = await run(pack, "order_status", {"order_id": "A1005"}, Identity(customer="robin"))
    assert robin.result["order"]["status"] == "shipped"
    for hostile in ("' OR 1=1 --", "A1005' --", "١٠٠١"):
        with_hostile = await run(pack, "order_status", {"order_id": hostile})
        assert with_hostile.result["error"] == "not_found"


@pytest.mark.parametrize(
    ("name", "arguments"), [("order_status", {"order_id": "A1001"}), ("list_orders", {})]
)
async def test_orders_need_a_verified_customer(pack: Pack, name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ActionDenied):
        await run(pack, name, arguments, Identity())


async def test_the_list_of_orders(pack: Pack) -> None:
    orders = (await run(pack, "list_orders", {})).result["orders"]
    assert orders["count"] == 4
    assert orders["list"].startswith("A1004 (being packed), A1001 (on its way)")
    assert "A1005" not in orders["list"]
    assert (await run(pack, "list_orders", {}, Identity(customer="new"))).result == {"orders": {"count": 0}}


@pytest.mark.parametrize(
    ("product", "state"), [("ridge tent", "in_stock"), ("Sedge mat", "low"), ("DRIFT POLES", "sold_out")]
)
async def test_stock_is_for_everybody(pack: Pack, product: str, state: str) -> None:
    found = (await run(pack, "stock", {"product": product}, Identity())).result["product"]
    assert found["stock"] == state
    assert ("back" in found) == (state == "sold_out")
    assert (await run(pack, "stock", {"product": "yacht"})).result == {"error": "not_found"}


async def test_a_person_can_be_asked_for(pack: Pack) -> None:
    outcome = await run(pack, "request_person", {"reason": "asked"}, Identity())
    assert outcome.handoff == "asked"
    assert outcome.texts == (pack.manifest.texts.handoff,)
    with pytest.raises(ActionRejected):
        await run(pack, "request_person", {"reason": "because"}, Identity())


async def test_every_product_can_be_chosen(pack: Pack) -> None:
    database = sqlite3.connect(":memory:")
    database.executescript((FOLDER / "shop.sql").read_text(encoding="utf-8"))
    names = [name for (name,) in database.execute("SELECT name FROM product")]
    database.close()
    assert len(names) >= 12
    pattern = pack.actions["stock"].candidates["product"]
    for name in names:
        assert re.findall(pattern, f"is the {name.lower()} there?") == [name.lower()]


async def test_the_data_names_only_fields_that_the_actions_give(pack: Pack) -> None:
    """By status: what a reply refers to in training is there when serving."""
    given: dict[str, set[str]] = {}
    people = {"demo": ("A1001", "A1002", "A1003", "A1004"), "robin": ("A1006", "A1007")}
    for customer, numbers in people.items():
        for number in numbers:
            result = await run(pack, "order_status", {"order_id": number}, Identity(customer=customer))
            given[result.result["order"]["status"]] = set(flatten_facts(result.result))
    checked = 0
    for example in load_dataset(pack).examples:
        for message in example.messages:
            if message.role == "tool" and message.name == "order_status" and '"status"' in message.content:
                result_facts = json.loads(message.content)
                assert set(flatten_facts(result_facts)) <= given[result_facts["order"]["status"]]
                checked += 1
    assert checked > 400


@pytest.fixture(scope="module")
def action_server() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "SANIC_HOST": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "-p", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=FOLDER, env=environment, stdout=quiet, stderr=quiet)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/webhook"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail("the action server did not start")


async def test_the_same_on_an_action_server(pack: Pack, action_server: str) -> None:
    actions = pack.manifest.actions.model_copy(update={"runtime": "server", "url": action_server})
    remote = replace(pack, manifest=pack.manifest.model_copy(update={"actions": actions}))
    calls: list[tuple[str, dict[str, Any]]] = [
        ("order_status", {"order_id": "a1003"}),
        ("order_status", {"order_id": "A1005"}),
        ("list_orders", {}),
        ("stock", {"product": "lark headlamp"}),
        ("request_person", {"reason": "order"}),
    ]
    for name, arguments in calls:
        assert await run(remote, name, arguments) == await run(pack, name, arguments)
