"""What the widget lives on: its files, the page for iframes, retries, forms, ratings, transcripts, limits."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from senmon.errors import ConfigError, RateLimited, RequestInvalid
from senmon.messages import Identity, Message
from senmon.server import widget
from senmon.server.address import Addresses
from senmon.server.files import FolderFiles
from senmon.server.limits import Limits
from senmon.server.prechat import check_prechat, check_schema
from senmon.server.registering import new_site
from senmon.server.secret import load_secret
from senmon.settings import Settings
from server_rig import FakeWorkspace, Site, client_of, serving

SHOP = "https://shop.example"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "email": {"type": "string", "format": "email", "title": "E-mail"},
        "topic": {"type": "string", "enum": ["order", "return"]},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "news": {"type": "boolean"},
    },
    "required": ["email"],
}
Make = Callable[..., FakeWorkspace]


@pytest.fixture(autouse=True)
def _sites_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senmon.server.sites.FRESH_SECONDS", 0.0)


def add_site(site: Site, tmp_path: Path, **wishes: Any) -> dict[str, Any]:
    """A site in a running server, and a visitor of it."""
    if "prechat" in wishes:
        path = tmp_path / "prechat.json"
        path.write_text(__import__("json").dumps(wishes["prechat"]), encoding="utf-8")
        wishes["prechat"] = path
    made = new_site(load_secret(site.workspace.settings.home), "shop", origins=[SHOP], **wishes)
    site.call(site.workspace.store.sites.add(made.site))
    body = {"site_key": made.site.public_key}
    given: dict[str, Any] = site.anonymous.post("/v1/visitors", json=body, headers={"Origin": SHOP}).json()
    return {**given, "key": made.site.public_key}


# --- files


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "v1"
    folder.mkdir()
    (folder / "senmon-chat.js").write_text("export const a = 1;\n" * 100, encoding="utf-8")
    (folder / "katex-X2QLST4K.js").write_text("x", encoding="utf-8")
    (folder / "KaTeX_Main-Regular-ARRPAO67.woff2").write_bytes(b"font" * 300)
    (folder / ".hidden.js").write_text("x", encoding="utf-8")
    (folder / "notes.exe").write_text("x", encoding="utf-8")
    (tmp_path / "secret.js").write_text("x", encoding="utf-8")
    monkeypatch.setattr(widget, "_widget", FolderFiles(folder))
    return folder


def test_widget_files_are_for_every_page(site: Site, bundle: Path) -> None:
    entry = site.anonymous.get("/widget/v1/senmon-chat.js", headers={"Origin": "https://any.example"})
    assert entry.status_code == 200 and entry.text.startswith("export const a")
    assert entry.headers["content-type"] == "text/javascript; charset=utf-8"
    assert entry.headers["access-control-allow-origin"] == "*"
    assert entry.headers["cross-origin-resource-policy"] == "cross-origin"
    assert entry.headers["x-content-type-options"] == "nosniff"
    assert entry.headers["cache-control"] == "public, no-cache"
    assert entry.headers["content-encoding"] == "gzip"
    for name in ("katex-X2QLST4K.js", "KaTeX_Main-Regular-ARRPAO67.woff2"):
        assert "immutable" in site.anonymous.get(f"/widget/v1/{name}").headers["cache-control"]
    font = site.anonymous.get("/widget/v1/KaTeX_Main-Regular-ARRPAO67.woff2")
    assert font.headers["content-type"] == "font/woff2" and "content-encoding" not in font.headers


def test_widget_files_are_asked_for_again_by_etag(site: Site, bundle: Path) -> None:
    plain = site.anonymous.get("/widget/v1/senmon-chat.js", headers={"Accept-Encoding": "identity"})
    packed = site.anonymous.get("/widget/v1/senmon-chat.js", headers={"Accept-Encoding": "gzip"})
    assert plain.headers["etag"] != packed.headers["etag"] and plain.content == packed.content
    assert "Accept-Encoding" in plain.headers["vary"]
    for tag in (packed.headers["etag"], f"W/{packed.headers['etag']}", f'"x", {packed.headers["etag"]}'):
        known = site.anonymous.get(
            "/widget/v1/senmon-chat.js", headers={"Accept-Encoding": "gzip", "If-None-Match": tag}
        )
        assert known.status_code == 304 and known.content == b""
        assert known.headers["access-control-allow-origin"] == "*"
    (bundle / "senmon-chat.js").write_text("export const b = 2;\n" * 100, encoding="utf-8")
    fresh = site.anonymous.get("/widget/v1/senmon-chat.js", headers={"If-None-Match": packed.headers["etag"]})
    assert fresh.status_code == 200 and fresh.text.startswith("export const b")


@pytest.mark.parametrize(
    "name",
    [
        *("nothing.js", ".hidden.js", "notes.exe", "", "v1", "..%2fsecret.js", "%2e%2e/secret.js"),
        *("....//secret.js", "senmon-chat.js%00", "a" * 200 + ".js"),
    ],
)
def test_nothing_else_is_served(site: Site, bundle: Path, name: str) -> None:
    assert site.anonymous.get(f"/widget/v1/{name}").status_code in (404, 422)


def test_the_shipped_bundle_is_served(site: Site) -> None:
    entry = site.anonymous.get("/widget/v1/senmon-chat.js")
    assert entry.status_code == 200
    assert len(gzip.compress(entry.content, 9)) < 35_000


# --- pages


def test_only_the_sites_pages_may_frame_the_chat(site: Site, tmp_path: Path) -> None:
    given = add_site(site, tmp_path)
    page = site.anonymous.get("/chat", params={"site_key": given["key"], "lang": "ja"})
    policy = page.headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors {SHOP}") and "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy and "x-frame-options" not in page.headers
    assert page.headers["cache-control"] == "no-cache"
    assert re.findall(r"<script[^>]*>", page.text) == [
        '<script type="module" src="widget/v1/senmon-chat.js" data-site-key="" data-page>'
    ]
    unknown = site.anonymous.get("/chat", params={"site_key": "pk_<script>"})
    assert unknown.status_code == 404 and "<script>" not in unknown.text
    own = site.anonymous.get("/chat").headers["content-security-policy"]
    assert own.endswith("frame-ancestors 'self'")


def test_demo_pages_come_with_the_demo_only(
    make_workspace: Make, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.html").write_text("<!doctype html><title>Shop</title>", encoding="utf-8")
    (tmp_path / "index.html").write_text("<!doctype html><title>Demo</title>", encoding="utf-8")
    (tmp_path / "shop.css").write_text("p{}", encoding="utf-8")
    monkeypatch.setattr(widget, "_demo", FolderFiles(tmp_path))
    assert site.anonymous.get("/demo/shop").status_code == 404
    assert "/demo/{name}" not in site.anonymous.get("/openapi.json").json()["paths"]
    with serving(make_workspace(demo=True)) as demo:
        page = demo.anonymous.get("/demo/shop")
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert page.headers["x-frame-options"] == "DENY"
        assert "unsafe" not in page.headers["content-security-policy"]
        assert demo.anonymous.get("/demo/shop.css").headers["content-type"].startswith("text/css")
        assert demo.anonymous.get("/demo/nothing").status_code == 404
        front = demo.anonymous.get("/")
        assert (front.status_code, front.headers["location"]) == (307, "demo/index")


# --- retry and edit


def run_of(site: Site, conversation: str, text: str, id: str, **more: Any) -> str:
    answer = site.say(conversation, text, id, **more)
    assert answer.status_code == 202, answer.text
    run = str(answer.json()["run_id"])
    site.events(run)
    return run


def said(site: Site, conversation: str) -> list[str]:
    found = site.client.get(f"/v1/conversations/{conversation}").json()["messages"]
    return [message["text"] for message in found if message["role"] == "user"]


def test_an_edited_message_takes_the_place_of_the_last(site: Site) -> None:
    conversation = site.conversation()
    first = run_of(site, conversation, "first", "1")
    second = run_of(site, conversation, "sekond", "2")
    third = run_of(site, conversation, "second", "3", replaces=second)
    assert said(site, conversation) == ["first", "second"]
    state = site.workspace.assistant.asked[-1][0]
    assert [m.content for m in state.messages if m.role == "user"] == ["first"]
    # Sent again: the same run. Not the last any more: refused, and nothing changes.
    again = site.say(conversation, "second", "3", replaces=second)
    assert again.json()["run_id"] == third
    for wrong in (first, second):
        late = site.say(conversation, "other", "4", replaces=wrong)
        assert late.status_code in (404, 409), wrong
    assert said(site, conversation) == ["first", "second"]
    run_of(site, conversation, "second!", "5", replaces=third)
    assert said(site, conversation) == ["first", "second!"]
    # What was replaced is still stored.
    assert site.call(site.workspace.store.events(second))[0].type == "run"


def test_what_may_not_be_replaced(site: Site) -> None:
    conversation, other = site.conversation(), site.conversation()
    elsewhere = run_of(site, other, "hello", "1")
    assert site.say(conversation, "x", "1", replaces=elsewhere).json()["error"]["code"] == "run_not_found"
    assert site.say(conversation, "x", "1", replaces="../etc").status_code == 422
    running = site.say(conversation, "wait here", "2").json()["run_id"]
    busy = site.say(conversation, "hurry", "3", replaces=running)
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "run_conflict")
    site.client.delete(f"/v1/runs/{running}")
    stopped = site.say(conversation, "hello", "4", replaces=running)
    assert stopped.status_code == 202


def test_nothing_is_replaced_behind_a_persons_back(site: Site) -> None:
    conversation = site.conversation()
    run = run_of(site, conversation, "person please", "1")
    (mine,) = [
        each
        for each in site.anonymous.get("/v1/handovers").json()["handovers"]
        if each["conversation_id"] == conversation
    ]
    site.anonymous.post(f"/v1/handovers/{mine['id']}/accept", json={"agent": "Ann"})
    site.anonymous.post(f"/v1/handovers/{mine['id']}/messages", json={"text": "Hello"})
    site.anonymous.post(f"/v1/handovers/{mine['id']}/close")
    late = site.say(conversation, "other", "2", replaces=run)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "run_conflict")
    run_of(site, conversation, "hello", "3")
    told = site.workspace.assistant.asked[-1][0].messages
    assert told[-1] == Message("assistant", "Hello")


# --- questions before a conversation


def test_answers_are_checked_stored_and_shown_to_the_person(make_workspace: Make, tmp_path: Path) -> None:
    with serving(make_workspace()) as site:
        given = add_site(site, tmp_path, prechat=SCHEMA)
        assert given["site"]["prechat"]["properties"].keys() == SCHEMA["properties"].keys()
        site.client = client_of(site.url, Authorization=f"Bearer {given['token']}", Origin=SHOP)
        for prechat, field in (
            (None, "prechat.email"),
            ({}, "prechat.email"),
            ({"email": "nonsense"}, "prechat.email"),
            ({"email": "a@b.example", "topic": "weather"}, "prechat.topic"),
            ({"email": "a@b.example", "age": 200}, "prechat.age"),
            ({"email": "a@b.example", "age": "old"}, "prechat.age"),
            ({"email": "a@b.example", "more": 1}, "prechat"),
            ({"email": "a\x00@b.example"}, "prechat.email"),
            ({"email": "a" * 300 + "@b.example"}, "prechat.email"),
        ):
            answer = site.client.post("/v1/conversations", json={"prechat": prechat})
            assert answer.status_code == 422, prechat
            assert answer.json()["error"]["problems"][0]["field"] == field
            assert "nonsense" not in answer.text and "weather" not in answer.text
        body = {"client_id": "c1", "prechat": {"email": " a@b.example ", "topic": "order"}}
        made = [site.client.post("/v1/conversations", json=body).json()["conversation_id"] for _ in range(2)]
        assert made[0] == made[1]
        site.client.post(f"/v1/conversations/{made[0]}/handover", json={})
        (waiting,) = site.anonymous.get("/v1/handovers").json()["handovers"]
        detail = site.anonymous.get(f"/v1/handovers/{waiting['id']}").json()
        assert detail["prechat"] == {"email": "a@b.example", "topic": "order"}


def test_who_signed_in_need_not_answer() -> None:
    schema = check_schema(SCHEMA)
    assert check_prechat(schema, None, needed=False) is None
    with pytest.raises(RequestInvalid, match="is needed"):
        check_prechat(schema, None, needed=True)
    assert check_prechat(None, None, needed=True) is None
    with pytest.raises(RequestInvalid, match="asks for nothing"):
        check_prechat(None, {"a": 1}, needed=True)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ([], "no object schema"),
        ({"type": "array"}, "no object schema"),
        ({"type": "object", "properties": {}}, "1 to 20 properties"),
        ({"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(21)}}, "1 to 20"),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+$"}}}, "pattern is not"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, r"\$ref is not"),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, "type must be"),
        ({"type": "object", "properties": {"a b": {"type": "string"}}}, "is no name"),
        ({"type": "object", "properties": {"a": {"type": "string", "maxLength": 10**9}}}, "maxLength must"),
        ({"type": "object", "properties": {"a": {"type": "string", "enum": []}}}, "enum must"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]}, "required"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "allOf": []}, "allOf: is not"),
        ({"type": "object", "properties": {"a": {"type": "integer", "minimum": "x"}}}, "'x' is not of type"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
            "must be false",
        ),
    ],
)
def test_schemas_that_are_not_safe_are_explained(schema: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        check_schema(schema)


# --- ratings and transcripts


def test_a_rating_is_given_once(site: Site) -> None:
    conversation = site.conversation()
    path = f"/v1/conversations/{conversation}/rating"
    for wrong in ({"score": 0}, {"score": 6}, {"score": "5x"}, {}, {"score": 3, "comment": "x" * 2001}):
        assert site.client.post(path, json=wrong).status_code == 422
    assert site.client.get(f"/v1/conversations/{conversation}").json()["rated"] is False
    assert site.client.post(path, json={"score": 5, "comment": "quick"}).status_code == 201
    again = site.client.post(path, json={"score": 1})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_rated")
    assert site.client.get(f"/v1/conversations/{conversation}").json()["rated"] is True


def test_a_transcript_quotes_and_escapes(site: Site) -> None:
    conversation = site.conversation()
    run_of(site, conversation, "hello\n# not a heading\n> nor this", "1")
    answer = site.client.get(f"/v1/conversations/{conversation}/transcript")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    name = answer.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="conversation-\d{4}-\d\d-\d\d\.md"', name)
    lines = answer.text.splitlines()
    assert lines[0].startswith("# Conversation, ")
    assert "> # not a heading" in lines and "> > nor this" in lines
    assert "> You can send it back within 30 days." in lines and "Sources: Returns" in lines
    assert [line for line in lines if line.startswith("#")] == lines[:1]
    assert "会話の記録" in site.client.get(answer.request.url.path, params={"lang": "ja"}).text
    assert site.client.get(answer.request.url.path, params={"lang": "<b>"}).status_code == 422


# --- limits


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


async def test_visitor_address_and_site_are_limited_apart() -> None:
    limits = Limits(settings(rate_limit_per_minute=2, rate_limit_per_address=5, rate_limit_per_site=6))
    ann, bob, eve = (Identity("shop", name) for name in ("ann", "bob", "eve"))
    for identity in (ann, ann, bob, bob):
        await limits.speak(identity, "203.0.113.1")
    with pytest.raises(RateLimited):
        await limits.speak(ann, "203.0.113.2")
    await limits.speak(eve, "203.0.113.1")
    with pytest.raises(RateLimited):  # the address is used up
        await limits.speak(eve, "203.0.113.1")
    await limits.speak(Identity("shop", "fay"), "203.0.113.3")
    with pytest.raises(RateLimited):  # the site is
        await limits.speak(Identity("shop", "gus"), "203.0.113.4")
    await limits.speak(Identity("other", "gus"), "203.0.113.4")
    for _ in range(20):
        limits.read(Identity("shop", "hal"))
    with pytest.raises(RateLimited):
        limits.read(Identity("shop", "hal"))


def test_new_visitors_are_limited_by_address(make_workspace: Make) -> None:
    with serving(make_workspace(rate_limit_per_minute=60, rate_limit_per_address=5)) as site:
        answers = [site.anonymous.post("/v1/visitors") for _ in range(6)]
        assert answers[-1].status_code == 429 and int(answers[-1].headers["retry-after"]) > 0
        # A header that anybody can send makes nobody somebody else.
        forged = site.anonymous.post("/v1/visitors", headers={"X-Forwarded-For": "198.51.100.7"})
        assert forged.status_code == 429


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "unknown"),
        ("10.0.0.1", "10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "", "unknown"),
        ("10.0.0.1", ", " * 5000, "unknown"),
    ],
)
def test_addresses_behind_proxies(peer: str, forwarded: str, expected: str) -> None:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert Addresses(["10.0.0.0/8"]).of(peer, headers) == expected


def test_a_proxy_must_be_an_address() -> None:
    with pytest.raises(ConfigError, match=r"SENMON_TRUSTED_PROXIES.*no address"):
        Addresses(["proxy.example"])
