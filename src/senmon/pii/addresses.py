"""E-mail and IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from senmon.pii.spans import Span, before

#: Bounded parts (RFC 5321 lengths), so that no text makes it slow.
_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9](?:[\w.+'%-]{0,62}[\w+-])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}"
    r"[A-Za-z]{2,24}(?![\w-])"
)
#: RFC 2606 and RFC 6761: names that nobody owns.
_FREE_NAMES = re.compile(
    r"(?:^|[@.])(?:example\.(?:com|net|org)|[\w-]*\.?(?:example|test|invalid|localhost))$", re.I
)
_IPV4 = re.compile(r"(?<![\w.:-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
#: Four numbers with dots that are none: versions, sections of a law or a manual.
_NOT_AN_ADDRESS = re.compile(r"(?:version|release|firmware|build|section|chapter|figure|step|v|§)\s*$")


def emails(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text):
        yield Span(match.start(), match.end(), "", bool(_FREE_NAMES.search(match[0])))


def ips(text: str) -> Iterator[Span]:
    """IPv4 and IPv6. Private, loopback and documentation addresses are `made_up`."""
    for match in (*_IPV4.finditer(text), *_IPV6.finditer(text)):
        if _NOT_AN_ADDRESS.search(before(text, match.start(), 20)):
            continue
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        if address.version == 6 and len(match[0]) < 6:  # `::` and `1::` are punctuation more often
            continue
        yield Span(match.start(), match.end(), f"IPv{address.version}", not address.is_global)
