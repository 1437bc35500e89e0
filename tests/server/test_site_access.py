"""Who gets in with a site's key: every endpoint, asked by everybody who might."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

from senmon.server.registering import Registered, new_site, rotate
from senmon.server.secret import load_secret
from senmon.settings import Settings
from server_rig import FakeCatalog, FakeServed, FakeWorkspace, Site, client_of, serving

SHOP, OTHER = "https://shop.example", "https://other.example"
OPERATOR = "sk-" + "o" * 40


@dataclass
class World:
    """A server with three sites, and a conversation of one visitor of the first."""

    site: Site
    shop: Registered
    strict: Registered
    desk: str
    other_desk: str
    visitor: dict[str, Any]
    conversation: str
    run: str
    handover: str

    @property
    def secret(self) -> bytes:
        return (self.site.workspace.settings.home / "secret").read_bytes()


def arrive(site: Site, made: Registered, origin: str, **body: Any) -> httpx.Response:
    given = {"site_key": made.site.public_key, **body}
    return site.anonymous.post("/v1/visitors", json=given, headers={"Origin": origin})


def customer(made: Registered, seconds: int = 600, secret: str = "", **claims: Any) -> str:
    payload = {"sub": "C-1", "aud": made.site.public_key, "exp": int(time.time()) + seconds, **claims}
    return jwt.encode(payload, secret or made.secret, algorithm="HS256")


def bearer(token: str, origin: str | None = SHOP, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **({"Origin": origin} if origin else {}), **more}


def add(site: Site, name: str, origin: str, **wishes: Any) -> Registered:
    master = load_secret(site.workspace.settings.home)
    made = new_site(master, name, origins=[origin], **wishes)
    site.call(site.workspace.store.sites.add(made.site))
    return made


@pytest.fixture(scope="module", autouse=True)
def _sites_are_fresh() -> Iterator[None]:
    """The server looks for changed sites once a second; here at every request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("senmon.server.sites.FRESH_SECONDS", 0.0)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, pack: Any) -> Iterator[World]:
    settings = Settings(home=tmp_path_factory.mktemp("world"), api_keys=(OPERATOR,), rate_limit_per_minute=0)
    catalog = FakeCatalog({"shop": FakeServed(pack), "zoo": FakeServed(pack)})
    with serving(FakeWorkspace(settings, catalog)) as site:
        shop = add(site, "shop", SHOP, packs=["shop"], title="Corner shop", email="a@shop.example")
        other = add(site, "other", OTHER, packs=["zoo"])
        strict = add(site, "strict", SHOP, require_identity=True)
        store = site.workspace.store
        desk, _ = site.call(store.add_key("desk", site="shop"))
        other_desk, _ = site.call(store.add_key("desk", site="other"))
        visitor = arrive(site, shop, SHOP).json()
        client = client_of(site.url, **bearer(visitor["token"]))
        conversation = site.conversation(client)
        run = say(site, client, conversation, "person please")
        (waiting,) = client_of(site.url, **bearer(OPERATOR, None)).get("/v1/handovers").json()["handovers"]
        made = World(site, shop, strict, desk, other_desk, visitor, conversation, run, waiting["id"])
        made.others = arrive(site, other, OTHER).json()["token"]  # type: ignore[attr-defined]
        yield made


def say(site: Site, client: httpx.Client, conversation: str, text: str, id: str = "1", **more: Any) -> str:
    body = {"client_id": id, "text": text, **more}
    answer = client.post(f"/v1/conversations/{conversation}/messages", json=body)
    assert answer.status_code == 202, answer.text
    run = str(answer.json()["run_id"])
    with client.stream("GET", f"/v1/runs/{run}/events") as response:
        response.read()
    return run


#: (method, path, body, status for the right visitor, whether it is about one conversation).
VISITORS = [
    ("GET", "/v1/packs", None, 200, False),
    ("GET", "/v1/articles/shop/returns", None, 200, False),
    ("POST", "/v1/conversations", {}, 201, False),
    ("GET", "/v1/conversations/{conversation}", None, 200, True),
    ("GET", "/v1/conversations/{conversation}/events", None, 200, True),
    ("GET", "/v1/conversations/{conversation}/transcript", None, 200, True),
    (
        "POST",
        "/v1/conversations/{conversation}/messages",
        {"client_id": "1", "text": "person please"},
        202,
        True,
    ),
    ("POST", "/v1/conversations/{conversation}/handover", {}, 200, True),
    ("DELETE", "/v1/conversations/{conversation}/handover", None, 200, True),
    ("GET", "/v1/runs/{run}/events", None, 200, True),
    ("DELETE", "/v1/runs/{run}", None, 200, True),
    ("POST", "/v1/runs/{run}/feedback", {"rating": "up"}, 201, True),
    ("POST", "/v1/conversations/{conversation}/rating", {"score": 4}, 201, True),
]
#: Order matters: handovers are accepted before they are closed.
DESK = [
    ("GET", "/v1/handovers?joined=true", None),
    ("GET", "/v1/handovers/{handover}", None),
    ("POST", "/v1/handovers/{handover}/accept", {"agent": "Ann"}),
    ("POST", "/v1/handovers/{handover}/messages", {"text": "Hello"}),
    ("POST", "/v1/handovers/{handover}/close", None),
]
NAMES = [f"{method} {path}" for method, path, *_ in VISITORS]


def ask(world: World, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str]:
    """Status and code; of a stream that opens, the status alone."""
    places = {"conversation": world.conversation, "run": world.run, "handover": world.handover}
    client = client_of(world.site.url, **headers)
    with client.stream(method, path.format(**places), json=body) as answer:
        if answer.status_code < 400:
            return answer.status_code, ""
        answer.read()
        return answer.status_code, answer.json()["error"]["code"]


def forged(world: World, secret: bytes | None = None, **claims: Any) -> str:
    payload = jwt.decode(world.visitor["token"], options={"verify_signature": False})
    return jwt.encode({**payload, **claims}, secret or world.secret, algorithm="HS256")


@pytest.mark.parametrize(("method", "path", "body", "good", "bound"), VISITORS, ids=NAMES)
def test_everybody_else_is_refused(
    world: World, method: str, path: str, body: Any, good: int, bound: bool
) -> None:
    right = world.visitor["token"]
    second = arrive(world.site, world.shop, SHOP).json()["token"]
    public = path == "/v1/packs"
    unknown: dict[str, tuple[dict[str, str], tuple[int, str]]] = {
        "nobody": ({}, (200, "") if public else (401, "unauthenticated")),
        "nobody on the site's page": ({"Origin": SHOP}, (200, "") if public else (401, "unauthenticated")),
        "expired": (bearer(forged(world, exp=time.time() - 60)), (401, "unauthenticated")),
        "tampered": (
            bearer(right[:-6] + ("AAAAAA" if right[-6:] != "AAAAAA" else "BBBBBB")),
            (401, "unauthenticated"),
        ),
        "signed by another": (bearer(forged(world, b"x" * 32)), (401, "unauthenticated")),
        "of a site that is gone": (bearer(forged(world, site="gone")), (401, "unauthenticated")),
        "a refresh token": (bearer(world.visitor["refresh_token"]), (401, "unauthenticated")),
        "wrong origin": (bearer(right, OTHER), (403, "origin_refused")),
        "an origin that looks alike": (bearer(right, SHOP + ".evil.example"), (403, "origin_refused")),
        "a sandboxed frame": (bearer(right, "null"), (403, "origin_refused")),
        "a site that wants customers": (bearer(forged(world, site="strict")), (401, "identity_required")),
        "an unknown key": (bearer("sk-" + "0" * 40), (401, "unauthenticated")),
    }
    for who, (headers, expected) in unknown.items():
        assert ask(world, method, path, body, headers) == expected, who
    if bound:
        others = {
            "wrong visitor": bearer(second),
            "wrong site": bearer(world.others, OTHER),  # type: ignore[attr-defined]
            "the same visitor id at another site": bearer(forged(world, site="other"), OTHER),
            "the site's own desk": bearer(world.desk, None),
            "another site's desk": bearer(world.other_desk, None),
            "the operator": bearer(OPERATOR, None),
        }
        for who, headers in others.items():
            status, code = ask(world, method, path, body, headers)
            assert status == 404 and code in ("conversation_not_found", "run_not_found"), who


@pytest.mark.parametrize(("method", "path", "body", "good", "bound"), VISITORS, ids=NAMES)
def test_the_right_visitor_is_served(
    world: World, method: str, path: str, body: Any, good: int, bound: bool
) -> None:
    """From the site's page, from the frame on this server, and where no browser sends an Origin."""
    origins: tuple[str | None, ...] = (SHOP, world.site.url, None)
    if path.endswith("/rating"):
        origins = (SHOP,)
    for origin in origins:
        assert ask(world, method, path, body, bearer(world.visitor["token"], origin)) == (good, ""), origin
    if path.endswith("/rating"):
        again = ask(world, method, path, body, bearer(world.visitor["token"]))
        assert again == (409, "already_rated")


@pytest.mark.parametrize(("method", "path", "body"), DESK, ids=[path for _, path, _ in DESK])
def test_a_desk_is_its_sites(world: World, method: str, path: str, body: Any) -> None:
    for headers in ({}, bearer(world.visitor["token"]), bearer(world.visitor["token"], None)):
        assert ask(world, method, path, body, headers) == (401, "unauthenticated")
    stranger = ask(world, method, path, body, bearer(world.other_desk, None))
    assert stranger == ((200, "") if "{" not in path else (404, "handover_not_found"))


def test_the_desk_and_the_operator_are_served(world: World) -> None:
    asked = ask(
        world, "POST", "/v1/conversations/{conversation}/handover", {}, bearer(world.visitor["token"])
    )
    assert asked == (200, "")
    for key in (world.desk, OPERATOR):
        client = client_of(world.site.url, **bearer(key, None))
        (listed,) = client.get("/v1/handovers").json()["handovers"]
        assert listed["site"] == "shop"
    world.handover = listed["id"]
    statuses = [ask(world, *each, bearer(world.desk, None))[0] for each in DESK]
    assert statuses == [200, 200, 200, 201, 200]
    strangers = client_of(world.site.url, **bearer(world.other_desk, None))
    assert strangers.get("/v1/handovers?joined=true").json() == {"handovers": []}


def test_a_visitor_is_told_the_sites_wishes(world: World) -> None:
    given = arrive(world.site, world.shop, SHOP).json()
    assert 0 < given["expires_in"] <= 900 and given["demo"] is False
    assert given["site"] == {
        "name": "Corner shop",
        "language": "en",
        "packs": ["shop"],
        "require_identity": False,
        "prechat": None,
        "csat": True,
        "contact": {"email": "a@shop.example"},
    }
    claims = jwt.decode(given["token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] <= 900


@pytest.mark.parametrize(
    ("key", "origin", "expected"),
    [
        ("pk_nobody", SHOP, (404, "site_not_found")),
        (None, SHOP, (401, "unauthenticated")),
        ("shop", OTHER, (403, "origin_refused")),
        ("shop", "null", (403, "origin_refused")),
        ("shop", None, (403, "origin_refused")),
        ("strict", SHOP, (401, "identity_required")),
    ],
)
def test_who_may_not_arrive(world: World, key: str | None, origin: str | None, expected: Any) -> None:
    keys = {"shop": world.shop.site.public_key, "strict": world.strict.site.public_key}
    body = {} if key is None else {"site_key": keys.get(key, key)}
    headers = {} if origin is None else {"Origin": origin}
    answer = world.site.anonymous.post("/v1/visitors", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == expected


def test_somebody_on_this_machine_needs_no_site_but_a_proxy_does(world: World) -> None:
    assert world.site.anonymous.post("/v1/visitors").json()["site"] is None
    proxied = world.site.anonymous.post("/v1/visitors", headers={"X-Forwarded-For": "203.0.113.9"})
    assert proxied.status_code == 401 and "site_key" in proxied.json()["error"]["remedy"]


def test_customers_of_a_site(world: World) -> None:
    shop, strict = world.shop, world.strict
    given = arrive(world.site, strict, SHOP, customer=customer(strict, 300)).json()
    assert given["customer"] == "C-1" and given["expires_in"] <= 300
    client = client_of(world.site.url, **bearer(given["token"]))
    conversation = world.site.conversation(client)
    say(world.site, client, conversation, "hello")
    assert world.site.workspace.assistant.asked[-1][2].customer == "C-1"
    bad = [
        customer(shop),
        customer(strict, secret="x" * 32),
        customer(strict, aud="local"),
        customer(strict, aud=shop.site.public_key),
        customer(strict, 7200),
        customer(strict, -60),
        jwt.encode(
            {"sub": "C-1", "aud": strict.site.public_key, "exp": time.time() + 60}, "", algorithm="none"
        ),
    ]
    for token in bad:
        refused = arrive(world.site, strict, SHOP, customer=token)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthenticated")
    # Signed out, the same visitor reads no customer's conversation; the header signs in again.
    anonymous = forged(
        world, sub=jwt.decode(given["token"], options={"verify_signature": False})["sub"], site="strict"
    )
    path = f"/v1/conversations/{conversation}"
    signed_out = client_of(world.site.url, **bearer(anonymous))
    assert signed_out.get(path).json()["error"]["code"] == "identity_required"
    assert signed_out.get(path, headers={"X-Senmon-Customer": customer(strict)}).status_code == 200
    assert signed_out.get(path, headers={"X-Senmon-Customer": customer(strict, sub="C-2")}).status_code == 403


def test_a_rotated_secret_overlaps(world: World) -> None:
    from datetime import timedelta

    made = add(world.site, "turning", SHOP)
    store, master = world.site.workspace.store, world.secret
    new = world.site.call(rotate(store.sites, master, "turning", timedelta(hours=1)))
    for token in (customer(made), customer(made, secret=new.secret)):
        assert arrive(world.site, made, SHOP, customer=token).status_code == 201
    last = world.site.call(rotate(store.sites, master, "turning", timedelta(0)))
    assert arrive(world.site, made, SHOP, customer=customer(made, secret=last.secret)).status_code == 201
    for old in (made.secret, new.secret):
        assert arrive(world.site, made, SHOP, customer=customer(made, secret=old)).status_code == 401
    world.site.call(store.sites.remove("turning"))
    assert arrive(world.site, made, SHOP).json()["error"]["code"] == "site_not_found"


def visitor_of(answer: dict[str, Any]) -> str:
    return str(jwt.decode(answer["token"], options={"verify_signature": False})["sub"])


def test_refreshing_stays_the_same_visitor_and_takes_each_token_once(world: World) -> None:
    first = arrive(world.site, world.shop, SHOP).json()
    second = arrive(world.site, world.shop, SHOP, refresh_token=first["refresh_token"]).json()
    assert visitor_of(first) == visitor_of(second)
    assert first["refresh_token"] != second["refresh_token"]
    replayed = arrive(world.site, world.shop, SHOP, refresh_token=first["refresh_token"])
    assert (replayed.status_code, replayed.json()["error"]["code"]) == (401, "refresh_refused")
    # Whoever of the two is the thief: the family is worth nothing any more.
    dead = arrive(world.site, world.shop, SHOP, refresh_token=second["refresh_token"])
    assert (dead.status_code, dead.json()["error"]["code"]) == (401, "refresh_refused")


def test_a_refresh_whose_answer_got_lost_can_be_repeated(world: World) -> None:
    old = arrive(world.site, world.shop, SHOP).json()["refresh_token"]
    lost = arrive(world.site, world.shop, SHOP, refresh_token=old, attempt="a1").json()
    again = arrive(world.site, world.shop, SHOP, refresh_token=old, attempt="a1").json()
    assert lost["refresh_token"] == again["refresh_token"]
    used = arrive(world.site, world.shop, SHOP, refresh_token=again["refresh_token"], attempt="a2")
    assert used.status_code == 201
    late = arrive(world.site, world.shop, SHOP, refresh_token=old, attempt="a1")
    assert late.status_code == 401
    # …and that second use of an old one ended the family.
    dead = arrive(world.site, world.shop, SHOP, refresh_token=used.json()["refresh_token"])
    assert dead.status_code == 401


@pytest.mark.parametrize("token", ["rt_" + "0" * 43, "", "x" * 128, "sk-" + "o" * 40])
def test_unknown_refresh_tokens(world: World, token: str) -> None:
    refused = arrive(world.site, world.shop, SHOP, refresh_token=token)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "refresh_refused")


def test_a_refresh_token_is_its_sites(world: World) -> None:
    token = arrive(world.site, world.shop, SHOP).json()["refresh_token"]
    other = arrive(world.site, world.strict, SHOP, refresh_token=token, customer=customer(world.strict))
    assert other.status_code == 401
    local = world.site.anonymous.post("/v1/visitors", json={"refresh_token": token})
    assert local.status_code == 401
    assert arrive(world.site, world.shop, SHOP, refresh_token=token).status_code == 201


def test_of_two_refreshes_at_once_one_wins(world: World) -> None:
    token = arrive(world.site, world.shop, SHOP).json()["refresh_token"]
    body = {"site_key": world.shop.site.public_key, "refresh_token": token}

    async def both() -> list[int]:
        async with httpx.AsyncClient(base_url=world.site.url) as client:
            asked = [client.post("/v1/visitors", json=body, headers={"Origin": SHOP}) for _ in range(2)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert sorted(asyncio.run(both())) == [201, 401]


def test_a_visitor_token_of_a_site_renews_nothing(world: World) -> None:
    """Without a site key, an old token would outlive its quarter of an hour."""
    renewed = world.site.anonymous.post("/v1/visitors", headers=bearer(world.visitor["token"], None)).json()
    assert visitor_of(renewed) != visitor_of(world.visitor)


def test_only_the_sites_packs_answer(world: World) -> None:
    client = client_of(world.site.url, **bearer(world.visitor["token"]))
    assert [pack["name"] for pack in client.get("/v1/packs").json()["packs"]] == ["shop"]
    everything = world.site.anonymous.get("/v1/packs").json()["packs"]
    assert {pack["name"] for pack in everything} >= {"shop"} and len(everything) == 2
    conversation = world.site.conversation(client)
    body = {"client_id": "1", "text": "hello", "pack": "zoo"}
    refused = client.post(f"/v1/conversations/{conversation}/messages", json=body)
    assert refused.status_code == 404 and refused.json()["error"]["remedy"] == "packs served: shop"
    say(world.site, client, conversation, "hello", "2")
    assert world.site.workspace.assistant.packs[-1] == {"shop"}
    assert client.get("/v1/articles/zoo/returns").json()["error"]["code"] == "pack_not_found"
    assert client.get("/v1/articles/shop/nothing").json()["error"]["code"] == "article_not_found"
    article = client.get("/v1/articles/shop/returns").json()
    assert article["id"] == "returns" and article["title"] and article["markdown"]


def test_cors_is_the_union_of_settings_and_sites(world: World) -> None:
    want = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for origin in (SHOP, OTHER):
        good = world.site.anonymous.options("/v1/visitors", headers={"Origin": origin, **want})
        assert good.status_code == 200 and good.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in good.headers
        assert "Last-Event-ID" in good.headers["access-control-allow-headers"]
    for origin in ("https://evil.example", "null", "http://shop.example", SHOP + ":444"):
        bad = world.site.anonymous.options("/v1/visitors", headers={"Origin": origin, **want})
        assert bad.status_code == 403 and "access-control-allow-origin" not in bad.headers
        plain = world.site.anonymous.get("/v1/packs", headers={"Origin": origin})
        assert "access-control-allow-origin" not in plain.headers
    for answer in (
        world.site.anonymous.get("/v1/packs"),
        world.site.anonymous.get("/v1/packs", headers={"Origin": SHOP}),
        world.site.anonymous.get("/v1/nowhere", headers={"Origin": SHOP}),
    ):
        assert "origin" in answer.headers["vary"].lower()
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_sites_page_on_this_machine_is_not_trusted_as_the_machine(
    make_workspace: Callable[..., FakeWorkspace],
) -> None:
    """Without keys, whoever is on this machine may do everything; a web page that is open there may not."""
    with serving(make_workspace()) as site:
        add(site, "shop", SHOP)
        assert site.anonymous.get("/v1/handovers").status_code == 200
        page = {"Origin": SHOP}
        assert site.anonymous.get("/v1/handovers", headers=page).status_code == 401
        assert site.anonymous.post("/v1/conversations", headers=page).status_code == 401
        assert site.anonymous.post("/v1/visitors", json={}, headers=page).status_code == 401


def test_log_lines_hold_no_token_and_no_word(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="senmon")
    given = arrive(world.site, world.strict, SHOP, customer=customer(world.strict)).json()
    client = client_of(world.site.url, **bearer(given["token"]))
    conversation = client.post("/v1/conversations", json={"client_id": "c1"}).json()["conversation_id"]
    say(world.site, client, conversation, "xyzzy secret words")
    client.post(f"/v1/conversations/{conversation}/handover", json={"note": "xyzzy note"})
    client.post(f"/v1/conversations/{conversation}/rating", json={"score": 1, "comment": "xyzzy comment"})
    written = "\n".join(
        f"{record.getMessage()} {getattr(record, 'facts', '')}"
        for record in caplog.records
        if record.name.startswith("senmon")
    )
    assert "/v1/conversations/{id}/handover" in written
    for secret in ("xyzzy", given["token"], given["refresh_token"], "pk_", "ss_", "C-1"):
        assert secret not in written, secret
