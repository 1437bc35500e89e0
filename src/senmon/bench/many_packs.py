"""A thousand made-up packs, seeded, from a word grammar: what many packs cost to fit and to route."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import numpy as np

from senmon.bench.route import best_pack
from senmon.embedding import Encoder
from senmon.routing.router import PackRoutes, Router

ASKS = (
    "how do I {verb} the {adjective} {noun}", "can you {verb} my {noun} for me", "the {noun} does not {verb}",
    "when will the {adjective} {noun} {verb}", "I want to {verb} a {noun} with the {other}",
    "is there a {adjective} {noun} here", "please {verb} the {noun} before the {other}",
    "what does the {noun} cost",
    "my {other} and my {noun} won't {verb}", "tell me about the {adjective} {noun}",
    "why did you {verb} the {other}", "{verb} {noun}", "help, the {noun} is {adjective}",
)  # fmt: skip
SYLLABLES = (
    "ba be bi bo da de do fa fi go ka ke ki la le lo ma mi mo na ne no pa po ra re ri sa si so ta te to"
)


@dataclass(frozen=True, slots=True)
class ScaleFigures:
    """CPU seconds of fitting without encoding, milliseconds a message with it, share of unseen messages that
    found their pack, and the greatest memory of the process so far in MB."""

    packs: int
    intents: int
    examples: int
    encode_seconds: float
    fit_seconds: float
    p50: float
    p95: float
    right: float
    memory_mb: float


def made_up(
    packs: int, intents: int, each: int, seed: int = 0
) -> tuple[tuple[PackRoutes, ...], list[tuple[str, str]]]:
    """Packs with `intents` of `each` examples, and one unseen message (text, pack) per intent."""
    numbers = np.random.default_rng(seed)
    syllables = SYLLABLES.split()

    def word() -> str:
        count = int(numbers.integers(2, 4))
        return "".join(syllables[int(at)] for at in numbers.integers(0, len(syllables), count))

    routes, unseen = [], []
    for number in range(packs):
        name, shared = f"pack-{number:04}", [word() for _ in range(6)]
        examples: list[tuple[str, str]] = []
        for intent in range(intents):
            own = {"verb": [word() for _ in range(2)], "noun": [word() for _ in range(3)]}
            texts: dict[str, None] = {}
            while len(texts) < each + 1:
                pick = {key: words[int(numbers.integers(len(words)))] for key, words in own.items()}
                pick |= {key: shared[int(numbers.integers(6))] for key in ("adjective", "other")}
                texts[ASKS[int(numbers.integers(len(ASKS)))].format(**pick)] = None
            *learnt, last = texts
            examples += [(text, f"intent-{intent}") for text in learnt]
            unseen.append((last, name))
        routes.append(PackRoutes(name, name, tuple(examples)))
    return tuple(routes), unseen


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
    spent, right = [], 0
    for text, pack in asked:
        began = time.perf_counter()
        choice = router.route(text)
        spent.append(1000 * (time.perf_counter() - began))
        right += best_pack(choice) == pack
    p50, p95 = np.quantile(spent, (0.5, 0.95))
    unit = 2**20 if sys.platform == "darwin" else 1024
    return ScaleFigures(
        packs=packs,
        intents=packs * intents,
        examples=sum(len(one.examples) for one in routes),
        encode_seconds=encoded - started,
        fit_seconds=fitted - encoded,
        p50=float(p50),
        p95=float(p95),
        right=right / len(asked),
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
    )
