"""`senmon bench serve`: the local engine beside transformers + PEFT, the same requests, the same replies."""

from __future__ import annotations

import asyncio
import codecs
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.bench.hardware import Hardware, measure_hardware
from senmon.bench.peft_peer import PeftPeer, Served
from senmon.bench.serve_load import Ask, make_asks, prompt_of, write_adapters
from senmon.bench.serve_work import least_at_shapes, least_seconds
from senmon.bench.timing import Spent, Spread, alternating, spending
from senmon.engines.local import LocalEngine
from senmon.engines.protocol import GenerateRequest, Sampling
from senmon.rendering import Renderer

Progress = Callable[[str], None]
REQUESTS, ADAPTERS, PROMPT, REPLY = 16, 8, 200, 32
PREFIX, MESSAGE = 150, 20
TIE = 1e-4
#: Bursts of ours before what counts: then adapters in demand have weights of their own.
SETTLING = 6
OURS, ONE, MIXED = "senmon", "PEFT set_adapter", "PEFT adapter_names"


@dataclass(frozen=True, slots=True)
class Repetition:
    """One system, one load. Seconds; `first` and `last` after each request's arrival."""

    tokens: int
    wall: float
    cpu: float
    first: tuple[float, ...]
    last: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """All repetitions of one load, by system."""

    name: str
    found: dict[str, list[Repetition]]
    #: Least CPU seconds that the arithmetic and the memory of ours allow.
    least: float | None = None
    #: The same by what the machine gave at that moment, medians instead of the best.
    least_then: float | None = None
    #: The same by what products reach at this base's shapes.
    least_shaped: float | None = None

    def speed(self, system: str) -> list[float]:
        """Tokens per CPU second."""
        return [one.tokens / one.cpu for one in self.found[system]]

    def wall_speed(self, system: str) -> list[float]:
        return [one.tokens / one.wall for one in self.found[system]]


@dataclass(frozen=True, slots=True)
class ServeFigures:
    hardware: Hardware
    groups: tuple[Group, ...]
    compared: int
    identical: int
    ties: int
    cold: Spread
    warm: Spread
    cold_cpu: Spread
    warm_cpu: Spread
    first_ratio: Spread


@dataclass(slots=True)
class Stage:
    """What a run needs: the base, its renderer, adapters, ours and theirs."""

    base: BaseFiles
    renderer: Renderer
    adapters: tuple[Adapter, ...]
    engine: LocalEngine
    peer: PeftPeer
    pieces: tuple[bytes, ...]


def run(base: BaseFiles, *, repetitions: int, threads: int, gap: float, progress: Progress) -> ServeFigures:
    """Everything but the thousand adapters. Torch's threads are set and left."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        progress("the limits of this machine")
        hardware = measure_hardware()
        stage = _stage(base, Path(folder), threads)
        groups = [
            _burst(stage, repetitions, hardware, progress),
            _staggered(stage, repetitions, gap, progress),
        ]
        groups.append(_single(stage, repetitions, progress))
        progress("comparing replies")
        compared, identical, ties = compare(stage)
        asyncio.run(stage.engine.close())
        firsts = first_tokens(base, stage.adapters[0], stage.renderer, 2 * repetitions + 1, threads, progress)
    return ServeFigures(hardware, tuple(groups), compared, identical, ties, *firsts)


def _stage(base: BaseFiles, folder: Path, threads: int) -> Stage:
    tokenizer = load_tokenizer(base)
    renderer = Renderer(tokenizer)
    adapters = write_adapters(base, load_model(base), folder, ADAPTERS)
    engine = LocalEngine(base, slots=REQUESTS, threads=threads, prefix_cache_tokens=0)
    peer = PeftPeer(base, adapters, sorted(renderer.stop_ids), renderer.pad_id)
    return Stage(base, renderer, adapters, engine, peer, engine._vocabulary.pieces)


def _asks(stage: Stage, count: int, *, gap: float = 0.0, seed: int = 0) -> list[Ask]:
    chosen = [stage.adapters[number % ADAPTERS] for number in range(count)]
    return make_asks(stage.renderer, chosen, tokens=PROMPT, reply=REPLY, gap=gap, seed=seed)


def _burst(stage: Stage, repetitions: int, hardware: Hardware, progress: Progress) -> Group:
    progress(f"{REQUESTS} requests at once over {ADAPTERS} adapters")
    asks = _asks(stage, REQUESTS)
    found = _measured(stage, asks, (OURS, ONE, MIXED), repetitions)
    lengths = [len(ask.ids) for ask in asks]
    while_shared = measure_hardware(statistics.median)
    return Group(
        "at once",
        found,
        least_seconds(stage.base, hardware, lengths, REPLY, ADAPTERS),
        least_seconds(stage.base, while_shared, lengths, REPLY, ADAPTERS),
        least_at_shapes(stage.base, hardware, lengths, REPLY, ADAPTERS),
    )


def _staggered(stage: Stage, repetitions: int, gap: float, progress: Progress) -> Group:
    progress(f"{REQUESTS} requests, Poisson arrivals, {gap:g} s apart on average")
    asks = _asks(stage, REQUESTS, gap=gap, seed=1)
    return Group(f"Poisson, {gap:g} s apart", _measured(stage, asks, (OURS, ONE, MIXED), repetitions))


def _single(stage: Stage, repetitions: int, progress: Progress) -> Group:
    progress("one request at a time")
    asks = _asks(stage, 3, seed=2)

    def ours() -> Repetition:
        return _joined([_ours(stage, [ask]) for ask in asks])

    return Group(
        "one at a time",
        alternating({OURS: ours, ONE: lambda: _theirs(stage.peer.one_by_one, asks)}, repetitions),
    )


def _measured(
    stage: Stage, asks: list[Ask], systems: Sequence[str], repetitions: int
) -> dict[str, list[Repetition]]:
    ways = {
        OURS: lambda: _ours(stage, asks),
        ONE: lambda: _theirs(stage.peer.one_by_one, asks),
        MIXED: lambda: _theirs(stage.peer.mixed_batches, asks),
    }
    for _ in range(SETTLING):
        _ours(stage, asks)  # as in a server that has run for a while; both have the adapters in memory
    _theirs(stage.peer.mixed_batches, asks[:2])
    return alternating({name: ways[name] for name in systems}, repetitions)


def _ours(stage: Stage, asks: Sequence[Ask]) -> Repetition:
    gc.collect()
    with spending() as spent:
        served = asyncio.run(replies(stage.engine, asks))
    return repetition(served, spent.wall, spent.cpu)


def _theirs(way: Callable[[Sequence[Ask]], list[Served]], asks: Sequence[Ask]) -> Repetition:
    gc.collect()
    with spending() as spent:
        served = way(asks)
    return repetition(served, spent.wall, spent.cpu)


def repetition(served: Sequence[Served], wall: float, cpu: float) -> Repetition:
    return Repetition(
        sum(one.count for one in served),
        wall,
        cpu,
        tuple(one.first for one in served),
        tuple(one.last for one in served),
    )


def _joined(parts: Sequence[Repetition]) -> Repetition:
    return Repetition(
        sum(part.tokens for part in parts),
        sum(part.wall for part in parts),
        sum(part.cpu for part in parts),
        tuple(one for part in parts for one in part.first),
        tuple(one for part in parts for one in part.last),
    )


async def replies(engine: LocalEngine, asks: Sequence[Ask]) -> list[Served]:
    """Each request at its time; seconds count from its arrival."""
    began = time.perf_counter()

    async def one(ask: Ask) -> Served:
        await asyncio.sleep(max(0.0, began + ask.at - time.perf_counter()))
        return await reply(engine, ask.request, began + ask.at)

    return list(await asyncio.gather(*map(one, asks)))


async def reply(engine: LocalEngine, request: GenerateRequest, arrived: float) -> Served:
    """One reply of ours, as text."""
    served = Served()
    text: list[str] = []
    async for chunk in engine.generate(request):
        if not text:
            served.first = time.perf_counter() - arrived
        text.append(chunk.text)
        if chunk.usage is not None:
            served.count = chunk.usage.completion_tokens
    served.last, served.text = time.perf_counter() - arrived, "".join(text)
    return served


def compare(stage: Stage) -> tuple[int, int, int]:
    """Replies compared, the same ones, and those that part where PEFT's two best logits are a tie.

    The engine runs all rows in one batch, PEFT each alone; both greedy.
    """
    asks = _asks(stage, REQUESTS, gap=0.02, seed=3) + _asks(stage, REQUESTS, seed=4)
    ours = asyncio.run(replies(stage.engine, asks))
    theirs = stage.peer.one_by_one([Ask(ask.request, ask.ids) for ask in asks])
    same = ties = 0
    for ask, mine, other in zip(asks, ours, theirs, strict=True):
        if agrees(stage.pieces, mine, other):
            same += 1
        elif stage.peer.gap(ask, other.ids[: _parting(stage, mine, other)]) < TIE:
            ties += 1
    return len(asks), same, ties


def agrees(pieces: Sequence[bytes], ours: Served, theirs: Served) -> bool:
    return ours.text == spoken(pieces, theirs.ids) and ours.count == theirs.count


def spoken(pieces: Sequence[bytes], ids: Sequence[int]) -> str:
    return codecs.decode(b"".join(pieces[id] for id in ids), "utf-8", "ignore")


def _parting(stage: Stage, ours: Served, theirs: Served) -> int:
    """How many of their tokens lie wholly in what both say."""
    said = ours.text or ""
    return next(
        at
        for at in reversed(range(len(theirs.ids) + 1))
        if said.startswith(spoken(stage.pieces, theirs.ids[:at]))
    )


def first_tokens(
    base: BaseFiles, adapter: Adapter, renderer: Renderer, repetitions: int, threads: int, progress: Progress
) -> tuple[Spread, Spread, Spread, Spread, Spread]:
    """Seconds to the first token, prefix unknown and known; wall, then CPU, then the ratio of CPU seconds."""
    progress("first token, prefix unknown and known")
    found: dict[int, list[Spent]] = {0: [], 1: []}

    async def all() -> None:
        engine = LocalEngine(base, slots=2, threads=threads)
        for seed in range(repetitions + 1):
            for place in found:
                messages = prompt_of(renderer, PREFIX, MESSAGE, seed=seed, turn=place)
                request = GenerateRequest(messages, adapter, sampling=Sampling(max_tokens=1))
                with spending() as spent:
                    await reply(engine, request, time.perf_counter())
                found[place].append(spent)
                await asyncio.sleep(0.02)
        await engine.close()

    asyncio.run(all())
    cold, warm = found[0][1:], found[1][1:]  # the first warms up
    pairs = list(zip(cold, warm, strict=True))
    return (
        Spread.of([one.wall for one in cold]),
        Spread.of([one.wall for one in warm]),
        Spread.of([one.cpu for one in cold]),
        Spread.of([one.cpu for one in warm]),
        Spread.of([one.cpu / other.cpu for one, other in pairs]),
    )
