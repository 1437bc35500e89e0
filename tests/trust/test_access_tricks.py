"""Tricks against who gets what: other spellings of a path, doubled headers, borrowed tokens, smuggling."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import jwt
import pytest

from access_rig import MARK, OPERATOR, OTHER, World, arrive, bearer, customer_token, world_in
from mutants import mutants
from server_rig import client_of

SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("senmon.server.sites.FRESH_SECONDS", 0.0)
        with world_in(tmp_path_factory.mktemp("tricks")) as made:
            yield made


def raw(world: World, request: bytes) -> bytes:
    """What the server says to these very bytes, until it closes or has nothing more to say."""
    address, told = urlsplit(world.site.url), b""
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(request)
        with suppress(TimeoutError):
            while piece := connection.recv(65536):
                told += piece
                connection.settimeout(0.2)
    return told


def get(world: World, target: str, *headers: str) -> bytes:
    host = urlsplit(world.site.url).netloc
    return raw(
        world,
        "\r\n".join(
            (f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", "")
        ).encode("latin-1"),
    )


def token_of(world: World) -> str:
    return f"Authorization: Bearer {world.second}"


@pytest.mark.parametrize(
    "spelling",
    [
        "/v1/conversations/{id}",
        "/v1/conversations/{id}/",
        "/v1//conversations/{id}",
        "//v1/conversations/{id}",
        "/v1/./conversations/{id}",
        "/static/../v1/conversations/{id}",
        "/static/%2e%2e/v1/conversations/{id}",
        "/v1/conversations/%2e%2e/conversations/{id}",
        "/v1/conversations/x%2f..%2f{id}",
        "/v1/conversations/{id}%00",
        "/v1/conversations/{id}%20",
        "/v1/conversations/{id};a=b",
        "/v1/conversations/{id}?id={id}&visitor={visitor}",
        "/V1/conversations/{id}",
        "/v1/conversations/{id}/transcript?format=..%2f..%2f{id}",
        "/v1/conversations/{id}/events?visitor={visitor}",
        "/v1/runs/{run}/events?last_event_id=0",
        "/v1/runs/{run}/events/../events",
        "http://127.0.0.1/v1/conversations/{id}",
        "/v1/handovers/{handover}/",
    ],
)
def test_no_spelling_of_a_path_opens_anothers_conversation(world: World, spelling: str) -> None:
    places = {
        "id": world.places["conversation"],
        "run": world.places["run"],
        "handover": world.places["handover"],
    }
    target = spelling.format(**places, visitor=world.visitor_id)
    for headers in ((), (token_of(world), f"Origin: {SHOP}")):
        told = get(world, target, *headers)
        assert MARK.encode() not in told
        assert told.startswith((b"HTTP/1.1 3", b"HTTP/1.1 4")), told[:80]


@pytest.mark.parametrize(
    "file",
    [
        "/static/../../pyproject.toml",
        "/static/..%2f..%2fpyproject.toml",
        "/static/%2e%2e/%2e%2e/settings.py",
        "/static//etc/passwd",
        "/widget/v1/..%2f..%2fpage.py",
    ],
)
def test_files_stay_in_their_folder(world: World, file: str) -> None:
    told = get(world, file)
    assert b" 404 " in told.partition(b"\r\n")[0] and b"import" not in told


def test_other_methods_say_nothing_more(world: World) -> None:
    path = f"/v1/conversations/{world.places['conversation']}"
    stranger = client_of(world.site.url, **bearer(world.second))
    for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "PROPFIND", "GETT"):
        answer = stranger.request(method, path)
        assert answer.status_code in (400, 404, 405) and MARK not in answer.text, method
    right = world.right.request("HEAD", path)
    assert right.status_code in (200, 405) and right.text == ""


def test_a_method_in_a_header_is_not_the_method(world: World) -> None:
    headers = {**bearer(world.visitor["token"]), "X-HTTP-Method-Override": "DELETE"}
    answer = client_of(world.site.url, **headers).get(f"/v1/runs/{world.places['run']}/events")
    assert (
        answer.status_code == 200
        and MARK in world.right.get(f"/v1/conversations/{world.places['conversation']}").text
    )


def test_doubled_headers_do_not_make_somebody_of_two(world: World) -> None:
    """Of two tokens, one alone counts: neither order lets a stranger in with a second, broken one."""
    right, path = (
        f"Authorization: Bearer {world.visitor['token']}",
        f"/v1/conversations/{world.places['conversation']}",
    )
    forged = "Authorization: Bearer " + world.forged(sub="somebody else")
    for pair in (
        (token_of(world), token_of(world)),
        (forged, token_of(world)),
        ("Authorization: Bearer x", token_of(world)),
    ):
        assert MARK.encode() not in get(world, path, *pair)
    assert MARK.encode() in get(world, path, right, f"Origin: {SHOP}"), "so the others see what they look for"
    two_origins = get(world, path, right, f"Origin: {OTHER}", f"Origin: {SHOP}")
    assert MARK.encode() not in two_origins
    forwarded = get(world, "/v1/handovers", "X-Forwarded-For: 127.0.0.1", "Host: 127.0.0.1")
    assert b" 401 " in forwarded.partition(b"\r\n")[0] or b" 400 " in forwarded.partition(b"\r\n")[0]


def test_a_request_within_a_request_is_not_heard(world: World) -> None:
    """Chunked and with a length: one of both, never the smuggled one."""
    host = urlsplit(world.site.url).netloc
    inner = f"GET /v1/conversations/{world.places['conversation']} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    for framing in (
        f"Content-Length: {len(inner) + 5}\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 500",
        "Transfer-Encoding: xchunked",
        "Content-Length: +5",
    ):
        told = raw(
            world, f"POST /v1/visitors HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n0\r\n\r\n{inner}".encode()
        )
        assert MARK.encode() not in told
        assert not told.startswith(b"HTTP/1.1 2") or told.count(b"HTTP/1.1") <= 2, framing


def test_an_upgrade_is_not_taken(world: World) -> None:
    told = get(
        world,
        f"/v1/conversations/{world.places['conversation']}/events",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Connection: Upgrade",
    )
    assert not told.startswith(b"HTTP/1.1 101") and MARK.encode() not in told


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", "/webhooks/rest/webhook", "/v1/handovers", "/v1/people/export", "/v1/models"],
)
def test_a_visitors_token_is_no_key(world: World, path: str) -> None:
    """Nor is one that is signed by a site, a refresh token, or one sent as something else."""
    body = {
        "/v1/chat/completions": {"model": "shop", "messages": [{"role": "user", "content": "hello"}]},
        "/webhooks/rest/webhook": {"sender": "x", "message": "hello"},
        "/v1/people/export": {"visitor": world.visitor_id},
    }.get(path)
    method = "POST" if body else "GET"
    for token in (
        world.visitor["token"],
        world.visitor["refresh_token"],
        customer_token(world.shop),
        world.revoked,
        "sk-",
        "sk-" + "o" * 39,
    ):
        answer = world.bare.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token[:8]
        for header in ("X-Api-Key", "Api-Key", "Cookie"):
            assert world.bare.request(method, path, json=body, headers={header: token}).status_code == 401
    assert (
        world.bare.request(
            method,
            path,
            json=body,
            headers={
                "Cookie": "senmon_console=" + str(world.people["owner"].client.cookies["senmon_console"])
            },
        ).status_code
        == 401
    )


def test_a_key_in_the_query_is_none(world: World) -> None:
    for name in ("api_key", "token", "access_token", "key", "authorization"):
        assert world.bare.get("/v1/handovers", params={name: OPERATOR}).status_code == 401


def _claims(world: World, **more: object) -> dict[str, object]:
    return {"sub": "C-1", "aud": str(world.shop.site.public_key), "exp": int(time.time()) + 600, **more}


def test_who_a_customer_is_only_their_site_says(world: World) -> None:
    """Signed by the other site, by nobody, by the public key, for another audience, or for too long."""
    key = str(world.shop.site.public_key)
    tokens = {
        "the other site": jwt.encode(_claims(world), world.other.secret, algorithm="HS256"),
        "the public key": jwt.encode(_claims(world), key.ljust(32, "x"), algorithm="HS256"),
        "nobody": jwt.encode(_claims(world), "", algorithm="none"),
        "another audience": jwt.encode(
            _claims(world, aud=str(world.other.site.public_key)), world.shop.secret, algorithm="HS256"
        ),
        "a day": jwt.encode(
            _claims(world, exp=int(time.time()) + 86_400), world.shop.secret, algorithm="HS256"
        ),
        "for ever": jwt.encode({"sub": "C-1", "aud": key}, world.shop.secret, algorithm="HS256"),
        "another algorithm": jwt.encode(_claims(world), world.shop.secret, algorithm="HS512"),
        "no name": jwt.encode(_claims(world, sub=""), world.shop.secret, algorithm="HS256"),
        "a pupil": jwt.encode(_claims(world, sub="class:7a/anna"), world.shop.secret, algorithm="HS256"),
    }
    headers = {"Origin": SHOP}
    for who, token in tokens.items():
        answer = world.bare.post("/v1/visitors", json={"site_key": key, "customer": token}, headers=headers)
        assert answer.status_code == 401, who
        sent = world.bare.get("/v1/packs", headers={**bearer(world.second), "X-Senmon-Customer": token})
        assert sent.status_code == 401, who
    good = jwt.encode(_claims(world), world.shop.secret, algorithm="HS256")
    assert (
        world.bare.post("/v1/visitors", json={"site_key": key, "customer": good}, headers=headers).status_code
        == 201
    )


def test_a_site_that_signs_the_name_of_anothers_customer_gets_its_own(world: World) -> None:
    """The same customer id at two sites is two customers."""
    mine = client_of(
        world.site.url,
        **bearer(arrive(world.site, world.shop, SHOP, customer=customer_token(world.shop, "C-9"))["token"]),
    )
    conversation = world.site.conversation(mine)
    theirs = arrive(world.site, world.other, OTHER, customer=customer_token(world.other, "C-9"))
    stranger = client_of(world.site.url, **bearer(theirs["token"], OTHER))
    assert stranger.get(f"/v1/conversations/{conversation}").status_code == 404
    assert mine.get(f"/v1/conversations/{conversation}").status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://shop.example.evil.example",
        "https://shop.example:444",
        "http://shop.example",
        "https://SHOP.example.",
        "https://evil.example",
        "file://",
    ],
)
def test_origins_are_exact_for_tokens_and_for_cors(world: World, origin: str) -> None:
    headers = {**bearer(world.visitor["token"], None), "Origin": origin}
    answer = world.bare.get(f"/v1/conversations/{world.places['conversation']}", headers=headers)
    assert answer.status_code in (400, 403) and MARK not in answer.text
    assert "access-control-allow-origin" not in answer.headers
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    assert "access-control-allow-origin" not in world.bare.options("/v1/visitors", headers=asked).headers


def test_ids_can_not_be_guessed(world: World) -> None:
    """Random enough, and neighbours of a known one are nobody's."""
    ids = {world.site.conversation(world.right) for _ in range(8)}
    assert min(map(len, ids)) >= 16 and len({each[:6] for each in ids}) == 8
    stranger = client_of(world.site.url, **bearer(world.second))
    for known in list(ids)[:2]:
        for guess in (
            known[:-1] + ("A" if known[-1] != "A" else "B"),
            known.lower(),
            known.upper(),
            known[::-1],
        ):
            assert stranger.get(f"/v1/conversations/{guess}").status_code == 404


def test_a_visitor_neither_exports_nor_erases_nor_joins_anybody(world: World) -> None:
    for client in (world.right, client_of(world.site.url, **bearer(world.second))):
        for path in ("/v1/people/export", "/v1/people/erase"):
            assert client.post(path, json={"visitor": world.visitor_id}).status_code == 401
        for path, body in (
            ("accept", {"agent": "Eve"}),
            ("messages", {"text": "I am the desk"}),
            ("close", None),
        ):
            assert (
                client.post(f"/v1/handovers/{world.places['handover']}/{path}", json=body).status_code == 401
            )
    assert MARK in world.right.get(f"/v1/conversations/{world.places['conversation']}").text


def test_another_desk_moves_nothing_by_an_erased_or_foreign_person(world: World) -> None:
    other = client_of(world.site.url, **bearer(world.other_desk, None))
    for body in (
        {"customer": "C-1"},
        {"visitor": world.visitor_id},
        {"visitor": world.visitor_id, "site": "shop"},
        {"visitor": "%"},
        {"visitor": "' OR 1=1 --"},
    ):
        answer = other.post("/v1/people/erase", json=body)
        assert answer.status_code == 422 or answer.json()["conversations"] == 0
    assert MARK in world.right.get(f"/v1/conversations/{world.places['conversation']}").text


SEEDS = {
    "messages": b'{"client_id":"a","text":"hello","pack":"shop","replaces":null}',
    "chat": b'{"model":"shop","messages":[{"role":"user","content":"hi"}],"stream":true,"metadata":{}}',
    "rasa": b'{"sender":"me","message":"hello","metadata":{"a":[1,2,{"b":null}]}}',
}


@pytest.mark.parametrize("kind", SEEDS)
def test_no_body_breaks_the_server(world: World, kind: str) -> None:
    """Of the streamed native API, of OpenAI's and of Rasa's: an error in their own shape, or an answer."""
    headers = bearer(world.visitor["token"]) if kind == "messages" else bearer(OPERATOR, None)
    client = client_of(world.site.url, **headers, Accept="text/event-stream")
    path = {
        "messages": f"/v1/conversations/{world.site.conversation(world.right)}/messages",
        "chat": "/v1/chat/completions",
        "rasa": "/webhooks/rest/webhook?stream=true",
    }[kind]
    for body in mutants(SEEDS[kind], 45):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, body[:200]
        if answer.status_code >= 400:
            assert json.loads(answer.text)["error"]["message"], body[:200]
        else:
            assert answer.headers["content-type"].startswith(("text/event-stream", "application/json")), body[
                :200
            ]
