"""From a pack to a judged adapter: dataset, tuning, publication, gate, and promotion when it passed."""

from __future__ import annotations

import asyncio
import math
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from senmon.adapters import Adapter, AdapterStore
from senmon.bases.catalog import BaseFiles
from senmon.checks.registry import build_checks
from senmon.dataset.loading import load_dataset
from senmon.embedding import Encoder
from senmon.engines.protocol import Engine
from senmon.errors import AdapterError
from senmon.evaluation.evaluate import EvalProgress, Mode
from senmon.evaluation.report import write_report
from senmon.evaluation.suite import load_suites
from senmon.lifecycle.gating import GateVerdict, gate
from senmon.lifecycle.runs import RunRecorder, recorded
from senmon.packs.manifest import RecipeSpec
from senmon.packs.pack import Pack

if TYPE_CHECKING:
    from senmon.dataset.example import Dataset
    from senmon.tuning.progress import TuneProgress
    from senmon.tuning.tune import Candidate

EngineFactory = Callable[[], Engine]
OnProgress = Callable[["TuneProgress"], None]


class _Stopped(Exception):
    """The tuning thread was asked to stop and has left a checkpoint."""


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What a run led to. `promoted` says whether the new adapter is served now."""

    run: str
    adapter: Adapter
    verdict: GateVerdict
    promoted: bool
    seconds: float
    folder: Path

    @property
    def summary(self) -> str:
        if self.promoted:
            return f"{self.adapter.label} passed the gate and is promoted"
        if self.verdict.passed:
            return f"{self.adapter.label} passed the gate; it is not promoted"
        return f"{self.adapter.label} failed the gate: {'; '.join(self.verdict.reasons)}"


async def tune_pack(
    pack: Pack,
    *,
    store: AdapterStore,
    base: BaseFiles,
    home: Path,
    engine: EngineFactory,
    recipe: RecipeSpec | None = None,
    mode: Mode = "quick",
    promote: bool = True,
    on_progress: OnProgress | None = None,
    on_evaluation: Callable[[EvalProgress], None] | None = None,
    device: str | None = None,
    threads: int | None = None,
    encoder: Encoder | None = None,
    by: Callable[..., Candidate] | None = None,
) -> TuneResult:
    """Tune, publish, judge, and promote when the gate passed and `promote` is true.

    `by` tunes instead of `tune_candidate`, with its arguments: in other processes, or on other machines.
    `engine` is called after tuning and must serve `base`; whoever made the engine closes it. The callbacks
    run in another thread. Cancelling stops at the next step and leaves a checkpoint to go on from: while the
    gate runs too, so that the next call has nothing left to tune. A failed gate raises nothing: the result
    says so, and the adapter stays published for `senmon adapters`.
    Raises TuningInProgress, DataInvalid, ConfigError, TuningError, AdapterError, EngineError.
    """
    begun = time.monotonic()
    with recorded(home, pack.name) as run:
        dataset = await asyncio.to_thread(sound_dataset, pack)
        before = await asyncio.to_thread(sound_promoted, store, pack.name)
        out = work_folder(home, pack)
        work = partial(by or tune_candidate, pack, dataset, base, out, recipe)
        work = partial(work, device=device, threads=threads, encoder=encoder)
        candidate = await _tuned(run, work, on_progress)
        run.update(phase="publish", note="publishing the candidate")
        adapter = await asyncio.to_thread(publish, store, pack, candidate, base, before)
        run.update(phase="gate", note="held-out loss and replies", version=adapter.version)
        verdict = await gate(
            pack,
            dataset,
            adapter,
            before,
            engine=engine(),
            base=base,
            mode=mode,
            on_progress=_follow_gate(run, on_evaluation),
            encoder=encoder,
        )
        await asyncio.to_thread(write_report, verdict.report, run.folder)
        store.add_verdict(adapter, {**verdict.summary(), "run": run.progress.id})
        promoted = promote and verdict.passed
        if promoted:
            store.promote(
                pack.name, adapter.version, reason=f"passed the {mode} gate", base_digest=base.digest
            )
        await asyncio.to_thread(keep_curve, out, run.folder)
        result = TuneResult(run.progress.id, adapter, verdict, promoted, time.monotonic() - begun, run.folder)
        run.finish(phase="done", passed=verdict.passed, promoted=promoted, result=result.summary, note="")
    return result


def work_folder(home: Path, pack: Pack) -> Path:
    """Where a pack is tuned: the same for each run, so that an interrupted one can be resumed."""
    return home / "runs" / pack.name / "work"


def sound_dataset(pack: Pack) -> Dataset:
    """The pack's data. What the gate would stumble over is told now, not after minutes of tuning.

    Raises DataInvalid for data and suites, ConfigError for checks.
    """
    dataset = load_dataset(pack)
    load_suites(pack)
    build_checks(pack.manifest.checks, system=pack.system)
    return dataset


def keep_curve(work: Path, folder: Path) -> None:
    """What the run looked like stays beside its progress; the rest of its work has been published."""
    for name in ("curve.json", "curve.png", "tensorboard"):
        if (work / name).exists():
            shutil.move(work / name, folder / name)
    shutil.rmtree(work, ignore_errors=True)


def publish(
    store: AdapterStore, pack: Pack, candidate: Candidate, base: BaseFiles, parent: Adapter | None
) -> Adapter:
    """Puts a candidate into the store, with the adapter that it follows."""
    card = candidate.card.model_copy(update={"parent": parent.version if parent else None})
    return store.publish(candidate.path, card, tokenizer=base.path)


def sound_promoted(store: AdapterStore, pack: str) -> Adapter | None:
    """The promoted adapter, if it can be loaded: a damaged one must not stand in the way of a new one."""
    try:
        promoted = store.promoted(pack)
        if promoted is not None:
            store.verify(promoted)
    except AdapterError:
        return None
    return promoted


def tune_candidate(
    pack: Pack,
    dataset: Dataset,
    base: BaseFiles,
    out: Path,
    recipe: RecipeSpec | None,
    on_progress: OnProgress | None = None,
    *,
    device: str | None = None,
    threads: int | None = None,
    encoder: Encoder | None = None,
    checkpoints: str | None = None,
) -> Candidate:
    """`tune` without loading torch before it is called."""
    from senmon.tuning.tune import tune

    return tune(
        pack,
        dataset,
        base=base,
        out=out,
        recipe=recipe,
        on_progress=on_progress,
        device=device,
        threads=threads,
        encoder=encoder,
        checkpoints=checkpoints,
    )


async def _tuned(
    run: RunRecorder, start: Callable[[OnProgress], Candidate], on_progress: OnProgress | None
) -> Candidate:
    """`tune` in a thread, which a cancellation stops by way of its progress reports."""
    stop = threading.Event()

    def follow(progress: TuneProgress) -> None:
        _record(run, progress)
        if on_progress is not None:
            on_progress(progress)
        if stop.is_set():
            raise KeyboardInterrupt

    def work() -> Candidate:
        try:
            return start(follow)
        except KeyboardInterrupt:
            raise _Stopped from None

    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await task
        raise


def _record(run: RunRecorder, progress: TuneProgress) -> None:
    """What a report leaves out (an evaluation has no speed) stays as it was known last."""
    figures = {
        name: value
        for name in ("loss", "valid_loss", "tokens_per_second", "eta_seconds")
        if (value := _finite(getattr(progress, name))) is not None
    }
    phase = "tuned" if progress.phase == "done" else progress.phase
    run.update(phase=phase, step=progress.step, steps=progress.steps, note=progress.note, **figures)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _follow_gate(
    run: RunRecorder, on_evaluation: Callable[[EvalProgress], None] | None
) -> Callable[[EvalProgress], None]:
    def follow(progress: EvalProgress) -> None:
        run.update(step=progress.done, steps=progress.total, note=f"gate: {progress.phase}", eta_seconds=None)
        if on_evaluation is not None:
            on_evaluation(progress)

    return follow
