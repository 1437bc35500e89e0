"""Where a webhook may lead, and the request that a delivery becomes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from senmon.actions.http_request import HttpRequest
from senmon.errors import ConfigError
from senmon.packs.http_rules import is_private
from senmon.server.webhooks.signing import signed_headers
from senmon.settings import Settings
from senmon.store.webhooks import Delivery

MOST_URL = 2000
_PRIVATE = "set SENMON_WEBHOOKS_PRIVATE=true if it is in a network of yours"


def check_url(url: str, *, private: bool) -> str:
    """`url`, when events may be sent there: https, of a public host. Raises ConfigError.

    Whatever the name leads to is looked at again when something is sent, and pinned.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"{url[:100]!r} is no URL", remedy="https://example.com/hook") from error
    if parts.scheme not in ("https", "http") or not host or len(url) > MOST_URL or not url.isprintable():
        raise ConfigError(f"{url[:100]!r} is no https URL", remedy="https://example.com/hook")
    if parts.username or parts.password or parts.fragment or " " in url:
        raise ConfigError("a webhook's URL has no user, password or #", remedy="put a secret into the path")
    if is_private(host) and not private:
        raise ConfigError(f"{host} is in a private network", remedy=_PRIVATE)
    if parts.scheme == "http" and not private:
        raise ConfigError("http is not encrypted", remedy=f"use https, or {_PRIVATE}")
    return url


def event_request(url: str, secret: str, delivery: Delivery) -> HttpRequest:
    """The event, signed now. Every try has the same body and id."""
    event = {
        "id": delivery.event,
        "type": delivery.type,
        "timestamp": delivery.created.isoformat(),
        "data": dict(delivery.data),
    }
    body = _json(event)
    headers = signed_headers(secret, delivery.event, int(time.time()), body)
    return HttpRequest("POST", url, {**headers, "Content-Type": "application/json"}, body, True)


def chatwoot_request(settings: Settings, delivery: Delivery) -> HttpRequest:
    """A call of Chatwoot's application API. Raises ConfigError when Chatwoot is no longer set up."""
    if not settings.chatwoot_url or settings.chatwoot_token is None:
        raise ConfigError("Chatwoot is not set up", remedy="SENMON_CHATWOOT_URL and SENMON_CHATWOOT_TOKEN")
    account, conversation = (quote(str(delivery.data[name]), safe="") for name in ("account", "conversation"))
    root = settings.chatwoot_url.rstrip("/")
    place = f"{root}/api/v1/accounts/{account}/conversations/{conversation}"
    if delivery.type == "chatwoot.open":
        url, body = f"{place}/toggle_status", _json({"status": "open"})
    else:
        said = {"content": delivery.data["text"], "message_type": "outgoing", "private": False}
        url, body = f"{place}/messages", _json(said)
    headers = {
        "api_access_token": settings.chatwoot_token.get_secret_value(),
        "Content-Type": "application/json",
    }
    # A message that may have arrived is not sent again at once; opening twice does no harm.
    return HttpRequest("POST", url, headers, body, delivery.type == "chatwoot.open")


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
