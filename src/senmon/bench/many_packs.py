"""A thousand made-up packs, seeded: what they cost to fit and to route, and whether they are told apart."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from senmon.bench.route import best_pack
from senmon.embedding import Encoder
from senmon.routing.router import PackRoutes, Router

#: One wording of every intent is kept to be asked.
LEARNT_AT_MOST = 11


def written() -> dict[str, list[str]]:
    """`makers`, `things`, and per intent the wordings that all packs share."""
    found: dict[str, list[str]] = {}
    for line in files("senmon.bench").joinpath("many_packs.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            found[line[2:]] = current = []
        else:
            current.append(line)
    return found


@dataclass(frozen=True, slots=True)
class ScaleFigures:
    """CPU seconds of encoding (of what no former run has kept) and of fitting; milliseconds a message with
    both (`p50`, `p95` by the clock; `cpu_p95` of the processor, which other processes do not lengthen); share
    of the `asked` unseen messages whose pack scored highest (`right`) and whose nearest example is of their
    pack; the greatest memory of the process so far in MB."""

    packs: int
    intents: int
    examples: int
    asked: int
    encode_seconds: float
    fit_seconds: float
    p50: float
    p95: float
    cpu_p95: float
    right: float
    right_by_nearest: float | None
    memory_mb: float


def made_up(
    packs: int, intents: int, each: int, seed: int = 0
) -> tuple[tuple[PackRoutes, ...], list[tuple[str, str]]]:
    """Packs with `intents` of `each` examples, and one unseen message (text, pack) per intent.

    A pack is for one thing of one maker (`harbour violin`); every message names both, beside wordings that
    all packs share. A reader who knows the packs' names places each message without fail. Above 980 packs the
    maker has two words.
    """
    asks = written()
    makers, things = asks.pop("makers"), asks.pop("things")
    if each > LEARNT_AT_MOST or intents > len(asks):
        raise ValueError(f"at most {LEARNT_AT_MOST} examples of {len(asks)} intents can be made")
    numbers = np.random.default_rng(seed)
    pairs = [f"{one} {other}" for at, one in enumerate(makers) for other in makers[at + 1 :]]
    single, double = ([f"{maker} {thing}" for maker in some for thing in things] for some in (makers, pairs))
    names = [some[at] for some in (single, double) for at in numbers.permutation(len(some)).tolist()]
    routes, unseen = [], []
    for number, name in enumerate(names[:packs]):
        key = f"pack-{number:04}"
        examples: list[tuple[str, str]] = []
        for intent, asked in list(asks.items())[:intents]:
            texts = [asked[at].format(a=name) for at in numbers.permutation(len(asked))[: each + 1].tolist()]
            examples += [(text, intent) for text in texts[:-1]]
            unseen.append((texts[-1], key))
        routes.append(PackRoutes(key, key, tuple(examples)))
    return tuple(routes), unseen


def by_nearest(
    encoder: Encoder | None, routes: Sequence[PackRoutes], asked: Sequence[tuple[str, str]]
) -> float | None:
    """The share of messages whose nearest example is of their pack: what the vectors alone know."""
    if encoder is None:
        return None
    owners = [one.pack for one in routes for _ in one.examples]
    known = encoder.encode([text for one in routes for text, _ in one.examples])
    nearest = (encoder.encode([text for text, _ in asked]) @ known.T).argmax(axis=1).tolist()
    return float(np.mean([owners[at] == pack for at, (_, pack) in zip(nearest, asked, strict=True)]))


def measure_scale(
    encoder: Encoder | None, packs: int = 1000, intents: int = 10, each: int = 10, timed: int = 200
) -> ScaleFigures:
    """Fit once, then route `timed` unseen messages one by one."""
    routes, unseen = made_up(packs, intents, each)
    started = time.process_time()
    if encoder is not None:
        encoder.encode([text for one in routes for text, _ in one.examples])
    encoded = time.process_time()
    router = Router.fit(routes, encoder)
    fitted = time.process_time()
    router.route("warm up")
    asked = unseen[:: max(1, len(unseen) // timed)]
    spent, used, right = [], [], 0
    for text, pack in asked:
        began, began_cpu = time.perf_counter(), time.process_time()
        choice = router.route(text)
        used.append(1000 * (time.process_time() - began_cpu))
        spent.append(1000 * (time.perf_counter() - began))
        right += best_pack(choice) == pack
    p50, p95 = np.quantile(spent, (0.5, 0.95))
    unit = 2**20 if sys.platform == "darwin" else 1024
    return ScaleFigures(
        packs=packs,
        intents=packs * intents,
        examples=sum(len(one.examples) for one in routes),
        asked=len(asked),
        encode_seconds=encoded - started,
        fit_seconds=fitted - encoded,
        p50=float(p50),
        p95=float(p95),
        cpu_p95=float(np.quantile(used, 0.95)),
        right=right / len(asked),
        right_by_nearest=by_nearest(encoder, routes, asked),
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
    )
