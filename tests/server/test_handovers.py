"""What a person gets who takes a conversation over, and who may get it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.checks.registry import build_checks
from senmon.engines.protocol import GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.knowledge import Knowledge
from senmon.messages import ToolCall
from senmon.packs.loader import load_pack
from senmon.rendering import prefix_message
from senmon.server.auth import Authenticator
from senmon.server.secret import load_secret
from server_rig import HOST_SECRET, FakeWorkspace, Site, client_of, serving
from tiny import MANIFEST

KEY = "sk-0123456789abcdef0123456789abcdef"
PERSON = {
    "name": "request_person",
    "description": "hand over to a person",
    "parameters": {"type": "object", "properties": {"reason": {"type": "string"}}},
    "handover": True,
}


def script(request: GenerateRequest) -> str | ToolCall:
    last = request.messages[-1]
    text = next(each.content for each in reversed(request.messages) if each.role == "user")
    if last.role == "tool" and last.name != "context":
        return "It should arrive on [[order.eta]]."
    if "A1001" in text:
        return ToolCall("c1", "order_status", {"order_id": "A1001"})
    if "person" in text:
        return ToolCall("c2", "request_person", {"reason": "complaint"})
    if "price" in text:
        return "It costs 93 euros."
    return "You have [[article.return_days]] to send it back."


def with_real_assistant(workspace: FakeWorkspace, folder: Path) -> FakeWorkspace:
    pack = load_pack(folder)
    checks = build_checks(pack.manifest.checks)
    shop = ServedPack(pack, prefix_message(pack), Knowledge(pack.articles, None), checks)
    catalog = Catalog(packs={"shop": shop})
    workspace.assistant = Assistant(ScriptedEngine(script), ActionRunner(lambda each: True), lambda: catalog)  # type: ignore[assignment]
    return workspace


def finish(site: Site, conversation: str, text: str, client_id: str) -> None:
    run = site.say(conversation, text, client_id, pack="shop").json()["run_id"]
    assert site.events(run)[-1]["type"] == "done"


def test_a_person_gets_everything(
    make_workspace: Callable[..., Any], pack_folder: Callable[..., Path]
) -> None:
    folder = pack_folder(actions={"specs": [*MANIFEST["actions"]["specs"], PERSON]})
    workspace = with_real_assistant(make_workspace(jwt_secret=HOST_SECRET, api_keys=(KEY,)), folder)
    with serving(workspace) as site:
        token = auth_of(site).issue_visitor("v1", customer="demo").value
        site.client = client_of(site.url, Authorization=f"Bearer {token}")
        conversation = site.conversation()
        for number, text in enumerate(
            ("How long can I return an item?", "where is A1001?", "what is the price", "I want a person NOW")
        ):
            finish(site, conversation, text, str(number))
        desk = client_of(site.url, Authorization=f"Bearer {KEY}")
        (listed,) = desk.get("/v1/handovers").json()["handovers"]
        assert listed["reason"] == "complaint" and listed["customer"] == "demo"
        found = desk.get(f"/v1/handovers/{listed['id']}").json()
        check_package(found)
        assert found["transcript"][-1]["text"] == workspace.catalog.packs["shop"].pack.manifest.texts.handoff
        closed = desk.post(f"/v1/handovers/{listed['id']}/close").json()
        assert closed["state"] == "closed"
        assert desk.get("/v1/handovers").json() == {"handovers": []}
        assert desk.post(f"/v1/handovers/{listed['id']}/close").json()["state"] == "closed"
        assert desk.get(f"/v1/handovers/{listed['id']}").status_code == 200
        refused(site, listed["id"], token)


def auth_of(site: Site) -> Authenticator:
    home = site.workspace.settings.home.expanduser().absolute()
    return Authenticator(site.workspace, load_secret(home))


def check_package(found: dict[str, Any]) -> None:
    assert [line["role"] for line in found["transcript"]] == ["visitor", "assistant"] * 4
    assert found["transcript"][2]["text"] == "where is A1001?"
    assert found["transcript"][3]["text"] == "It should arrive on Friday."
    assert found["facts"] == {"article.return_days": "30 days", "order.eta": "Friday"}
    assert [(each["name"], each["arguments"], each["status"]) for each in found["actions"]] == [
        ("order_status", {"order_id": "A1001"}, "finished"),
        ("request_person", {"reason": "complaint"}, "finished"),
    ]
    assert {each["check"] for each in found["failed_checks"]} == {"grounded"}
    assert all(each["reason"] for each in found["failed_checks"])
    assert [route["pack"] for route in found["routes"]] == ["shop"] * 4
    assert "returns" in [each["id"] for each in found["sources"]]
    summary = found["summary"]
    for word in ("complaint", "4 messages", "shop", "order_status(A1001) finished", "Friday", "person NOW"):
        assert word in summary


def refused(site: Site, id: str, visitor: str) -> None:
    """Visitors, strangers and other sites' ids get nothing."""
    for headers in ({}, {"Authorization": f"Bearer {visitor}"}, {"Authorization": "Bearer sk-" + "0" * 32}):
        client = client_of(site.url, **headers)
        for method, path in (("GET", ""), ("GET", f"/{id}"), ("POST", f"/{id}/close")):
            assert client.request(method, f"/v1/handovers{path}").status_code == 401
    desk = client_of(site.url, Authorization=f"Bearer {KEY}")
    answer = desk.get("/v1/handovers/nobody")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "handover_not_found"


def test_another_sites_key_sees_nothing(make_workspace: Callable[..., Any]) -> None:
    with serving(make_workspace()) as site:
        store = site.workspace.store
        mine, _ = site.call(store.add_key("desk"))
        theirs, _ = site.call(store.add_key("desk", site="other"))
        conversation = site.conversation()
        run = site.say(conversation, "person please").json()["run_id"]
        assert site.events(run)[-1]["type"] == "done"
        desk = client_of(site.url, Authorization=f"Bearer {mine}")
        (listed,) = desk.get("/v1/handovers").json()["handovers"]
        stranger = client_of(site.url, Authorization=f"Bearer {theirs}")
        assert stranger.get("/v1/handovers").json() == {"handovers": []}
        assert stranger.get(f"/v1/handovers/{listed['id']}").status_code == 404
        assert stranger.post(f"/v1/handovers/{listed['id']}/close").status_code == 404
