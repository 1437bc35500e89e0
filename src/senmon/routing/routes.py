"""What a pack tells the router, and the key that names the router made from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from senmon.routing.calibration import PROMISE
from senmon.routing.out_of_scope import OUT_OF_SCOPE_DIGEST

Identity: TypeAlias = tuple[str, str, str, str, str]

#: Raise it whenever the same input gives another router.
ALGORITHM = 4


@dataclass(frozen=True, slots=True)
class PackRoutes:
    """One pack's share of the router.

    `digest` stands for `examples` ((text, intent) pairs). `negatives` are texts that this pack must not get;
    `always` are intents that never switch packs. `promise` is the share of in-scope messages that the pack
    answers. `corrections` are messages that people moved to this pack; their intent is found by nearness;
    `refusals` are messages that people took away from it for good, however near they look.
    """

    pack: str
    digest: str
    examples: tuple[tuple[str, str], ...]
    negatives: tuple[str, ...] = ()
    always: frozenset[str] = frozenset()
    promise: float = PROMISE
    corrections: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


def router_key(routes: Sequence[PackRoutes], encoder_digest: str) -> str:
    """sha256 over everything that a router depends on: routing digests, encoder and algorithm."""
    return identity_key([_identity(one) for one in routes], encoder_digest)


def identity_key(identities: Sequence[Sequence[object]], encoder_digest: str) -> str:
    """`router_key` from what `identities` gave, as a saved router remembers it."""
    parts = [ALGORITHM, OUT_OF_SCOPE_DIGEST, encoder_digest, sorted(list(one) for one in identities)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def identities(routes: Sequence[PackRoutes]) -> tuple[Identity, ...]:
    """Per pack: name, digest, digest of negatives and corrections, the `always` intents, the promise."""
    return tuple(sorted(_identity(one) for one in routes))


def _identity(routes: PackRoutes) -> Identity:
    texts = [sorted(routes.negatives), sorted(routes.corrections), sorted(routes.refusals)]
    learnt = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    return (routes.pack, routes.digest, learnt, json.dumps(sorted(routes.always)), str(routes.promise))
