"""Hostile and broken requests."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from senmon import errors
from senmon.errors import ConfigError, SenmonError
from senmon.server.app import create_app
from senmon.server.errors import STATUS, status_of
from senmon.server.logging import JsonFormatter
from server_rig import SECRET_WORDS, FakeWorkspace, Site, serving

JSON = {"Content-Type": "application/json"}


def raw(site: Site, body: bytes, path: str = "", **headers: str) -> httpx.Response:
    path = path or f"/v1/conversations/{site.conversation()}/messages"
    return site.client.post(path, content=body, headers={**JSON, **headers})


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"client_id": "1", "text": }', b"\xff\xfe", b"[" * 100_000, b'{"text": "\xc3\x28"}'],
    ids=["cut", "hole", "not utf-8", "deep", "bad utf-8"],
)
def test_malformed_json_is_400(site: Site, body: bytes) -> None:
    for path in ("", "/v1/chat/completions"):
        answer = raw(site, body, path)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "malformed_json"


def test_malformed_json_names_the_place(site: Site) -> None:
    assert "at character 27" in raw(site, b'{"client_id": "1", "text": }').json()["error"]["message"]


BAD_TEXTS = {
    "": "is empty",
    " \n\t ": "is empty",
    "\u200b\u2060": "is empty",
    "a\x00b": "U+0000 at 1",
    "bell \x07": "control character",
    "\x7fELF\x02\x01": "control character",
    "\ufffd\ufffd\ufffd\ufffd ok": "binary",
    "x" * 4001: "at most 4000",
}


@pytest.mark.parametrize(("text", "why"), BAD_TEXTS.items(), ids=list(BAD_TEXTS.values()))
def test_text_that_nobody_typed_is_422_and_explained(site: Site, text: str, why: str) -> None:
    answer = site.say(site.conversation(), text)
    assert answer.status_code == 422
    (problem,) = answer.json()["error"]["problems"]
    assert problem["field"] == "text" and why in problem["why"]


def test_half_a_surrogate_pair_is_422(site: Site) -> None:
    answer = raw(site, b'{"client_id": "1", "text": "a\\ud800b"}')
    assert answer.status_code == 422 and answer.json()["error"]["problems"][0]["field"] == "text"
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "a\\ud800b"}]}'
    assert raw(site, body, "/v1/chat/completions").status_code == 400


def test_ordinary_text_of_any_language_is_fine(site: Site) -> None:
    for number, text in enumerate(["何時に開きますか", "😀 hi", "x² + √2 = ∫f", "a\r\nb\tc", "שלום"]):
        answer = site.say(site.conversation(), text, str(number))
        assert answer.status_code == 202
        site.events(answer.json()["run_id"])
    assert "a\nb\tc" in [asked[1] for asked in site.workspace.assistant.asked]


@pytest.mark.parametrize(
    "body",
    [
        {"text": "hi"},
        {"client_id": "a b", "text": "hi"},
        {"client_id": "1", "text": "hi", "customer": "c-1"},
        {"client_id": "1", "text": 5},
        {"client_id": "1", "text": None},
        [],
        "hi",
        None,
    ],
)
def test_wrong_shapes_are_422(site: Site, body: Any) -> None:
    answer = raw(site, json.dumps(body).encode())
    assert answer.status_code == 422 and answer.json()["error"]["problems"], answer.text


def test_a_megabyte_is_413_whether_declared_or_not(site: Site) -> None:
    big = json.dumps({"client_id": "1", "text": "x" * 1_000_000}).encode()
    declared = raw(site, big)
    assert (declared.status_code, declared.json()["error"]["code"]) == (413, "body_too_large")

    def drip() -> Any:
        for start in range(0, len(big), 50_000):
            yield big[start : start + 50_000]

    path = f"/v1/conversations/{site.conversation()}/messages"
    dripped = site.client.post(path, content=drip(), headers=JSON)
    assert dripped.status_code == 413
    chat = {"model": "auto", "messages": [{"role": "user", "content": "x" * 1_000_000}]}
    answer = site.client.post("/v1/chat/completions", json=chat)
    assert answer.status_code == 413 and answer.json()["error"]["type"] == "invalid_request_error"


def test_lying_content_length_is_refused(site: Site) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = f"POST /v1/visitors HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999999\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_body_must_be_declared_as_json(site: Site) -> None:
    path = f"/v1/conversations/{site.conversation()}/messages"
    answer = site.client.post(
        path, content=b'{"client_id":"1","text":"x"}', headers={"Content-Type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "not_json")


def test_unknown_paths_and_methods(site: Site) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("PUT", "/v1/packs", 405),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/docs", 404),
    ):
        answer = site.anonymous.request(method, path)
        assert answer.status_code == status, path
        assert answer.json()["error"]["message"]


def test_bugs_become_a_500_without_a_word(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.workspace.tunings = [{"pack": SECRET_WORDS, "phase": []}]
    answer = site.anonymous.get("/v1/tunings")
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "type": "server", "code": "internal_error", "message": "Something broke on our side.",
        "remedy": "", "problems": [],
    }  # fmt: skip
    assert answer.headers["x-content-type-options"] == "nosniff"
    (record,) = [record for record in caplog.records if record.message == "a request failed"]
    line = JsonFormatter().format(record)
    assert json.loads(line)["exception"] == "ValidationError" and SECRET_WORDS not in line


def test_log_lines_hold_ids_but_no_words(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    conversation = site.conversation()
    run = site.say(conversation, SECRET_WORDS, pack="shop").json()["run_id"]
    site.events(run)
    site.client.post(f"/v1/runs/{run}/feedback", json={"rating": "down", "correction": SECRET_WORDS})
    site.say(conversation, "broken", "2")
    ours = [record for record in caplog.records if record.name.startswith(("senmon", "uvicorn"))]
    lines = [json.loads(JsonFormatter().format(record)) for record in ours]
    assert SECRET_WORDS not in json.dumps(lines)
    token = site.client.headers["authorization"].split()[1]
    assert token not in json.dumps(lines)
    posted = next(line for line in lines if line.get("path") == "/v1/conversations/{id}/messages")
    assert (posted["method"], posted["status"], posted["run_id"], posted["pack"]) == (
        "POST",
        202,
        run,
        "shop",
    )
    assert posted["ms"] >= 0 and posted["time"].endswith("+00:00")


def test_every_error_has_its_status() -> None:
    def tree(kind: type[SenmonError]) -> list[type[SenmonError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]

    def make(kind: type[SenmonError]) -> SenmonError:
        return kind("x", ()) if issubclass(kind, errors.ProblemsError) else kind("x")

    found = {
        kind.__name__: status_of(make(kind))
        for kind in tree(SenmonError)
        if kind.__module__ == errors.__name__
    }
    assert set(found.values()) == set(STATUS.values())
    assert found["EngineBusy"] == found["RateLimited"] == 429
    assert found["StateLocked"] == 503 and found["PackInvalid"] == 500


def test_headers_of_page_and_api(site: Site) -> None:
    page, api = site.anonymous.get("/"), site.anonymous.get("/v1/packs")
    for answer in (page, api):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert api.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert api.headers["cache-control"] == "no-store"


def test_only_local_names_reach_a_local_server(site: Site) -> None:
    assert site.anonymous.get("/v1/packs", headers={"Host": "evil.example"}).status_code == 403
    assert site.anonymous.get("/v1/packs", headers={"Host": "localhost:8000"}).status_code == 200
    assert site.anonymous.get("/v1/packs", headers={"Host": "[::1]:8000"}).status_code == 200
    for odd in ("[", "a]b", ""):
        assert site.anonymous.get("/v1/packs", headers={"Host": odd}).status_code in (400, 403)


def test_cors_is_exact(make_workspace: Callable[..., FakeWorkspace]) -> None:
    with serving(make_workspace(allowed_origins=("https://shop.example",), rate_limit_per_minute=3)) as site:
        ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        good = site.anonymous.options("/v1/visitors", headers={"Origin": "https://shop.example", **ask})
        assert good.status_code == 200
        assert good.headers["access-control-allow-origin"] == "https://shop.example"
        for other in ("https://shop.example.evil.example", "http://shop.example", "null"):
            bad = site.anonymous.options("/v1/visitors", headers={"Origin": other, **ask})
            assert "access-control-allow-origin" not in bad.headers
        # Errors are readable for the page too; the limit counts per visitor.
        for _ in range(3):
            site.client.post("/v1/conversations")
        limited = site.client.post("/v1/conversations", headers={"Origin": "https://shop.example"})
        assert limited.status_code == 429 and int(limited.headers["retry-after"]) in range(1, 21)
        assert limited.headers["access-control-allow-origin"] == "https://shop.example"
        assert limited.json()["error"]["code"] == "rate_limited"


@pytest.mark.parametrize("origin", ["*", "https://*.example", "shop.example", "https://shop.example/chat"])
def test_origins_must_be_exact(make_workspace: Callable[..., FakeWorkspace], origin: str) -> None:
    with pytest.raises(ConfigError, match="is no origin"):
        create_app(make_workspace(allowed_origins=(origin,)))
