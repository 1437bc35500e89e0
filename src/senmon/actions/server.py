"""The same actions on a rasa-sdk action server, over HTTP.

Contract: `POST /webhook` of rasa-sdk 3: 200 `{events, responses}`, 400 rejected, 404 unknown action,
449 resend with the domain.
"""

from __future__ import annotations

import functools
import json
import logging
import ssl
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from senmon import tracing
from senmon.actions.reply import Reply
from senmon.actions.tracker import domain_digest
from senmon.errors import ActionFailed, ActionRejected, ActionUnknown

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
RESEND_WITH_DOMAIN = 449


class ActionServer:
    """Calls action servers. Remembers which domain each one has, so that it is sent once."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._known: dict[str, str] = {}

    async def call(
        self, url: str, name: str, tracker: dict[str, Any], domain: dict[str, Any], timeout: float
    ) -> Reply:
        """Raises ActionUnknown (404), ActionRejected (400), ActionFailed (dead, slow, garbage, 5xx)."""
        digest = domain_digest(domain)
        payload = {
            "next_action": name,
            "sender_id": tracker["sender_id"],
            "tracker": tracker,
            "domain_digest": digest,
            "version": rasa_version(),
        }
        with_domain = {**payload, "domain": domain}
        known = self._known.get(url) == digest
        try:
            status, body = await self._post(url, payload if known else with_domain, timeout)
            if known and status == RESEND_WITH_DOMAIN:
                status, body = await self._post(url, with_domain, timeout)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            log.warning("action server of %s did not answer (%s)", name, type(error).__name__)
            remedy = "check that it runs, and the pack's actions.url"
            raise ActionFailed(f"The action server did not answer `{name}`.", remedy=remedy) from error
        reply = _read(name, status, body)
        self._known[url] = digest
        return reply

    async def _post(self, url: str, payload: dict[str, Any], timeout: float) -> tuple[int, bytes]:
        # No proxies from the environment: the payload holds what customers said.
        client = httpx.AsyncClient(
            verify=tls(), timeout=timeout, trust_env=False, transport=self._transport, follow_redirects=False
        )
        headers = {**tracing.headers(), "Accept-Encoding": "identity"}
        async with client, client.stream("POST", url, json=payload, headers=headers) as response:
            return response.status_code, await bounded(response)


async def bounded(response: httpx.Response) -> bytes:
    """The body, undecoded: a compressed answer was not asked for, and a few kilobytes of it could fill the
    memory. Raises httpx.DecodingError when it is compressed or too large."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise httpx.DecodingError("a compressed answer")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise httpx.DecodingError(f"more than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _read(name: str, status: int, body: bytes) -> Reply:
    if status == 404:
        raise ActionUnknown(f"The action server has no action `{name}`.", remedy="see its GET /actions")
    if status == 400:
        log.warning("action server rejected %s", name)
        raise ActionRejected(f"`{name}` refused to run.")
    if status != 200:
        log.warning("action server answered %s to %s", status, name)
        raise ActionFailed(f"The action server failed on `{name}` (HTTP {status}).")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        log.warning("action server answered no JSON to %s (%d bytes)", name, len(body))
        raise ActionFailed(f"The action server answered `{name}` with something that is not JSON.") from error
    if not isinstance(data, dict) or not {"events", "responses"} <= data.keys():
        raise ActionFailed(f"The action server answered `{name}` without `events` and `responses`.")
    return Reply.of(name, data["events"], data["responses"])


@functools.cache
def rasa_version() -> str:
    try:
        return version("rasa-sdk")
    except PackageNotFoundError:
        return "3.0.0"


@functools.cache
def tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
