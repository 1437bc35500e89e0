"""What is weighted how: the shares of groups and sources, given or by default.

The default knows what a source is from its documents. A source counts by the square root of its tokens, so
that a large one does not drown the small ones. In the last third (annealing) prose counts a quarter,
conversations 1.5 times, conversations with calls or results of actions 3 times, and maths 2 times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from senmon.errors import ConfigError
from senmon.pretraining.mixing import Mix
from senmon.pretraining.shards import Origin, Shard

PROSE, TALK, GROUNDED, MATHS = 0.25, 1.5, 3.0, 2.0
#: Share of a source's documents from which on the source counts as of that kind.
MOSTLY, OFTEN = 0.5, 0.2


def origins_of(shards: Sequence[Shard]) -> dict[tuple[str, str], Origin]:
    """(group, source) → what it holds, over all files."""
    total: dict[tuple[str, str], Origin] = {}
    for shard in shards:
        for source, origin in shard.origins.items():
            key = (shard.group, source)
            total[key] = total.get(key, Origin()) + origin
    return total


def default_mix(shards: Sequence[Shard]) -> Mix:
    """The documented default for these shards; its keys are `group/source`."""
    start, anneal = {}, {}
    for (group, source), origin in origins_of(shards).items():
        name = f"{group}/{source}"
        start[name] = math.sqrt(origin.tokens)
        anneal[name] = start[name] * annealing_factor(f"{group} {source}", origin)
    return Mix(_normalised(start), _normalised(anneal))


def annealing_factor(name: str, origin: Origin) -> float:
    if "math" in name.lower():
        return MATHS
    if origin.tools >= OFTEN * origin.documents:
        return GROUNDED
    return TALK if origin.conversations >= MOSTLY * origin.documents else PROSE


def _normalised(shares: Mapping[str, float]) -> dict[str, float]:
    total = sum(shares.values()) or 1.0
    return {name: round(share / total, 5) for name, share in shares.items()}


def check_mix(mix: Mix, shards: Sequence[Shard]) -> None:
    """Raises ConfigError for a weight that names nothing here, is negative, or when nothing is left."""
    keys = origins_of(shards)
    groups = {group for group, _ in keys}
    known = groups | {source for _, source in keys} | {f"{group}/{source}" for group, source in keys}
    unknown = sorted((mix.start.keys() | mix.anneal.keys()) - known)
    if unknown:
        raise ConfigError(
            f"--weight names what the corpus has not: {', '.join(unknown)}",
            remedy=f"the groups are {', '.join(sorted(groups))}; a source of one may be named too",
        )
    for shares, phase in ((mix.start, "the first two thirds"), (mix.anneal, "the last third")):
        if any(not share >= 0 or math.isinf(share) for share in shares.values()):
            raise ConfigError("--weight takes numbers from 0 on", remedy="for example support=0.4:0.6")
        if not any(shares.values()):
            raise ConfigError(
                f"every weight in {phase} is 0", remedy="give a group a share, for example support=0.4:0.6"
            )


def parse_weights(given: Sequence[str]) -> Mix | None:
    """`support=0.4:0.6` → 0.4 at first, 0.6 in the last third. None without any: the default applies.

    Raises ConfigError naming the text that is not of this form.
    """
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for text in given:
        name, _, shares = text.partition("=")
        start, _, end = shares.partition(":")
        try:
            first[name], last[name] = float(start), float(end or start)
        except ValueError:
            raise ConfigError(
                f"--weight {text}: not GROUP=SHARE", remedy="for example support=0.4:0.6"
            ) from None
    return Mix(first, last) if given else None
