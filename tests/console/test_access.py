"""Who may do what: every route for every role, as declared in one table."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.routing import APIRoute

from console_rig import HOSTILE, PASSWORD, Person, make_staff, person
from senmon.errors import RateLimited
from senmon.server.console import passwords
from senmon.server.console.access import ACCESS
from senmon.server.console.router import routers
from senmon.server.console.throttle import ADDRESS, NAME, PAIR, SignInThrottle
from senmon.store.staff import ROLES
from server_rig import Site

DECLARED = {
    (method, route.path)
    for router in routers
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
}
#: What a cell must not do to the tests beside it.
FIELDS = {"/console/account": {"old": "wrong", "password": "x", "again": "y"}}


def filled(path: str) -> str:
    """A path that leads to nothing."""
    for name, value in (("id", "AAAAAAAAAAAAAAAAAAAAAA"), ("token", "t" * 30), ("pack", "nosuch")):
        path = path.replace("{" + name + "}", value)
    return path.replace("{run}", "20260101T000000-abcdef").replace("{name}", "nobody")


def test_the_table_and_the_routes_are_the_same() -> None:
    assert set(ACCESS) == DECLARED
    changes = {key: rule for key, rule in ACCESS.items() if key[0] != "GET" and rule.roles is not None}
    assert all(rule.does for rule in changes.values()), "each change has words for the audit log"


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_the_table_says(site: Site, signed: Callable[[str], Person], role: str) -> None:
    somebody = signed(role)
    token = somebody.csrf("/console/account")
    for (method, path), rule in ACCESS.items():
        if path == "/console/sign-out" or rule.roles is None:
            continue
        if method == "GET":
            answer = somebody.get(filled(path))
        else:
            data = {"csrf": token, **FIELDS.get(path, {})}
            answer = somebody.client.post(filled(path), data=data, headers={"Origin": site.url})
        allowed = role in rule.roles
        assert (answer.status_code == 403) is not allowed, (method, path, role, answer.status_code)
        assert answer.status_code < 500, (method, path, role, answer.text)


def test_nobody_may_anything_without_signing_in(site: Site) -> None:
    stranger = Person(site)
    for (method, path), rule in ACCESS.items():
        if rule.roles is None:
            continue
        answer = stranger.client.request(method, filled(path))
        assert answer.status_code == 303, (method, path)
        assert answer.headers["location"].startswith("/console/sign-in"), (method, path)
    part = stranger.get("/console/inbox/list", **{"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/console/sign-in")


def test_a_change_needs_the_token_of_its_session(site: Site, signed: Callable[[str], Person]) -> None:
    owner, agent = signed("owner"), signed("agent")
    path = "/console/staff/nobody/disable"
    good, other = owner.csrf("/console/account"), agent.csrf("/console/account")
    for token in ("", other, good + "x", "ü"):
        refused = owner.client.post(path, data={"csrf": token}, headers={"Origin": site.url})
        assert refused.status_code == 403, token
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert owner.client.post(path, data={"csrf": good}, headers=headers).status_code == 403
    assert owner.client.post(path, data={"csrf": good}, headers={"Origin": site.url}).status_code == 404
    by_header = owner.client.post(path, headers={"X-CSRF-Token": good, "Origin": site.url})
    assert by_header.status_code == 404
    json = owner.client.post(path, json={"csrf": good})
    assert json.status_code == 415


def test_the_form_to_sign_in_is_bound_too(site: Site) -> None:
    stranger = Person(site)
    data = {"name": "owner", "password": PASSWORD, "csrf": "x"}
    assert stranger.client.post("/console/sign-in", data=data).status_code == 403
    assert "senmon_console" not in stranger.client.cookies


def test_cookies_and_headers(site: Site) -> None:
    somebody = Person(site)
    answer = somebody.sign_in("owner")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/console" in cookie
    page = somebody.get("/console/inbox")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert "<script>" not in page.text and " style=" not in page.text and "onclick" not in page.text


def test_a_session_ends(site: Site) -> None:
    make_staff(site, "leaving", "agent")
    here, there = person(site, "leaving"), person(site, "leaving")
    assert here.post("/console/sign-out").status_code == 303
    assert here.get("/console/inbox").status_code == 303
    assert there.get("/console/inbox").status_code == 200
    owner = person(site, "owner")
    assert owner.post("/console/staff/leaving/disable").status_code == 303
    assert there.get("/console/inbox").status_code == 303
    assert Person(site).sign_in("leaving").status_code == 401


def test_the_last_owner_stays(site: Site, signed: Callable[[str], Person]) -> None:
    owner = signed("owner")
    assert owner.post("/console/staff/owner/role", role="agent").status_code == 403
    assert owner.post("/console/staff/owner/disable").status_code == 422
    assert owner.get("/console/staff").status_code == 200


def test_a_link_is_good_once(site: Site, signed: Callable[[str], Person]) -> None:
    page = signed("owner").post("/console/staff/add", name="newcomer", display="New Comer", role="reviewer")
    token = page.text.split("/console/setup/")[1].split("<")[0]
    path = f"/console/setup/{token}"
    fresh = Person(site)
    short = fresh.post(path, page=path, password="short", again="short")
    assert short.status_code == 422 and "10 to 256 characters" in short.text
    done = fresh.post(path, page=path, password="two blue bicycles", again="two blue bicycles")
    assert done.status_code == 303 and fresh.get("/console/review").status_code == 200
    assert Person(site).get(path).status_code == 403
    assert Person(site).sign_in("newcomer", "two blue bicycles").status_code == 303
    first = site.call(site.workspace.store.staff.make_link(None))
    assert Person(site).get(f"/console/setup/{first}").status_code == 403, "there is an owner already"


def test_names_are_words_only(site: Site, signed: Callable[[str], Person]) -> None:
    refused = signed("owner").post(
        "/console/staff/add", name=HOSTILE[:90], display=HOSTILE[:50], role="agent"
    )
    assert refused.status_code == 422 and "<script>window" not in refused.text


def test_guessing_is_slowed_down(site: Site) -> None:
    make_staff(site, "guessed", "agent")
    guesser = Person(site)
    codes = [guesser.sign_in("guessed", "wrong wrong wrong").status_code for _ in range(PAIR + 1)]
    assert codes == [401] * PAIR + [429]
    late = guesser.sign_in("guessed")
    assert late.status_code == 429 and int(late.headers["retry-after"]) > 0
    assert "senmon_console" not in guesser.client.cookies


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        ("/console/audit?name=ann", "/console/audit?name=ann"),
        ("/console/../v1/models", "/console"),
        ("/console/%2e%2e/v1/models", "/console"),
        ("//evil.example", "/console"),
        ("https://evil.example/console", "/console"),
        ("/console@evil.example", "/console"),
    ],
)
def test_a_sign_in_leads_nowhere_but_into_the_console(site: Site, wanted: str, led: str) -> None:
    name = f"wanderer{sum(map(ord, wanted))}"
    make_staff(site, name, "owner")
    answer = Person(site).sign_in(name, next=wanted)
    assert (answer.status_code, answer.headers["location"]) == (303, led)


def test_waits_grow_and_are_forgotten() -> None:
    moment = [0.0]
    throttle = SignInThrottle(lambda: moment[0])

    def wait(name: str, address: str) -> float:
        try:
            throttle.attempt(name, address)
        except RateLimited as error:
            return float(error.retry_after or 0)
        return 0.0

    assert [wait("ann", "1") for _ in range(PAIR)] == [0.0] * PAIR
    assert wait("ann", "1") == 15
    moment[0] += 15
    assert wait("ann", "1") == 0 and wait("ann", "1") == 30
    assert wait("ann", "2") == 0, "the same name from elsewhere"
    throttle.succeeded("ann", "1")
    assert wait("ann", "1") == 0
    assert [wait(f"n{number}", "3") > 0 for number in range(ADDRESS + 1)][-1], "one address, many names"
    assert [wait("bob", f"a{number}") > 0 for number in range(NAME + 1)][-1], "one name, many addresses"
    moment[0] += 4000
    assert wait("bob", "a") == 0 and wait("n", "3") == 0


def test_passwords_are_kept_as_argon2id() -> None:
    kept = passwords.hashed("two blue bicycles")
    assert kept.startswith("$argon2id$") and "bicycles" not in kept
    assert passwords.matches(kept, "two blue bicycles")
    assert not passwords.matches(kept, "two blue bicycle") and not passwords.matches(None, "anything")
    assert not passwords.matches("no hash at all", "anything")
