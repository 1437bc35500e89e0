"""Who is asking. Identities come from verified tokens, or from being on this machine.

Three kinds of token: an API key (`sk-…`, for the OpenAI and Rasa endpoints and for back ends), a visitor's
token (signed here, short-lived) and a customer's token (signed by the host's site: HS256, `aud` is the
site's key, at most one hour). The first two come as `Authorization: Bearer`, the third as
`X-Senmon-Customer`. A fourth, the refresh token, buys visitors' tokens and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import jwt

from senmon.errors import ConfigError, Forbidden, Unauthenticated
from senmon.messages import BY_CLASS_CODE, Identity
from senmon.server.class_codes import ClassBook
from senmon.server.origins import is_own
from senmon.server.ports import Workspace
from senmon.server.sites import SiteRegistry
from senmon.store.keys import PREFIX, key_digest

SITE = "local"
CUSTOMER_HEADER = "x-senmon-customer"
VISITOR_SECONDS = 2 * 3600
#: Of a visitor of a site, who has a refresh token.
SITE_VISITOR_SECONDS = 900
#: For so long an expired visitor token can still be exchanged for a new one.
RENEWAL_SECONDS = 7 * 24 * 3600
CUSTOMER_SECONDS = 3600
#: Seconds that a host's clock may be off.
_LEEWAY = 60
REFRESH_PREFIX = "rt_"
_VISITOR_AUDIENCE = "senmon:visitor"
_MIN_SECRET = 32
_MIN_METRICS_KEY = 16
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
#: As in the example settings, where it is to be replaced.
_EXAMPLE_KEY = "sk-REPLACE-ME"


@dataclass(frozen=True, slots=True)
class Token:
    """A signed token and the seconds until it expires."""

    value: str
    expires_in: int


class Authenticator:
    """Issues and verifies tokens. ConfigError when the host's secret is too short to be safe."""

    def __init__(self, workspace: Workspace, secret: bytes) -> None:
        self._settings = workspace.settings
        self._store = workspace.store
        self._secret = secret
        self.sites = SiteRegistry(workspace.store.sites, secret)
        self.classes = ClassBook(workspace.store.class_codes, secret)
        self._key_digests = self._find_key_digests()
        self._host_keys = self._find_host_keys()
        self._metrics_digest = self._find_metrics_digest()

    def _find_key_digests(self) -> tuple[str, ...]:
        keys = [key.get_secret_value() for key in self._settings.api_keys]
        if _EXAMPLE_KEY in keys:
            raise ConfigError(
                "SENMON_API_KEYS still has the example's key, which everybody knows",
                remedy="replace it: sk- and the output of `openssl rand -hex 32`",
            )
        return tuple(map(key_digest, keys))

    def _find_metrics_digest(self) -> str:
        key = self._settings.metrics_key
        if key is not None and len(key.get_secret_value()) < _MIN_METRICS_KEY:
            raise ConfigError(
                f"SENMON_METRICS_KEY is shorter than {_MIN_METRICS_KEY} characters",
                remedy="use random ones: openssl rand -hex 32",
            )
        return key_digest(key.get_secret_value()) if key else ""

    def _find_host_keys(self) -> tuple[bytes, ...]:
        host = self._settings.jwt_secret
        keys = (host.get_secret_value().encode("utf-8"),) if host else ()
        if keys and len(keys[0]) < _MIN_SECRET:
            raise ConfigError(
                f"SENMON_JWT_SECRET has {len(keys[0])} bytes",
                remedy="use at least 32 random bytes: openssl rand -hex 32",
            )
        return keys

    def demo(self, headers: Mapping[str, str]) -> bool:
        """Whether the demo customer may sign in: on this machine, without a proxy in between."""
        return self._settings.demo and self.is_local(headers)

    def is_local(self, headers: Mapping[str, str]) -> bool:
        """Whether somebody on this machine asks: no proxy in between, no page of somebody else's."""
        origin = headers.get("origin", "")
        ours = not origin or origin in self._settings.allowed_origins or is_own(origin, headers)
        return self._settings.loopback and not _forwarded(headers) and ours

    @property
    def _demo_key(self) -> bytes:
        return hmac.digest(self._secret, b"demo customer", "sha256")

    # Tokens

    def issue_visitor(
        self,
        visitor: str | None = None,
        *,
        customer: str | None = None,
        seconds: int | None = None,
        site: str = SITE,
    ) -> Token:
        """A token for `visitor` (a new one by default), who is `customer` if the host's site said so."""
        most = VISITOR_SECONDS if site == SITE else SITE_VISITOR_SECONDS
        expires_in = min(most, seconds or most)
        claims = {"aud": _VISITOR_AUDIENCE, "sub": visitor or self.new_visitor(), "site": site}
        if customer is not None:
            claims["customer"] = customer
        return Token(_sign(claims, self._secret, expires_in), expires_in)

    def issue_demo_customer(self, customer: str, headers: Mapping[str, str]) -> Token:
        """Forbidden unless the demo is on, for somebody on this machine."""
        if not self.demo(headers):
            raise Forbidden(
                "there is no demo customer here",
                remedy="SENMON_DEMO=true, on 127.0.0.1 only and not through a proxy",
            )
        return Token(
            _sign({"aud": SITE, "sub": customer}, self._demo_key, CUSTOMER_SECONDS), CUSTOMER_SECONDS
        )

    @staticmethod
    def new_visitor() -> str:
        return secrets.token_urlsafe(16)

    def new_refresh(self, old: str = "", attempt: str = "") -> str:
        """A refresh token. After `old`, the same `attempt` gives the same one: an answer may get lost."""
        if not (old and attempt):
            return REFRESH_PREFIX + secrets.token_urlsafe(32)
        digest = hmac.digest(self._secret, f"refresh\0{old}\0{attempt}".encode(), "sha256")
        return REFRESH_PREFIX + base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")

    def read_visitor(self, token: str, *, renewing: bool = False) -> Identity:
        """Raises Unauthenticated. `renewing` also takes one that expired lately."""
        claims = _verify(token, self._secret, _VISITOR_AUDIENCE, leeway=RENEWAL_SECONDS if renewing else 0)
        if claims is None:
            raise Unauthenticated(
                "the visitor token is invalid or expired", remedy="POST /v1/visitors for a new one"
            )
        customer = str(claims.get("customer", "")) if not renewing else ""
        return Identity(str(claims.get("site", SITE)), str(claims["sub"]), customer or None)

    async def read_customer(self, token: str, site: str, headers: Mapping[str, str]) -> tuple[str, int]:
        """The customer's id and the seconds that the token is good for. Raises Unauthenticated.

        `headers` are those of the request: a demo customer's token is good where it was given only.
        """
        found = await self.sites.find(site)
        if found is not None:
            return _customer(token, self.sites.secrets(found), str(found.public_key))
        keys = (*self._host_keys, self._demo_key) if self.demo(headers) else self._host_keys
        if not keys:
            raise Unauthenticated(
                "customers can't sign in here", remedy="set SENMON_JWT_SECRET on the server"
            )
        return _customer(token, keys, site)

    # Requests

    async def visitor(self, headers: Mapping[str, str]) -> Identity:
        """Who uses the native API: a visitor's token, an API key, or somebody on this machine."""
        token = _bearer(headers)
        if token is None:
            if not await self.trusts_locally(headers):
                raise Unauthenticated(
                    "who is asking?", remedy="POST /v1/visitors and send its token as Bearer"
                )
            identity = Identity()
        elif token.startswith(PREFIX):
            identity = await self._key(token)
        else:
            identity = self.read_visitor(token)
        identity = await self._with_customer(identity, headers)
        if identity.site != SITE and "key" not in identity.roles:
            await self.sites.check(identity, headers)
        return identity

    async def may_come_without_site(self, headers: Mapping[str, str]) -> bool:
        """Once there are sites, whoever is not on this machine names one: its limits hold for everybody."""
        return self.is_local(headers) or not await self.sites.any()

    async def caller(self, headers: Mapping[str, str]) -> Identity:
        """Who uses the OpenAI API or the Rasa channel: an API key, or anybody on this machine."""
        token = _bearer(headers)
        if await self.trusts_locally(headers):
            identity = Identity(visitor="api", roles=frozenset({"operator"}))
        elif token is None:
            raise Unauthenticated("an API key is needed", remedy="send Authorization: Bearer sk-…")
        else:
            identity = await self._key(token)
        return await self._with_customer(identity, headers)

    async def trusts_locally(self, headers: Mapping[str, str]) -> bool:
        """Keys are optional as long as nobody made one, for somebody on this machine."""
        if self._key_digests or not self.is_local(headers):
            return False
        return not any(key.revoked is None for key in await self._store.keys())

    def reads_metrics(self, headers: Mapping[str, str]) -> bool:
        """Whether the key for the figures was sent, which is good for nothing else."""
        sent = _bearer(headers)
        if sent is None or not self._metrics_digest:
            return False
        return hmac.compare_digest(key_digest(sent), self._metrics_digest)

    async def has_keys(self) -> bool:
        return bool(self._key_digests) or any(key.revoked is None for key in await self._store.keys())

    async def _key(self, token: str) -> Identity:
        digest = key_digest(token)
        # Every key is compared, so that the time taken does not say which one is near.
        matches = [hmac.compare_digest(digest, known) for known in self._key_digests]
        if any(matches):
            return Identity(SITE, f"key:{digest[:16]}", roles=frozenset({"key", "operator"}))
        stored = await self._store.find_key(token)
        if stored is None:
            raise Unauthenticated(
                "the API key is unknown or revoked", remedy="check Authorization: Bearer sk-…"
            )
        return Identity(stored.site, f"key:{stored.id}", roles=frozenset({"key"}))

    async def _with_customer(self, identity: Identity, headers: Mapping[str, str]) -> Identity:
        token = headers.get(CUSTOMER_HEADER)
        if not token:
            return identity
        return replace(identity, customer=(await self.read_customer(token, identity.site, headers))[0])


def sender_identity(caller: Identity, sender: str) -> Identity:
    """A Rasa `sender`, kept apart from the same name under another key."""
    digest = hashlib.sha256(f"{caller.visitor}\0{sender}".encode()).hexdigest()[:32]
    return replace(caller, visitor=f"rasa:{digest}")


def _customer(token: str, keys: tuple[bytes, ...], audience: str) -> tuple[str, int]:
    """The customer and the seconds left. Raises Unauthenticated."""
    for key in keys:
        claims = _verify(token, key, audience, leeway=_LEEWAY)
        if claims is None:
            continue
        left = int(float(str(claims["exp"])) - time.time())
        if left > CUSTOMER_SECONDS + _LEEWAY:
            raise Unauthenticated(
                "the customer token lives too long", remedy="sign it with exp at most 1 h ahead"
            )
        if not str(claims["sub"]) or str(claims["sub"]).startswith(BY_CLASS_CODE):
            break
        return str(claims["sub"])[:256], max(1, left)
    raise Unauthenticated(
        "the customer token is invalid or expired",
        remedy=f"sign it with HS256, sub = customer, aud = {audience!r}, exp at most 1 h ahead",
    )


def _forwarded(headers: Mapping[str, str]) -> bool:
    return any(name in headers for name in _FORWARDED)


def _bearer(headers: Mapping[str, str]) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def _sign(claims: Mapping[str, str], key: bytes, seconds: int) -> str:
    now = int(time.time())
    return jwt.encode({**claims, "iat": now, "exp": now + seconds}, key, algorithm="HS256")


def _verify(token: str, key: bytes, audience: str, *, leeway: int) -> dict[str, object] | None:
    try:
        claims: dict[str, object] = jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            audience=audience,
            leeway=leeway,
            options={"require": ["sub", "aud", "exp"]},
        )
    except jwt.InvalidTokenError:
        return None
    return claims
