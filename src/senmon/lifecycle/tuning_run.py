"""From a pack to a judged adapter: dataset, tuning, publication, gate, and promotion when it passed."""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from senmon.adapters import Adapter, AdapterCard, AdapterStore
from senmon.bases.catalog import BaseFiles
from senmon.dataset.loading import load_dataset
from senmon.engines.protocol import Engine
from senmon.evaluation.evaluate import EvalProgress, Mode
from senmon.evaluation.report import write_report
from senmon.lifecycle.gate import GateVerdict, gate
from senmon.lifecycle.runs import RunRecorder, recorded
from senmon.packs.manifest import RecipeSpec
from senmon.packs.pack import Pack
from senmon.tuning.tune import Candidate, TuneProgress, tune

EngineFactory = Callable[[], Engine]


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
    on_progress: Callable[[TuneProgress], None] | None = None,
    on_evaluation: Callable[[EvalProgress], None] | None = None,
) -> TuneResult:
    """Tune, publish, judge, and promote when the gate passed and `promote` is true.

    `engine` is called after tuning and must serve `base`; whoever made the engine closes it. The callbacks
    run in another thread. A failed gate raises nothing: the result says so, and the adapter stays published
    for `senmon adapters`. Raises TuningInProgress, DataInvalid, TuningError, AdapterError, EngineError.
    """
    begun = time.monotonic()
    with recorded(home, pack.name) as run:
        dataset = await asyncio.to_thread(load_dataset, pack)
        before = store.promoted(pack.name)
        candidate = await asyncio.to_thread(
            tune,
            pack,
            dataset,
            base=base,
            out=work_folder(home, pack),
            recipe=recipe,
            on_progress=_follow(run, on_progress),
        )
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
        )
        await asyncio.to_thread(write_report, verdict.report, run.folder)
        store.add_verdict(adapter, {**verdict.summary(), "run": run.progress.id})
        promoted = promote and verdict.passed
        if promoted:
            store.promote(
                pack.name, adapter.version, reason=f"passed the {mode} gate", base_digest=base.digest
            )
        shutil.rmtree(work_folder(home, pack), ignore_errors=True)
        result = TuneResult(
            run.progress.id, adapter, verdict, promoted, time.monotonic() - begun, run.folder
        )
        run.finish(phase="done", passed=verdict.passed, promoted=promoted, result=result.summary, note="")
    return result


def work_folder(home: Path, pack: Pack) -> Path:
    """Where a pack is tuned: the same for each run, so that an interrupted one can be resumed."""
    return home / "runs" / pack.name / "work"


def publish(
    store: AdapterStore, pack: Pack, candidate: Candidate, base: BaseFiles, parent: Adapter | None
) -> Adapter:
    """Puts a candidate into the store, its card completed with what the pack says of itself."""
    return store.publish(candidate.path, described(candidate.card, pack, parent), tokenizer=base.path)


def described(card: AdapterCard, pack: Pack, parent: Adapter | None) -> AdapterCard:
    manifest = pack.manifest
    return card.model_copy(
        update={
            "title": f"{manifest.title}: adapter",
            "description": manifest.description,
            "licence": manifest.licence,
            "language": manifest.language,
            "parent": parent.version if parent else card.parent,
        }
    )


def _follow(
    run: RunRecorder, on_progress: Callable[[TuneProgress], None] | None
) -> Callable[[TuneProgress], None]:
    def follow(progress: TuneProgress) -> None:
        run.update(
            phase=progress.phase,
            step=progress.step,
            steps=progress.steps,
            loss=_finite(progress.loss),
            valid_loss=_finite(progress.valid_loss),
            tokens_per_second=_finite(progress.tokens_per_second),
            eta_seconds=_finite(progress.eta_seconds),
            note=progress.note,
        )
        if on_progress is not None:
            on_progress(progress)

    return follow


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
