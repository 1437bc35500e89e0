"""Which server answers: the one an adapter belongs to, unless it has more than its share of the work.

Rendezvous hashing (Thaler and Ravishankar 1998) gives each adapter an order of servers that hardly changes
when one comes or goes; the bound is that of consistent hashing with bounded loads (Mirrokni et al. 2018).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

#: A server takes this many times the mean of what is running; then the adapter's next one is asked.
BOUND = 1.25


class Server(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def active(self) -> int: ...


S = TypeVar("S", bound=Server)


def ranked(key: str, servers: Sequence[S]) -> list[S]:
    """The servers in the order in which `key` prefers them."""
    return sorted(servers, key=lambda server: _weight(key, server.name), reverse=True)


def choose(key: str, servers: Sequence[S], *, limit: int) -> S | None:
    """The first that `key` prefers with a share free; None when all have `limit` requests already.

    Without a key (the bare base, which every server has) the least busy one.
    """
    free = [server for server in servers if server.active < limit]
    if not free:
        return None
    if not key:
        return min(free, key=lambda server: server.active)
    share = math.ceil(BOUND * (sum(server.active for server in servers) + 1) / len(servers))
    order = ranked(key, free)
    return next((server for server in order if server.active < share), order[0])


def _weight(key: str, name: str) -> bytes:
    return hashlib.blake2b(f"{key}\0{name}".encode(), digest_size=16).digest()
