"""What a replica's steps cost, measured on the real engine; and a real run to hold the simulation against.

Seconds are CPU seconds of the engine's thread: other programs on the machine disturb them less.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls

from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.bench.fleet import Ask, Costs, Plan, Seen, World, percentile
from senmon.bench.serve import reply
from senmon.bench.serve_load import prompt_of, write_adapters
from senmon.engines.local import LocalEngine
from senmon.engines.protocol import GenerateRequest, Sampling
from senmon.messages import Message
from senmon.rendering import Renderer

Progress = Callable[[str], None]
ADAPTERS, KEPT, PREFIX, MESSAGE, REPLY, SLOTS = 24, 8, 150, 60, 32, 16
PREFIX_TOKENS = 2048
#: Requests at once, adapters, tokens of each prompt's shared part.
BURSTS = ((1, 1, 60), (2, 2, 120), (4, 1, 240), (8, 8, 60), (16, 4, 120), (16, 16, 200))


@dataclass(slots=True)
class Meter:
    """CPU seconds of the engine's passes: of prompts by tokens, of decode steps by rows and adapters."""

    prompts: list[tuple[int, float]] = field(default_factory=list)
    steps: list[tuple[int, int, float]] = field(default_factory=list)
    #: Of whole steps, what was besides these, by tokens written.
    besides: list[tuple[int, float]] = field(default_factory=list)
    #: Steps: begin and end by the clock, CPU seconds.
    spans: list[tuple[float, float, float]] = field(default_factory=list)

    def watch(self, engine: LocalEngine) -> None:
        """Everything that the engine runs from now on."""
        model, batch = engine._model, engine._scheduler._batch
        extend, decode, step = model.extend, model.decode, batch.step
        inside = 0.0

        def extended(slot, tokens, *rest, **more):  # type: ignore[no-untyped-def]
            nonlocal inside
            begun = time.thread_time()
            made = extend(slot, tokens, *rest, **more)
            inside += (spent := time.thread_time() - begun)
            self.prompts.append((len(tokens), spent))
            return made

        def decoded(ids, lengths, adapters):  # type: ignore[no-untyped-def]
            nonlocal inside
            begun = time.thread_time()
            made = decode(ids, lengths, adapters)
            inside += (spent := time.thread_time() - begun)
            self.steps.append((len(ids), len({each.version for each in adapters if each}), spent))
            return made

        def stepped(next_row):  # type: ignore[no-untyped-def]
            nonlocal inside
            inside, begun, wall = 0.0, time.thread_time(), time.perf_counter()
            written: int = step(next_row)
            spent = time.thread_time() - begun
            self.besides.append((written, spent - inside))
            self.spans.append((wall, time.perf_counter(), spent))
            return written

        model.extend, model.decode, batch.step = extended, decoded, stepped  # type: ignore[method-assign, assignment]

    @property
    def cpu(self) -> float:
        return sum(spent for _, _, spent in self.spans)

    def stretch(self) -> float:
        """Seconds by the clock for a CPU second, while the engine worked."""
        return sum(end - begin for begin, end, _ in self.spans) / self.cpu

    def own_time(self, moment: float) -> float:
        """The same moment by a clock that stands still while other programs have the engine's processor."""
        lost = 0.0
        for begin, end, spent in self.spans:
            if begin >= moment:
                break
            share = min(1.0, (moment - begin) / (end - begin)) if end > begin else 1.0
            lost += share * max(0.0, end - begin - spent)
        return moment - lost

    def costs(self, load: float, around: float) -> Costs:
        """Least squares without negative parts."""
        (prompt, token), _ = nnls(*_columns([(1, count) for count, _ in self.prompts], self.prompts))
        (step, row, adapter), _ = nnls(
            *_columns([(1, rows, kinds) for rows, kinds, _ in self.steps], self.steps)
        )
        (more, each), _ = nnls(*_columns([(1, written) for written, _ in self.besides], self.besides))
        found = (prompt, token, step + more, row + each, adapter, load, around)
        return Costs(*map(float, found))


def _columns(
    given: Sequence[tuple[int, ...]], measured: Sequence[tuple[float, ...]]
) -> tuple[np.ndarray, np.ndarray]:
    return np.array(given, dtype=float), np.array([one[-1] for one in measured])


@dataclass(frozen=True, slots=True)
class Held:
    """A real run beside the simulation of it: what was asked is the same, message by message.

    Both by the engine's own time (`Meter.own_time`); `stretch` says how busy the machine was meanwhile.
    """

    asked: int
    gap: float
    stretch: float
    real: dict[str, float]
    simulated: dict[str, float]

    def errors(self) -> dict[str, float]:
        return {name: self.simulated[name] / value - 1 for name, value in self.real.items() if value}


@dataclass(frozen=True, slots=True)
class Real:
    """A real run: what was asked, by the engine's own time, and what came of it."""

    asks: tuple[Ask, ...]
    gap: float
    stretch: float
    found: dict[str, float]

    def beside(self, costs: Costs) -> Held:
        """The simulation is of the engine alone, as the run was."""
        plan = Plan(1, SLOTS, len(self.asks), KEPT, PREFIX_TOKENS)
        seen = World(replace(costs, around=0.0), plan, seed=0).play(self.asks)
        return Held(len(self.asks), self.gap, self.stretch, self.found, _simulated(seen))


@dataclass(frozen=True, slots=True)
class Measured:
    costs: Costs
    prompts: int
    steps: int
    held: tuple[Held, ...]
    megabytes_an_adapter: float


def measure(
    base: BaseFiles, *, around: float, asks: int, gaps: Sequence[float], progress: Progress
) -> Measured:
    """About a minute. `around`: CPU seconds of a turn besides the engine (`senmon bench overhead`)."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        progress(f"writing {ADAPTERS} adapters")
        adapters = write_adapters(base, load_model(base), Path(folder), ADAPTERS)
        renderer = Renderer(load_tokenizer(base))
        return asyncio.run(_measured(base, renderer, adapters, around, asks, gaps, progress))


async def _measured(
    base: BaseFiles,
    renderer: Renderer,
    adapters: Sequence[Adapter],
    around: float,
    asks: int,
    gaps: Sequence[float],
    progress: Progress,
) -> Measured:
    progress("what steps cost")
    engine = LocalEngine(base, slots=SLOTS, threads=1, prefix_cache_tokens=0, queue=SLOTS)
    loads = await _loads(engine, adapters)
    await _burst(engine, renderer, adapters[:2], 2, 30)
    meter = Meter()
    meter.watch(engine)
    await _bursts(engine, renderer, adapters)
    real = []
    for gap in gaps:
        progress(f"{asks} messages, {gap:g} s apart")
        real.append(await _real(base, renderer, adapters, asks, gap))
    progress("what steps cost, once more")
    await _bursts(engine, renderer, adapters)
    size = engine._pool.get(adapters[0]).bytes / 1e6
    await engine.close()
    costs = meter.costs(loads, around)
    progress("the same messages, simulated")
    held = tuple(one.beside(costs) for one in real)
    return Measured(costs, len(meter.prompts), len(meter.steps), held, size)


async def _bursts(engine: LocalEngine, renderer: Renderer, adapters: Sequence[Adapter]) -> None:
    for count, kinds, tokens in BURSTS:
        await _burst(engine, renderer, adapters[:kinds], count, tokens)


async def _loads(engine: LocalEngine, adapters: Sequence[Adapter]) -> float:
    """CPU seconds to read one, the median."""
    found = []
    for adapter in adapters:
        begun = time.process_time()
        await engine.preload([adapter])
        found.append(time.process_time() - begun)
    return statistics.median(found)


async def _burst(
    engine: LocalEngine, renderer: Renderer, adapters: Sequence[Adapter], count: int, tokens: int
) -> None:
    requests = [
        GenerateRequest(
            prompt_of(renderer, tokens, 12, seed=count, turn=number),
            adapters[number % len(adapters)],
            sampling=Sampling(max_tokens=REPLY),
        )
        for number in range(count)
    ]
    await asyncio.gather(*(reply(engine, request, 0.0) for request in requests))


async def _real(
    base: BaseFiles, renderer: Renderer, adapters: Sequence[Adapter], count: int, gap: float
) -> Real:
    """Poisson arrivals over adapters of uneven popularity, more of them than are kept, prefixes kept."""
    asks, messages = _asks(renderer, len(adapters), count, gap)
    engine = LocalEngine(
        base, slots=SLOTS, queue=count, threads=1, adapters=KEPT, prefix_cache_tokens=PREFIX_TOKENS
    )
    await _burst(engine, renderer, adapters[:1], 2, 30)
    before, meter = engine.stats(), Meter()
    meter.watch(engine)
    began = time.perf_counter()

    async def one(ask: Ask, said: tuple[Message, ...]) -> tuple[Ask, float, float]:
        await asyncio.sleep(max(0.0, began + ask.at - time.perf_counter()))
        request = GenerateRequest(said, adapters[ask.pack], sampling=Sampling(max_tokens=REPLY))
        came = time.perf_counter()
        served = await reply(engine, request, came)
        return replace(ask, at=came, reply=served.count), came + served.first, came + served.last

    found = await asyncio.gather(*(one(ask, said) for ask, said in zip(asks, messages, strict=True)))
    after = engine.stats()
    await engine.close()
    came = [meter.own_time(ask.at) for ask, _, _ in found]
    firsts = [meter.own_time(first) - at for at, (_, first, _) in zip(came, found, strict=True)]
    lasts = [meter.own_time(last) - at for at, (_, _, last) in zip(came, found, strict=True)]
    told = [replace(ask, at=at - came[0]) for at, (ask, _, _) in zip(came, found, strict=True)]
    real = _figures(firsts, lasts)
    real |= {
        "engine busy, s": meter.cpu,
        "adapters read": float(after.adapter_loads - before.adapter_loads),
        "prompt tokens run": float(
            after.prompt_tokens - before.prompt_tokens - after.cached_tokens + before.cached_tokens
        ),
    }
    return Real(tuple(told), gap, meter.stretch(), real)


def _simulated(seen: Seen) -> dict[str, float]:
    return _figures(seen.first, seen.last) | {
        "engine busy, s": seen.engine_busy,
        "adapters read": float(seen.loads),
        "prompt tokens run": float(seen.prompt_tokens - seen.cached_tokens),
    }


def _figures(first: Sequence[float], last: Sequence[float]) -> dict[str, float]:
    return {
        "first token, p50, s": percentile(first, 0.5),
        "first token, p95, s": percentile(first, 0.95),
        "last token, p50, s": percentile(last, 0.5),
        "last token, p95, s": percentile(last, 0.95),
    }


def _asks(
    renderer: Renderer, packs: int, count: int, gap: float
) -> tuple[list[Ask], list[tuple[Message, ...]]]:
    """Messages and their tokens, as the engine's cache would see them."""
    draw, at = random.Random(7), 0.0
    weights = [1 / rank for rank in range(1, packs + 1)]
    asks, messages = [], []
    for number in range(count):
        (pack,) = draw.choices(range(packs), weights)
        said = prompt_of(renderer, PREFIX, MESSAGE, seed=pack, turn=number)
        whole, prefix = len(renderer.prompt(said)), len(renderer.prompt(said[:1]))
        asks.append(Ask(at, pack, number, prefix, whole - prefix, REPLY))
        messages.append(said)
        at += draw.expovariate(1 / gap)
    return asks, messages
