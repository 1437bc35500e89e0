"""`senmon bench tune`: our tuning beside TRL's SFTTrainer + PEFT, the same rows, order, steps, optimiser.

Each program runs in processes of its own, in turn, so that neither warms or fills the other's memory.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from senmon.bases.catalog import BaseFiles
from senmon.bench.hardware import Hardware, measure_hardware
from senmon.bench.serve_work import Shape
from senmon.bench.timing import Spread, alternating
from senmon.bench.tune_job import (
    Program,
    TuneJob,
    TuneResult,
    by_length,
    data_of,
    made_up,
    shuffled,
)
from senmon.errors import ConfigError
from senmon.tuning.batches import pack
from senmon.tuning.rows import Row
from senmon.tuning.tune import CPU_MICRO_BATCH_TOKENS

Progress = Callable[[str], None]
BATCH = 16
VALID = 32
#: Points of the plot: tokens of the shared prefix, tokens behind it, share of these that is the reply.
SUFFIX, SHARE, PREFIX = 120, 0.4, 150
POINTS = tuple((prefix, SHARE) for prefix in (0, 60, 150, 300)) + tuple(
    (PREFIX, share) for share in (0.1, 0.9)
)


@dataclass(frozen=True, slots=True)
class Way:
    """How one program tunes. `grouped`: the rows of a step are alike in length, else in random order.

    `beside`: the way that it is compared with, same order, same steps; None for our own.
    """

    program: Program
    grouped: bool
    half: bool
    checkpointing: bool = False
    beside: str | None = None


OURS, OURS_MIXED, OURS_PLAIN = "senmon, bf16", "senmon, random order, bf16", "senmon, float32"
WAYS = {
    "TRL, its defaults": Way("trl", False, True, checkpointing=True, beside=OURS_MIXED),
    "TRL, grouped by length, bf16": Way("trl", True, True, beside=OURS),
    OURS_MIXED: Way("senmon", False, True),
    OURS: Way("senmon", True, True),
    OURS_PLAIN: Way("senmon", True, False),
}


@dataclass(frozen=True, slots=True)
class PackFigures:
    """A pack's rows: how many tokens, and every way's repetitions."""

    pack: str
    steps: int
    prefix: int
    tokens: float
    supervised: float
    found: dict[str, list[TuneResult]]
    #: Least CPU seconds of the arithmetic, float32 and bf16.
    least: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """How many times TRL's CPU seconds are ours, at one prefix and reply share."""

    prefix: int
    share: float
    times: Spread


@dataclass(frozen=True, slots=True)
class TuneFigures:
    hardware: Hardware
    packs: tuple[PackFigures, ...]
    points: tuple[Point, ...]


def require_trl() -> None:
    """Raises ConfigError where the peer is not installed."""
    if find_spec("trl") is None:
        raise ConfigError("TRL is not installed here", remedy="pip install 'senmon[bench]'")


def run(
    base: BaseFiles,
    packs: Sequence[tuple[str, Sequence[Row], Sequence[Row]]],
    *,
    repetitions: int,
    steps: int,
    threads: int,
    points: bool,
    progress: Progress,
) -> TuneFigures:
    """`packs`: name, training rows, validation rows. Raises ConfigError."""
    require_trl()
    import torch

    torch.set_num_threads(threads)
    hardware = measure_hardware()
    found = tuple(
        _pack(base, hardware, name, rows, valid, repetitions, steps, threads, progress)
        for name, rows, valid in packs
    )
    swept = _sweep(base, repetitions, threads, progress) if points else ()
    return TuneFigures(hardware, found, swept)


def _pack(
    base: BaseFiles,
    hardware: Hardware,
    name: str,
    rows: Sequence[Row],
    valid: Sequence[Row],
    repetitions: int,
    steps: int,
    threads: int,
    progress: Progress,
) -> PackFigures:
    if len(rows) < steps * BATCH:
        raise ConfigError(
            f"pack {name}: {len(rows)} training rows, {steps * BATCH} wanted", remedy="fewer --steps"
        )
    mixed = shuffled(rows, steps, BATCH, 0)
    orders = {False: mixed, True: by_length(mixed, BATCH, 0)}
    held = random.Random(0).sample(list(valid), min(VALID, len(valid)))

    def way(label: str) -> Callable[[], TuneResult]:
        chosen = WAYS[label]
        data = tuple(map(data_of, orders[chosen.grouped]))
        job = TuneJob(
            label, chosen.program, data, tuple(map(data_of, held)), BATCH, chosen.half,
            checkpointing=chosen.checkpointing, threads=threads,
        )  # fmt: skip

        def work() -> TuneResult:
            progress(f"{name}: {label}")
            return in_process(base, [job])[0]

        return work

    found = alternating({label: way(label) for label in WAYS}, repetitions)
    count = len(mixed)
    return PackFigures(
        name,
        steps,
        mixed[0].cut,
        sum(len(row.ids) for row in mixed) / count,
        sum(row.supervised for row in mixed) / count,
        found,
        least_seconds(base, hardware, orders[True]),
    )


def _sweep(base: BaseFiles, repetitions: int, threads: int, progress: Progress) -> tuple[Point, ...]:
    """Made-up rows of equal length, where padding costs TRL nothing; its faster way against ours."""
    steps, vocabulary = 2, Shape.of(base).vocabulary

    def jobs(program: Program) -> list[TuneJob]:
        made = []
        for prefix, share in POINTS:
            rows = made_up(prefix, SUFFIX, share, (steps + 1) * BATCH, vocabulary, 1)
            data = tuple(map(data_of, rows))
            made.append(
                TuneJob(f"{prefix} {share}", program, data[BATCH:], data[:2], BATCH, True, threads=threads)
            )
        # The first one warms up and is not counted.
        return [made[0], *made]

    def way(program: Program) -> Callable[[], list[TuneResult]]:
        def work() -> list[TuneResult]:
            progress(f"made-up rows: {program}")
            return in_process(base, jobs(program))[1:]

        return work

    found = alternating({"trl": way("trl"), "senmon": way("senmon")}, repetitions)
    return tuple(
        Point(
            prefix,
            share,
            Spread.of(
                [
                    theirs[at].cpu / ours[at].cpu
                    for theirs, ours in zip(found["trl"], found["senmon"], strict=True)
                ]
            ),
        )
        for at, (prefix, share) in enumerate(POINTS)
    )


def in_process(base: BaseFiles, jobs: Sequence[TuneJob]) -> list[TuneResult]:
    """The jobs one after another in a fresh process. Raises ConfigError with its last words."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "jobs.json", Path(folder) / "results.json"
        source.write_text(json.dumps([base.spec, *(job.to_json() for job in jobs)]), encoding="utf-8")
        command = [sys.executable, "-m", "senmon.bench.tune_worker", str(source), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not target.is_file():
            told = done.stderr.strip().splitlines()[-1:] or ["no word"]
            raise ConfigError(f"{jobs[0].program} could not tune: {told[0][:300]}", remedy="see its versions")
        return [TuneResult(**one) for one in json.loads(target.read_text(encoding="utf-8"))]


def least_seconds(base: BaseFiles, hardware: Hardware, order: Sequence[Row]) -> tuple[float, float]:
    """CPU seconds for forward and backward of these steps: each prefix once a micro-batch, no padding, the
    head at supervised positions. Gradients go to inputs and to LoRA only, as the base is frozen."""
    shape = Shape.of(base)
    flops = 0.0
    for start in range(0, len(order), BATCH):
        step = range(start, start + BATCH)
        for batch in pack(order, step, tokens=CPU_MICRO_BATCH_TOKENS, supervised=1 << 60):
            rows = [order[i] for i in batch]
            tokens = rows[0].cut + sum(row.suffix for row in rows)
            seen = rows[0].cut ** 2 / 2 + sum((len(row.ids) ** 2 - row.cut**2) / 2 for row in rows)
            flops += shape.layers * ((4 * shape.layer + 6 * shape.lora) * tokens + 12 * shape.heads * seen)
            flops += 4 * shape.head * sum(row.supervised for row in rows)
    return flops / hardware.flops, flops / (hardware.half_flops or hardware.flops)
