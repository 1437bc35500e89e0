"""Where a request comes from. Headers of a proxy count only when the operator trusts that proxy."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Mapping

from senmon.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Prefix of the addresses that one customer of a provider usually holds (RFC 6177).
_IPV6_PREFIX = 64

log = logging.getLogger(__name__)


class Addresses:
    """Finds the client's address. ConfigError for a proxy that is no address and no network."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = tuple(map(_network, trusted))
        self._warned = False

    def of(self, peer: str, headers: Mapping[str, str]) -> str:
        """The address nearest to us that is no trusted proxy; IPv6 as its /64. `peer` holds the socket."""
        address = peer
        forwarded = headers.get("x-forwarded-for", "")
        if forwarded and not self.trusts(peer):
            self._warn()
        elif forwarded:
            for hop in reversed(forwarded.split(",")[-20:]):
                address = hop.strip()
                if not self.trusts(address):
                    break
        return _key(address)

    def trusts(self, address: str) -> bool:
        """Whether it is a proxy that the operator named."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "requests come through a proxy that SENMON_TRUSTED_PROXIES does not name: "
                "all its clients share one rate limit"
            )


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigError(
            f"SENMON_TRUSTED_PROXIES: {text!r} is no address and no network",
            remedy="write each like 10.0.0.7 or 10.0.0.0/8",
        ) from error


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def _key(address: str) -> str:
    found = _parsed(address)
    if found is None:
        return "unknown"
    if found.version == 6:
        return str(ipaddress.ip_network((int(found), _IPV6_PREFIX), strict=False))
    return str(found)
