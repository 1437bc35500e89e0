"""Declared HTTP actions: what `senmon check` refuses, and what a permission is bound to."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from senmon.errors import PackInvalid
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.packs.permission import Permissions
from senmon.packs.reach import destinations, permission_digest

ORDER: dict[str, Any] = {
    "name": "order_status",
    "description": "where an order is",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    "identity": "customer",
    "http": {
        "url": "customers/{customer_id}/orders/{order_id}",
        "result": {"order.eta": "delivery.eta"},
    },
}
ACTIONS: dict[str, Any] = {
    "runtime": "http",
    "http": {"url": "https://api.shop.example/v1", "headers": {"Authorization": "Bearer ${SHOP_TOKEN}"}},
    "specs": [ORDER],
}


def write(folder: Path, actions: dict[str, Any]) -> Path:
    folder = folder / "shop"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    manifest = {"name": "shop", "title": "S", "description": "S.", "licence": "CC0-1.0", "actions": actions}
    (folder / "pack.yaml").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    (folder / "system.md").write_text("Help.", encoding="utf-8")
    (folder / "data/x.jsonl").write_text("", encoding="utf-8")
    return folder


def changed(path: str, value: Any) -> dict[str, Any]:
    """ACTIONS with the value at `http.url`, or at `0.http.url` of the first action, replaced."""
    actions = copy.deepcopy(ACTIONS)
    *above, last = path.split(".")
    inside: Any = actions
    if above[:1] == ["0"]:
        inside, above = actions["specs"][0], above[1:]
    for part in above:
        inside = inside.setdefault(part, {})
    inside[last] = value
    return actions


def made(folder: Path, actions: dict[str, Any]) -> Pack:
    return load_pack(write(folder, actions))


def test_a_pack_without_python_loads(tmp_path: Path) -> None:
    pack = made(tmp_path, ACTIONS)
    (found,) = destinations(pack)
    assert found.url == "https://api.shop.example/v1/customers/{customer_id}/orders/{order_id}"
    assert found.variables == ("SHOP_TOKEN",)
    assert pack.code_digest == ""


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("0.http.url", "https://{order_id}.shop.example/{customer_id}", "the host must not depend"),
        ("0.http.url", "https://shop.example:{order_id}/{customer_id}", "is no address|must not depend"),
        ("0.http.url", "https://me:pw@shop.example/{customer_id}", "user or password"),
        ("0.http.url", "file:///etc/{customer_id}", "no http address"),
        ("0.http.url", "https://shop.example/{customer_id}?a={order_id}", "after the question mark"),
        ("0.http.url", "https://shop.example/{customer_id}#x", "fragment"),
        ("0.http.url", "https://shop.example/../{customer_id}", "in its path"),
        ("0.http.url", "https://shop.example/{customer_id}/{order-id}", "brace that belongs to no"),
        ("0.http.url", "https://shop.example/a b/{customer_id}", "white space"),
        ("0.http.url", "https://shop.example/${SHOP_TOKEN}/{customer_id}", "white space, a backslash or"),
        ("http.url", "http://api.shop.example", "unencrypted"),
        ("http.url", "", "no http address"),
        ("http.headers", {"X-Key": "${SENMON_JWT_SECRET}"}, "senmon's own"),
        ("http.headers", {"X-Key": "a\r\nX-Admin: 1"}, "line break"),
        ("http.headers", {"X Key": "a"}, "no header's name"),
        ("http.headers", {"Host": "evil.example"}, "sets `Host` itself"),
        ("0.http.headers", {"Content-Length": "3"}, "sets `Content-Length` itself"),
        ("0.http.url", "orders/{order_id}", "not told who the customer is"),
        ("0.identity", "none", "for a verified customer only"),
        ("0.http.query", {"q": "{ordr_id}"}, "{ordr_id} is neither an argument"),
        ("0.http.body", {"q": "{order_id}"}, "a GET has no body"),
        ("0.http.needs", ["address"], "in no template"),
        ("0.http.errors", {"200": {"error": "x"}}, "greater than or equal to 400"),
        ("0.http.errors", {"404": {"fields": {"Error": "x"}}}, "pattern"),
        ("0.http.remember", {"customer_id": "id"}, "identity is set by the server"),
        ("0.http.remember_once", {"order_id": "id"}, "the model could make it up"),
        ("0.http.values", {"order.state": {"a": "b"}}, "no field `order.state`"),
        ("0.http.result", {"order": "a", "order.eta": "b"}, "can't both be fields"),
        ("0.http.lists", {"l": {"path": "a", "item": "{x}"}}, "none of its fields"),
        ("0.http.method", "TRACE", "GET"),
        ("0.http.metod", "GET", "did you mean `method`"),
        ("0.reply", "verbatim", "needs its text"),
        ("0.http", None, "declares no request"),
        ("0.handover", True, "a handover sends no request"),
    ],
)
def test_a_wrong_declaration_is_told_with_its_place(tmp_path: Path, path: str, value: Any, says: str) -> None:
    with pytest.raises(PackInvalid, match=says) as caught:
        made(tmp_path, changed(path, value))
    problem = caught.value.problems[0]
    assert problem.line > 1 and problem.field.startswith("actions") and problem.remedy


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/v1", "http://localhost:9000", "http://[::1]:9000"])
def test_a_token_may_go_unencrypted_to_this_machine(tmp_path: Path, url: str) -> None:
    assert made(tmp_path, changed("http.url", url))


def test_all_faults_come_together(tmp_path: Path) -> None:
    actions = changed("0.http.query", {"q": "{nobody}"})
    actions["http"]["headers"] = {"Host": "x"}
    with pytest.raises(PackInvalid) as caught:
        made(tmp_path, actions)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("http.url", "https://api.evil.example/v1"),
        ("http.headers", {"Authorization": "Bearer ${AWS_SECRET_ACCESS_KEY}"}),
        ("http.private_network", True),
        ("0.http.method", "DELETE"),
        ("0.http.url", "https://evil.example/{customer_id}"),
        ("0.http.query", {"q": "{order_id}"}),
    ],
)
def test_another_address_or_variable_asks_again(tmp_path: Path, path: str, value: Any) -> None:
    permissions = Permissions(tmp_path / "home")
    pack = made(tmp_path / "a", ACTIONS)
    assert permissions.state(pack) == "not allowed"
    permissions.allow(pack)
    assert permissions.state(pack) == "allowed"
    assert permissions.state(made(tmp_path / "b", changed(path, value))) == "changed"


def test_other_words_of_the_answer_do_not(tmp_path: Path) -> None:
    permissions = Permissions(tmp_path / "home")
    permissions.allow(made(tmp_path / "a", ACTIONS))
    other = changed("0.http.result", {"order.eta": "eta"})
    assert permissions.allowed(made(tmp_path / "b", other))


def test_an_action_server_is_part_of_the_permission(tmp_path: Path) -> None:
    """A pack without Python of its own, whose server another one takes the place of."""
    spec = {name: value for name, value in ORDER.items() if name != "http"}
    permissions = Permissions(tmp_path / "home")
    here, there = (
        made(tmp_path / name, {"runtime": "server", "url": f"http://{name}.example/webhook", "specs": [spec]})
        for name in ("here", "there")
    )
    assert permissions.state(here) == "not allowed" and not permissions.allowed(here)
    permissions.allow(here)
    assert permissions.allowed(here) and permissions.state(there) == "changed"


def test_without_addresses_the_python_alone_counts(tmp_path: Path) -> None:
    folder = write(tmp_path, {"specs": [{"name": "a", "description": "x"}]})
    (folder / "actions.py").write_text("x = 1\n", encoding="utf-8")
    pack = load_pack(folder)
    assert permission_digest(pack) == pack.code_digest != ""


def test_a_handover_needs_no_code_and_no_permission(tmp_path: Path) -> None:
    pack = made(tmp_path, {"specs": [{"name": "person", "description": "x", "handover": True}]})
    assert Permissions(tmp_path / "home").state(pack) == "no code"
