"""What a pack tells the router, and the key that names the router made from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from senmon.routing.out_of_scope import OUT_OF_SCOPE_DIGEST

#: Raise it whenever the same input gives another router.
ALGORITHM = 1


@dataclass(frozen=True, slots=True)
class PackRoutes:
    """One pack's share of the router.

    `digest` stands for `examples` ((text, intent) pairs). `negatives` are texts that this pack must not get;
    `always` are intents that never switch packs.
    """

    pack: str
    digest: str
    examples: tuple[tuple[str, str], ...]
    negatives: tuple[str, ...] = ()
    always: frozenset[str] = frozenset()


def router_key(routes: Sequence[PackRoutes], encoder_digest: str) -> str:
    """sha256 over everything that a router depends on: routing digests, encoder and algorithm."""
    return identity_key([_identity(one) for one in routes], encoder_digest)


def identity_key(identities: Sequence[Sequence[object]], encoder_digest: str) -> str:
    """`router_key` from what `identities` gave, as a saved router remembers it."""
    parts = [ALGORITHM, OUT_OF_SCOPE_DIGEST, encoder_digest, sorted(list(one) for one in identities)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def identities(routes: Sequence[PackRoutes]) -> tuple[tuple[str, str, str, str], ...]:
    """Per pack: name, digest, digest of the negatives, the `always` intents."""
    return tuple(sorted(_identity(one) for one in routes))


def _identity(routes: PackRoutes) -> tuple[str, str, str, str]:
    negatives = hashlib.sha256(json.dumps(sorted(routes.negatives)).encode()).hexdigest()
    return (routes.pack, routes.digest, negatives, json.dumps(sorted(routes.always)))
