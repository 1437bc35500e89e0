"""Who gets in: visitors' tokens, customers' tokens, API keys, the machine itself."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from senmon.errors import ConfigError, RateLimited
from senmon.server.app import create_app
from senmon.server.limits import RateLimiter
from senmon.server.secret import load_secret
from server_rig import HOST_SECRET, FakeWorkspace, Site, client_of, serving

Make = Callable[..., FakeWorkspace]


def customer_token(secret: str = HOST_SECRET, seconds: int = 600, **claims: Any) -> str:
    payload = {"sub": "c-1", "aud": "local", "exp": int(time.time()) + seconds, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, secret, algorithm="HS256")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, pack: Any) -> Any:
    from senmon.settings import Settings
    from server_rig import FakeCatalog, FakeServed

    settings = Settings(home=tmp_path_factory.mktemp("shop"), jwt_secret=HOST_SECRET, rate_limit_per_minute=0)
    with serving(FakeWorkspace(settings, FakeCatalog({"shop": FakeServed(pack)}))) as running:
        yield running


def last_customer(site: Site, **headers: str) -> str | None:
    conversation = site.client.post("/v1/conversations", headers=headers).json()["conversation_id"]
    body = {"client_id": "1", "text": "hello"}
    answer = site.client.post(f"/v1/conversations/{conversation}/messages", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    with site.client.stream("GET", f"/v1/runs/{answer.json()['run_id']}/events", headers=headers) as response:
        response.read()
    return site.workspace.assistant.asked[-1][2].customer


def test_customer_is_who_the_host_signed(shop: Site) -> None:
    assert last_customer(shop) is None
    assert last_customer(shop, **{"X-Senmon-Customer": customer_token()}) == "c-1"
    ahead = customer_token(iat=time.time() + 30, seconds=3630)  # by a host whose clock is fast
    assert last_customer(shop, **{"X-Senmon-Customer": ahead}) == "c-1"


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "a.b.c",
        customer_token("x" * 32),
        customer_token(aud="other.example"),
        customer_token(aud=None),
        customer_token(seconds=-90),
        customer_token(seconds=7200),
        customer_token(exp=None),
        customer_token(sub=None),
        customer_token(sub=""),
        jwt.encode({"sub": "c-1", "aud": "local", "exp": time.time() + 60}, "", algorithm="none"),
        jwt.encode(
            {"sub": "c-1", "aud": "local", "exp": time.time() + 60}, HOST_SECRET * 2, algorithm="HS512"
        ),
    ],
)
def test_other_customer_tokens_are_401(shop: Site, token: str) -> None:
    answer = shop.client.post("/v1/conversations", headers={"X-Senmon-Customer": token})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert shop.anonymous.post("/v1/visitors", json={"customer": token}).status_code == 401


def test_visitor_token_carries_the_customer_no_longer_than_it_was_signed_for(shop: Site) -> None:
    given = shop.client.post("/v1/visitors", json={"customer": customer_token(seconds=300)}).json()
    assert given["customer"] == "c-1" and 290 <= given["expires_in"] <= 300
    signed_in = client_of(shop.url, Authorization=f"Bearer {given['token']}")
    conversation = shop.conversation(signed_in)
    # The same visitor, signed out, does not read on.
    assert shop.client.get(f"/v1/conversations/{conversation}").status_code == 403
    assert signed_in.get(f"/v1/conversations/{conversation}").status_code == 200
    renewed = signed_in.post("/v1/visitors").json()
    assert renewed["customer"] is None


def test_visitor_is_kept_by_renewal(site: Site) -> None:
    conversation = site.conversation()
    renewed = site.client.post("/v1/visitors").json()
    assert renewed["max_message_chars"] == 4000 and renewed["demo"] is False
    again = client_of(site.url, Authorization=f"Bearer {renewed['token']}")
    assert again.get(f"/v1/conversations/{conversation}").status_code == 200


def test_forged_and_foreign_visitor_tokens_are_401(site: Site) -> None:
    claims = {"sub": "ann", "aud": "senmon:visitor", "site": "local", "exp": time.time() + 60}
    for token in (jwt.encode(claims, "k" * 32, algorithm="HS256"), "x.y.z", "junk"):
        refused = site.anonymous.post("/v1/conversations", headers={"Authorization": f"Bearer {token}"})
        assert refused.status_code == 401, token


def test_an_expired_visitor_token_can_only_be_renewed(site: Site) -> None:
    secret = (site.workspace.settings.home / "secret").read_bytes()
    claims = {"sub": "ann", "aud": "senmon:visitor", "site": "local", "exp": time.time() - 60}
    old = {"Authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"}
    assert site.anonymous.post("/v1/conversations", headers=old).status_code == 401
    token = site.anonymous.post("/v1/visitors", headers=old).json()["token"]
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == "ann"
    stale = jwt.encode({**claims, "exp": time.time() - 30 * 24 * 3600}, secret, algorithm="HS256")
    fresh = site.anonymous.post("/v1/visitors", headers={"Authorization": f"Bearer {stale}"}).json()["token"]
    assert jwt.decode(fresh, options={"verify_signature": False})["sub"] != "ann"


def test_nobody_signs_customers_in_without_a_secret(site: Site) -> None:
    answer = site.client.post("/v1/conversations", headers={"X-Senmon-Customer": customer_token()})
    assert answer.status_code == 401 and "SENMON_JWT_SECRET" in answer.json()["error"]["remedy"]


def test_local_trust_ends_with_a_proxy_or_a_key(site: Site, make_workspace: Make) -> None:
    assert site.anonymous.post("/v1/conversations").status_code == 201
    assert site.anonymous.post("/v1/conversations", headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 401
    chat = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    proxied = site.anonymous.post("/v1/chat/completions", json=chat, headers={"X-Forwarded-For": "1.2.3.4"})
    assert proxied.status_code == 401 and proxied.json()["error"]["type"] == "authentication_error"
    secret, record = site.call(site.workspace.store.add_key("first"))
    try:
        assert site.anonymous.post("/v1/conversations").status_code == 401
        with_key = {"Authorization": f"Bearer {secret}"}
        assert site.anonymous.post("/v1/conversations", headers=with_key).status_code == 201
    finally:
        site.call(site.workspace.store.revoke_key(record.id))


def test_a_public_address_demands_a_key(make_workspace: Make) -> None:
    from starlette.testclient import TestClient

    app = create_app(make_workspace(host="0.0.0.0"))
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0 demands an API key"), TestClient(app):
        pass
    app = create_app(make_workspace(host="0.0.0.0", api_keys=("sk-good",), demo=True))
    with TestClient(app) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers={"Authorization": "Bearer sk-good"}).status_code == 200
        assert client.post("/v1/conversations").status_code == 401
        # The page's visitors need no key, and the demo customer is local only.
        token = client.post("/v1/visitors").json()
        assert token["demo"] is False
        assert client.post("/v1/demo/customer").status_code == 404
        bearer = {"Authorization": f"Bearer {token['token']}"}
        assert client.post("/v1/conversations", headers=bearer).status_code == 201


def test_demo_customer(make_workspace: Make) -> None:
    with serving(make_workspace(demo=True)) as site:
        assert site.client.post("/v1/visitors").json()["demo"] is True
        token = site.anonymous.post("/v1/demo/customer", json={"customer": "C-7"}).json()["customer_token"]
        assert last_customer(site, **{"X-Senmon-Customer": token}) == "C-7"
        assert site.anonymous.post("/v1/demo/customer", json={"customer": "<b>"}).status_code == 422


def test_the_demo_customer_does_not_come_through_a_proxy(make_workspace: Make) -> None:
    """Behind one everybody looks local, and could sign in as anybody."""
    with serving(make_workspace(demo=True, jwt_secret=HOST_SECRET)) as site:
        token = site.anonymous.post("/v1/demo/customer", json={"customer": "C-7"}).json()["customer_token"]
        for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Forwarded-Proto"):
            proxied = client_of(site.url, **{header: "x"})
            assert proxied.post("/v1/demo/customer").status_code == 403
            assert proxied.post("/v1/visitors", json={"customer": token}).status_code == 401
            assert proxied.post("/v1/visitors").json()["demo"] is False
            with_token = {"X-Senmon-Customer": token, "Authorization": site.client.headers["authorization"]}
            assert proxied.post("/v1/conversations", headers=with_token).status_code == 401
            signed = {**with_token, "X-Senmon-Customer": customer_token()}
            assert proxied.post("/v1/conversations", headers=signed).status_code == 201


def test_the_key_of_the_example_is_refused(make_workspace: Make) -> None:
    from starlette.testclient import TestClient

    example = (Path(__file__).parents[2] / "deploy/senmon.env.example").read_text(encoding="utf-8")
    key = next(line for line in example.splitlines() if line.startswith("SENMON_API_KEYS=")).partition("=")[2]
    app = create_app(make_workspace(api_keys=f"sk-good, {key}"))
    with pytest.raises(ConfigError, match="the example's key"), TestClient(app):
        pass


def test_demo_is_off_by_default(site: Site) -> None:
    assert site.anonymous.post("/v1/demo/customer").status_code == 404
    assert "/v1/demo/customer" not in site.anonymous.get("/openapi.json").json()["paths"]


def test_short_host_secret_is_refused(make_workspace: Make) -> None:
    from starlette.testclient import TestClient

    app = create_app(make_workspace(jwt_secret="short"))
    with pytest.raises(ConfigError, match=r"SENMON_JWT_SECRET has 5 bytes.*openssl"), TestClient(app):
        pass


def test_secret_is_made_once_and_guarded(tmp_path: Path) -> None:
    secret = load_secret(tmp_path / "home")
    path = tmp_path / "home" / "secret"
    assert len(secret) == 32 and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_secret(tmp_path / "home") == secret
    assert list((tmp_path / "home").iterdir()) == [path]
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_secret(tmp_path / "home")
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(ConfigError, match="damaged"):
        load_secret(tmp_path / "home")


def test_rate_limiter_counts_apart_and_refills() -> None:
    now = [0.0]
    limiter = RateLimiter(6, clock=lambda: now[0])
    for _ in range(6):
        limiter.check("ann")
    with pytest.raises(RateLimited) as caught:
        limiter.check("ann")
    assert caught.value.retry_after == pytest.approx(10)
    limiter.check("bob")
    now[0] = 10.0
    limiter.check("ann")
    with pytest.raises(RateLimited):
        limiter.check("ann")
    for number in range(20_000):
        limiter.check(f"v{number}")
    assert len(limiter._buckets) <= 10_000
    unlimited = RateLimiter(0)
    for _ in range(1000):
        unlimited.check("ann")
