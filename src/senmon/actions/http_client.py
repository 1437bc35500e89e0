"""Sending a declared request: to the declared host and nowhere else, within bounds, again if that is safe.

The host's name is resolved here and the checked address is the one connected to, so that a name that changes
its address in between leads nowhere. TLS still speaks and verifies the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from senmon import tracing
from senmon.actions.http_request import HttpRequest
from senmon.actions.server import bounded, tls
from senmon.errors import ActionFailed
from senmon.packs.http_rules import is_private

log = logging.getLogger(__name__)

#: (host, port) → addresses as text.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
RETRIES = 2
PAUSES = (0.2, 0.8)
#: Longer than this nobody waits in a chat.
LONGEST_PAUSE = 5.0
_BUSY = frozenset({429, 502, 503, 504})
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: IPv6 networks whose last 32 bits are an IPv4 address: NAT64 (RFC 6052), SIIT (RFC 2765), IPv4-compatible.
_EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")))
#: No host of the internet, whatever the standard library of this Python knows.
_INSIDE = tuple(
    map(ipaddress.ip_network, ("64:ff9b:1::/48", "fec0::/10", "192.0.0.0/24", "5f00::/16", "3fff::/20"))
)
#: Where clouds keep the credentials of their machines: out of reach in a private network too.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`body` is the parsed JSON; None when there is none, `is_json` False when it is something else."""

    status: int
    body: Any
    is_json: bool = True


class HttpClient:
    """`resolve` and `transport` are seams for tests."""

    def __init__(
        self, *, resolve: Resolve | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._resolve = resolve or resolved
        self._transport = transport

    async def send(self, name: str, request: HttpRequest, *, private: bool, timeout: float) -> HttpAnswer:
        """The last answer. Raises ActionFailed when there is none: dead, too large, a forbidden address.

        Busy (429, 502–504) and unreachable services are asked again twice at most, after a pause or the
        time that they ask for; a request that may have arrived only when it is repeatable.
        """
        addresses = await self._addresses(name, request, private)
        deadline = asyncio.get_running_loop().time() + timeout
        for attempt in range(RETRIES + 1):
            answer, wait, repeatable = await self._try(name, request, addresses, timeout)
            pause = wait if wait is not None else PAUSES[min(attempt, len(PAUSES) - 1)]
            left = deadline - asyncio.get_running_loop().time()
            if not repeatable or attempt == RETRIES or pause > min(LONGEST_PAUSE, left):
                break
            await asyncio.sleep(pause)
        if answer is None:
            raise ActionFailed(f"The service of `{name}` did not answer.", remedy="check that it runs")
        return answer

    async def _try(
        self, name: str, request: HttpRequest, addresses: Sequence[str], timeout: float
    ) -> tuple[HttpAnswer | None, float | None, bool]:
        """The answer, how long it asks to wait, and whether to ask again."""
        try:
            answer, wait = await self._exchange(request, addresses, timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            log.warning("the service of %s can't be reached (%s)", name, type(error).__name__)
            return None, None, True
        except httpx.DecodingError as error:
            # Too large or compressed: the next answer would be so too.
            log.warning("the service of %s answered with %s", name, error)
            return None, None, False
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            log.warning("the service of %s did not answer (%s)", name, type(error).__name__)
            return None, None, request.repeatable
        busy = answer.status in _BUSY
        return answer, wait, busy and (request.repeatable or answer.status == 429)

    async def _exchange(
        self, request: HttpRequest, addresses: Sequence[str], timeout: float
    ) -> tuple[HttpAnswer, float | None]:
        refused: httpx.HTTPError | None = None
        for address in addresses:
            try:
                return await self._to(address, request, timeout)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refused = error
        raise refused or httpx.ConnectError("no address")

    async def _to(
        self, address: str, request: HttpRequest, timeout: float
    ) -> tuple[HttpAnswer, float | None]:
        # No proxies from the environment and no redirects: both would lead elsewhere.
        client = httpx.AsyncClient(
            verify=tls(), timeout=timeout, trust_env=False, transport=self._transport, follow_redirects=False
        )
        headers = {
            **tracing.headers(),
            **request.headers,
            "Host": urlsplit(request.url).netloc,
            "Accept-Encoding": "identity",
            "User-Agent": "senmon",
        }
        url = _at(request.url, address)
        names = {"sni_hostname": request.host}
        async with (
            client,
            client.stream(
                request.method, url, headers=headers, content=request.body, extensions=names
            ) as response,
        ):
            return _answer(response.status_code, await bounded(response)), _wait(response)

    async def _addresses(self, name: str, request: HttpRequest, private: bool) -> Sequence[str]:
        host = request.host
        try:
            found = await self._resolve(host, request.port)
        except OSError as error:
            raise ActionFailed(
                f"The host of `{name}` is not known.", remedy="check actions.http.url and the network"
            ) from error
        allowed = [address for address in found if reachable(host, address, private=private)]
        if not allowed:
            log.warning("the host of %s leads to a private address", name)
            raise ActionFailed(
                f"The host of `{name}` leads into a private network.",
                remedy="if it is yours, set actions.http.private_network: true",
            )
        return allowed


async def resolved(host: str, port: int) -> tuple[str, ...]:
    """The system's answer, IPv4 first: it is the one that always works."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)
    return tuple(sorted(addresses, key=lambda address: ":" in address))


def reachable(host: str, address: str, *, private: bool) -> bool:
    """Whether a request to `host` may go to `address`.

    A host written as a private address may; a name may when the pack says that its network is private, but
    then neither to this machine's own link (metadata services) nor to what is no host's address.
    """
    ip = _plain(ipaddress.ip_address(address))
    if ip.is_multicast or ip.is_unspecified or ip in _METADATA:
        return False
    inside = not ip.is_global or any(ip in network for network in _INSIDE)
    if not inside or is_private(host):
        return True
    return private and not ip.is_link_local and not ip.is_reserved


def _plain(ip: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and int(ip) > 1 and any(ip in network for network in _EMBEDDING):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return inner or ip
    return ip


def _at(url: str, address: str) -> str:
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))


def _answer(status: int, body: bytes) -> HttpAnswer:
    if not body.strip():
        return HttpAnswer(status, None)
    try:
        return HttpAnswer(status, json.loads(body))
    except (ValueError, RecursionError):
        return HttpAnswer(status, None, is_json=False)


def _wait(response: httpx.Response) -> float | None:
    """Retry-After in seconds; a date there is rare and not waited for."""
    given = response.headers.get("retry-after", "").strip()
    return float(given) if given.isascii() and given.isdigit() and len(given) < 6 else None
