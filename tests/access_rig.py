"""A server with two sites and somebody of every kind, and what each of them gets from each route."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import update
from starlette.routing import Mount, Route

from console_rig import Person, make_staff, person
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.server.app import create_app
from senmon.server.registering import Registered, new_site
from senmon.server.secret import load_secret
from senmon.settings import Settings
from senmon.store.keys import key_digest
from senmon.store.staff import ROLES
from senmon.store.tables import staff_sessions
from server_rig import FakeCatalog, FakeServed, FakeWorkspace, Site, client_of, serving
from tiny import write_pack

SHOP, OTHER = "https://shop.example", "https://other.example"
OPERATOR = "sk-" + "o" * 40
HOST_SECRET = "the shop and senmon share this one too"
#: Said by the right visitor: nobody else may ever read it.
MARK = "violet-heron-7312"
TABLE = Path(__file__).parent / "trust" / "access_matrix.txt"
ACTORS = (
    "nobody",
    "wrong site",
    "wrong visitor",
    "right visitor",
    "other desk",
    "desk",
    "operator",
    "agent",
    "teacher",
    "reviewer",
    "owner",
    "expired",
    "tampered",
    "replayed",
)
#: Whoever must never see a word of the right visitor, whatever the status.
OUTSIDERS = (
    "nobody",
    "wrong site",
    "wrong visitor",
    "other desk",
    "teacher",
    "expired",
    "tampered",
    "replayed",
)
#: A person speaks only after having joined.
JOINED = ("POST", "/v1/handovers/{id}/messages")
BODIES: Mapping[tuple[str, str], Any] = {
    ("POST", "/v1/conversations"): {},
    ("POST", "/v1/conversations/{id}/messages"): {"client_id": "m2", "text": "hello again"},
    ("POST", "/v1/conversations/{id}/handover"): {},
    ("POST", "/v1/conversations/{id}/rating"): {"score": 4},
    ("POST", "/v1/runs/{id}/feedback"): {"rating": "up"},
    ("POST", "/v1/handovers/{id}/accept"): {"agent": "Ann"},
    ("POST", "/v1/handovers/{id}/messages"): {"text": "Hello"},
    ("POST", "/v1/chat/completions"): {"model": "shop", "messages": [{"role": "user", "content": "hi"}]},
    ("POST", "/webhooks/rest/webhook"): {"sender": "tom", "message": "hi"},
    ("POST", "/v1/people/erase"): {"customer": "nobody-of-this-name"},
    ("POST", "/webhooks/chatwoot/{secret}"): {"event": "message_created"},
    ("POST", "/v1/demo/customer"): {"customer": "C-9"},
}
#: Forms of the console that must not change what the other cells need.
FORMS: Mapping[str, Mapping[str, str]] = {
    "/console/account": {"old": "wrong", "password": "x", "again": "y"},
    "/console/inbox/{id}/say": {"text": "Hello from a person"},
}


class ConsoleWorkspace(FakeWorkspace):
    """With what the console's other pages need."""

    encoder = None

    def base_for(self, pack: Pack) -> SimpleNamespace:
        return SimpleNamespace(digest="0" * 64)


@dataclass
class World:
    site: Site
    shop: Registered
    other: Registered
    desk: str
    other_desk: str
    revoked: str
    visitor: dict[str, Any]
    second: str
    others: str
    bare: httpx.Client
    people: dict[str, Person] = field(default_factory=dict)
    csrf: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    @cached_property
    def right(self) -> httpx.Client:
        return client_of(self.site.url, **bearer(self.visitor["token"]))

    @cached_property
    def operator(self) -> httpx.Client:
        return client_of(self.site.url, **bearer(OPERATOR, None))

    @property
    def visitor_id(self) -> str:
        return str(jwt.decode(self.visitor["token"], options={"verify_signature": False})["sub"])

    @property
    def secret(self) -> bytes:
        return (self.site.workspace.settings.home / "secret").read_bytes()

    def forged(self, **claims: Any) -> str:
        payload = jwt.decode(self.visitor["token"], options={"verify_signature": False})
        return jwt.encode({**payload, **claims}, self.secret, algorithm="HS256")


def arrive(site: Site, made: Registered, origin: str, **body: Any) -> dict[str, Any]:
    given = {"site_key": made.site.public_key, **body}
    answer = site.anonymous.post("/v1/visitors", json=given, headers={"Origin": origin})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def customer_token(made: Registered, customer: str = "C-1") -> str:
    claims = {"sub": customer, "aud": made.site.public_key, "exp": int(time.time()) + 600}
    return jwt.encode(claims, made.secret, algorithm="HS256")


def bearer(token: str, origin: str | None = SHOP) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **({"Origin": origin} if origin else {})}


def tampered(token: str) -> str:
    """The same token for another visitor: the signature no longer fits."""
    head, _, sign = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    body = jwt.encode({**claims, "sub": "somebody-else"}, b"x" * 32, algorithm="HS256").split(".")[1]
    return f"{head}.{body}.{sign}"


@contextmanager
def world_in(folder: Path) -> Iterator[World]:
    pack = load_pack(write_pack(folder / "packs" / "shop"))
    settings = Settings(
        home=folder / "home", api_keys=(OPERATOR,), rate_limit_per_minute=0, rate_limit_per_address=0,
        rate_limit_per_site=0, demo=True, jwt_secret=HOST_SECRET,
    )  # fmt: skip
    with serving(ConsoleWorkspace(settings, FakeCatalog({"shop": FakeServed(pack)}))) as site:
        yield make_world(site)


def make_world(site: Site) -> World:
    store, master = site.workspace.store, load_secret(site.workspace.settings.home)
    shop, other = (new_site(master, name, origins=[at]) for name, at in (("shop", SHOP), ("other", OTHER)))
    for made in (shop, other):
        site.call(store.sites.add(made.site))
    desk, _ = site.call(store.add_key("desk", site="shop"))
    other_desk, _ = site.call(store.add_key("desk", site="other"))
    revoked, record = site.call(store.add_key("gone", site="shop"))
    site.call(store.revoke_key(record.id))
    visitor = arrive(site, shop, SHOP)
    second, others = arrive(site, shop, SHOP)["token"], arrive(site, other, OTHER)["token"]
    world = World(site, shop, other, desk, other_desk, revoked, visitor, second, others, client_of(site.url))
    for role in ROLES:
        make_staff(site, role, role)
        sign_in(world, role)
    world.cookies = {"tampered": _cookie(world.people["owner"])[:-4] + "AAAA", "expired": _expired(world)}
    gone = person(site, "owner")
    world.cookies["replayed"] = _cookie(gone)
    assert gone.post("/console/sign-out").status_code == 303
    begin(world)
    return world


def sign_in(world: World, role: str) -> None:
    world.people[role] = person(world.site, role)
    world.csrf[role] = world.people[role].csrf("/console/account")


def _cookie(somebody: Person) -> str:
    return str(somebody.client.cookies["senmon_console"])


def _expired(world: World) -> str:
    """A session of the owner whose time was long ago."""
    made = person(world.site, "owner")
    world.site.call(_age(world.site, key_digest(_cookie(made))))
    return _cookie(made)


async def _age(site: Site, digest: str) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=3)
    mine = update(staff_sessions).where(staff_sessions.c.digest == digest)
    async with site.workspace.store.staff._database.writing() as database:
        await database.execute(mine.values(expires=long_ago, seen=long_ago))


def begin(world: World) -> None:
    """A conversation of the right visitor, with a run that ended and a person asked for."""
    conversation = world.site.conversation(world.right)
    body = {"client_id": "m1", "text": f"person please, {MARK}"}
    run = world.right.post(f"/v1/conversations/{conversation}/messages", json=body).json()["run_id"]
    with world.right.stream("GET", f"/v1/runs/{run}/events") as response:
        response.read()
    waiting = world.operator.get("/v1/handovers").json()["handovers"]
    handover = next(each["id"] for each in waiting if each["conversation_id"] == conversation)
    world.places = {"conversation": conversation, "run": run, "handover": handover}


def routes_of(app: FastAPI) -> tuple[tuple[str, str], ...]:
    """Every (method, path) that the application answers; HEAD goes with GET."""
    return tuple(dict.fromkeys(_routes(app.routes)))


def _routes(routes: Any) -> Iterator[tuple[str, str]]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _routes(inner.routes)
        elif isinstance(route, Mount):
            yield "GET", f"{route.path}/{{name}}"
        elif isinstance(route, APIRoute | Route):
            yield from ((method, route.path) for method in sorted(route.methods or ()) if method != "HEAD")
        else:
            raise AssertionError(f"a route of another kind: {route!r}")


def app_routes(folder: Path) -> tuple[tuple[str, str], ...]:
    """Of an application that has everything, the demonstrations too."""
    return routes_of(create_app(SimpleNamespace(settings=Settings(home=folder, demo=True))))


def filled(path: str, world: World) -> str:
    """The path with the right visitor's own ids in it."""
    kinds = {"/v1/runs": "run", "/v1/handovers": "handover", "/console/review": "run"}
    kind = next((kind for start, kind in kinds.items() if path.startswith(start)), "conversation")
    path = path.replace("{id}", "returns" if "/articles/" in path else world.places[kind])
    for name, value in (("pack", "shop"), ("token", "t" * 30), ("secret", "s" * 30), ("name", "nobody")):
        path = path.replace("{" + name + "}", value)
    return path.replace("{run}", "20260101T000000-abcdef")


def headers_of(world: World, actor: str) -> dict[str, str]:
    """Tokens, a cookie for the console where there is one, and the Origin of the page."""
    right = world.visitor["token"]
    bearers: dict[str, dict[str, str]] = {
        "wrong site": bearer(world.others, OTHER),
        "wrong visitor": bearer(world.second),
        "right visitor": bearer(right),
        "other desk": bearer(world.other_desk, None),
        "desk": bearer(world.desk, None),
        "operator": bearer(OPERATOR, None),
        "expired": bearer(world.forged(exp=time.time() - 60)),
        "tampered": bearer(tampered(right)),
        "replayed": bearer(world.visitor["refresh_token"]),
    }
    headers = bearers.get(actor, {})
    cookie = _cookie(world.people[actor]) if actor in ROLES else world.cookies.get(actor)
    return {**headers, "Cookie": f"senmon_console={cookie}"} if cookie else headers


def ask(world: World, actor: str, method: str, path: str) -> tuple[int, str]:
    """Status and body. Of a stream of the conversation's events, which has no end, the status alone."""
    headers, sent = headers_of(world, actor), _sent(world, actor, method, path)
    if path.startswith("/console"):
        headers["Origin"] = world.site.url
    world.bare.cookies.clear()
    with world.bare.stream(method, filled(path, world), headers=headers, **sent) as answer:
        endless = path == "/v1/conversations/{id}/events" and answer.status_code == 200
        body = "" if endless else answer.read().decode("utf-8", "replace")
        return answer.status_code, body


def _sent(world: World, actor: str, method: str, path: str) -> dict[str, Any]:
    if method == "GET":
        return {}
    if path.startswith("/console"):
        return {"data": {"csrf": world.csrf.get(actor, "x"), **FORMS.get(path, {})}}
    if path == "/v1/visitors":
        return {"json": _arrival(world, actor)}
    body = BODIES.get((method, path))
    if path == "/v1/people/export":
        body = {"visitor": world.visitor_id}
    return {} if body is None else {"json": body}


def _arrival(world: World, actor: str) -> dict[str, Any]:
    """What somebody sends who wants a token: the right site's key, from a page that may be another's."""
    given: dict[str, Any] = {"site_key": world.shop.site.public_key}
    if actor == "expired":
        claims = {"sub": "C-1", "aud": world.shop.site.public_key, "exp": int(time.time()) - 300}
        given["customer"] = jwt.encode(claims, world.shop.secret, algorithm="HS256")
    elif actor == "tampered":
        given["customer"] = tampered(customer_token(world.shop))
    elif actor == "replayed":
        spent = arrive(world.site, world.shop, SHOP)["refresh_token"]
        arrive(world.site, world.shop, SHOP, refresh_token=spent)
        given["refresh_token"] = spent
    return given


def row(world: World, method: str, path: str) -> list[tuple[int, str]]:
    """One cell for each actor. After a change that was let in, the next one finds everything as it was."""
    cells = []
    for actor in ACTORS:
        if (method, path) == JOINED:
            world.operator.post(f"/v1/handovers/{world.places['handover']}/accept", json={"agent": "Ann"})
        cells.append(ask(world, actor, method, path))
        if method != "GET" and cells[-1][0] < 400 and "{id}" in path:
            begin(world)
        if path == "/console/sign-out" and actor in ROLES:
            sign_in(world, actor)
    return cells


def read_table() -> dict[tuple[str, str], tuple[int, ...]]:
    """The kept table: a line is a method, a path and a status for each actor."""
    found = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = line.split()
        if cells and not line.startswith("#"):
            found[cells[0], cells[1]] = tuple(map(int, cells[2:]))
    return found
