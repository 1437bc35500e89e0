"""A thousand adapters of uneven popularity on one engine, beside eight: speed, memory, the right adapter."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.bench.memory import memory_now
from senmon.bench.peft_peer import PeftPeer
from senmon.bench.serve import Repetition, agrees, repetition, replies
from senmon.bench.serve_load import Ask, make_asks, write_adapters, zipf
from senmon.bench.timing import Spread, alternating, spending
from senmon.engines.local import LocalEngine
from senmon.rendering import Renderer

FEW, REQUESTS, PROMPT, REPLY, CHECKED = 8, 48, 200, 32, 12
#: Adapters that the engine keeps in memory.
KEPT = 64


@dataclass(frozen=True, slots=True)
class ManyFigures:
    """`speed`: tokens per CPU second. `share`: with `count` adapters against eight, by repetition.

    Memory in MB before and after everything; `loaded` adapters lay in memory at the end. `right` of
    `checked` replies were word for word those of PEFT with the adapter that was asked for.
    """

    count: int
    requests: int
    distinct: int
    speed: Spread
    few_speed: Spread
    share: Spread
    before: float
    after: float
    loaded: int
    checked: int
    right: int


def run_many(
    base: BaseFiles, *, count: int, repetitions: int, threads: int, progress: Callable[[str], None]
) -> ManyFigures:
    """Prefixes are not kept. Torch's threads are set and left."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        progress(f"writing {count} adapters")
        adapters = write_adapters(base, load_model(base), Path(folder), count)
        renderer = Renderer(load_tokenizer(base))
        engine = LocalEngine(base, threads=threads, prefix_cache_tokens=0, queue=REQUESTS, adapters=KEPT)
        try:
            return _measured(base, engine, renderer, adapters, repetitions, progress)
        finally:
            asyncio.run(engine.close())


def _measured(
    base: BaseFiles,
    engine: LocalEngine,
    renderer: Renderer,
    adapters: Sequence[Adapter],
    repetitions: int,
    progress: Callable[[str], None],
) -> ManyFigures:
    draws = iter(range(1 << 30))
    asked: list[Ask] = []

    def many() -> Repetition:
        progress(f"{len(adapters)} adapters, Zipf popularity")
        seed = next(draws)
        asks = _asks(renderer, zipf(adapters, REQUESTS, seed=seed), seed)
        asked.extend(asks)
        return _timed(engine, asks)

    def few() -> Repetition:
        progress(f"{FEW} adapters")
        asks = _asks(renderer, [adapters[number % FEW] for number in range(REQUESTS)], next(draws))
        return _timed(engine, asks)

    few()  # warms up
    before = memory_now()
    found = alternating({"many": many, "few": few}, repetitions)
    after, loaded = memory_now(), engine.stats().adapters
    progress("comparing replies with PEFT's")
    checked, right = _check(base, engine, renderer, asked)
    speeds = {name: [one.tokens / one.cpu for one in ones] for name, ones in found.items()}
    return ManyFigures(
        len(adapters),
        REQUESTS,
        len({ask.adapter.version for ask in asked}),
        Spread.of(speeds["many"]),
        Spread.of(speeds["few"]),
        Spread.of([a / b for a, b in zip(speeds["many"], speeds["few"], strict=True)]),
        before,
        after,
        loaded,
        checked,
        right,
    )


def _asks(renderer: Renderer, adapters: Sequence[Adapter], seed: int) -> list[Ask]:
    return make_asks(renderer, adapters, tokens=PROMPT, reply=REPLY, seed=seed)


def _timed(engine: LocalEngine, asks: Sequence[Ask]) -> Repetition:
    with spending() as spent:
        served = asyncio.run(replies(engine, asks))
    return repetition(served, spent.wall, spent.cpu)


def _check(base: BaseFiles, engine: LocalEngine, renderer: Renderer, asked: Sequence[Ask]) -> tuple[int, int]:
    """Replies of different adapters among those asked for, all in flight at once, against PEFT's."""
    chosen = list({ask.adapter.version: ask for ask in reversed(asked)}.values())[:CHECKED]
    ours = asyncio.run(replies(engine, chosen))
    stops = sorted(renderer.stop_ids)
    theirs = PeftPeer(base, [ask.adapter for ask in chosen], stops, renderer.pad_id).one_by_one(chosen)
    pieces = engine._vocabulary.pieces
    return len(chosen), sum(agrees(pieces, a, b) for a, b in zip(ours, theirs, strict=True))
