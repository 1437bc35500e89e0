"""Reviewed decisions → data of the pack → a tuned candidate → judged → promoted. Each step is written down
before the next, so that a process that dies is gone on with by the same command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senmon.adapters import Adapter, AdapterStore, durable
from senmon.adapters.canary import begin_canary
from senmon.bases.catalog import BaseFiles
from senmon.dataset.example import Dataset
from senmon.dataset.loading import load_dataset
from senmon.embedding import Encoder
from senmon.engines.protocol import Engine
from senmon.errors import TuningInProgress
from senmon.evaluation.evaluate import EvalProgress, Mode
from senmon.improvement.course import LOCK, Course, folder_of, history, keep, new_course, read_course
from senmon.improvement.regressions import RegressionVerdict, regression_cases, regressions
from senmon.improvement.screening import HOLD_OUT, Plan, planned
from senmon.improvement.taking import take
from senmon.lifecycle import TuneResult, tune_pack
from senmon.lifecycle.tuning_run import sound_promoted
from senmon.packs.loader import load_pack
from senmon.packs.manifest import RecipeSpec
from senmon.packs.pack import Pack
from senmon.rendering import prefix_digest
from senmon.store.store import Store
from senmon.tuning.recipe import recipe_digest

EngineFactory = Callable[[], Engine]


@dataclass(frozen=True)
class Bench:
    """What an improvement works with. `engine` must serve `base`; who made it closes it."""

    store: Store
    adapters: AdapterStore
    base: BaseFiles
    home: Path
    engine: EngineFactory
    encoder: Encoder | None = None
    device: str | None = None
    threads: int | None = None
    recipe: RecipeSpec | None = None
    mode: Mode = "quick"
    on_step: Callable[[str], None] = lambda step: None
    on_tuning: Callable[[Any], None] | None = None
    on_evaluation: Callable[[EvalProgress], None] | None = None


@dataclass(frozen=True)
class Improvement:
    """What came of it. `course` is None when there was nothing to do; `tuned` None when it was gone on with
    after the tuning."""

    plan: Plan
    course: Course | None
    tuned: TuneResult | None = None
    verdict: RegressionVerdict | None = None
    resumed: bool = False


async def improve(
    pack: Pack,
    bench: Bench,
    *,
    hold_out: int = HOLD_OUT,
    promote: bool = True,
    again: bool = False,
    retire: bool = False,
    canary: int = 0,
) -> Improvement:
    """Take what was decided into the pack, tune, judge, and promote when both judges agree.

    `canary`: of a hundred conversations only so many get it, until it was watched.

    Nothing new and nothing under way: nothing is done, unless `again`. Raises TuningInProgress, DataInvalid,
    ConfigError, TuningError, AdapterError, EngineError; the next call goes on from there.
    """
    folder = folder_of(bench.home, pack.name)
    with durable.try_locked(folder, LOCK) as free:
        if not free:
            raise TuningInProgress(
                f"{pack.name} is being improved by another process", remedy="wait for it, or stop it"
            )
        bench.on_step("reading what was decided")
        plan = await planned(pack, bench.store, hold_out=hold_out, retire=retire)
        former = read_course(bench.home, pack.name)
        resumed = former is not None and former.under_way
        if not (plan.changes or resumed or again):
            return Improvement(plan, None)
        course = former if resumed and former else new_course(pack.name)
        if plan.changes or course.phase == "taking":
            pack, course = await _taken(pack, bench, plan, course)
        return await _judged(pack, bench, plan, course, promote=promote, canary=canary, resumed=resumed)


async def _taken(pack: Pack, bench: Bench, plan: Plan, course: Course) -> tuple[Pack, Course]:
    reviewers = {line.review.reviewer for line in (*plan.added, *plan.changed, *plan.asked)}
    course = keep(
        bench.home,
        course,
        phase="taking",
        added=course.added + len(plan.added) + len(plan.changed) + len(plan.asked),
        reviewers=tuple(sorted({*course.reviewers, *reviewers})),
        version=None,
        reasons=(),
    )
    bench.on_step("taking it into the pack")
    pack = await asyncio.to_thread(take, pack, plan)
    fresh = [review for review in plan.taken if review.used_by is None]
    await bench.store.reviews.mark_used(fresh, course.id)
    return pack, keep(bench.home, course, phase="tuning")


async def _judged(
    pack: Pack, bench: Bench, plan: Plan, course: Course, *, promote: bool, canary: int, resumed: bool
) -> Improvement:
    pack = await asyncio.to_thread(load_pack, pack.path)
    dataset = await asyncio.to_thread(load_dataset, pack)
    before = await asyncio.to_thread(_served_before, bench, course)
    course = keep(
        bench.home,
        course,
        phase="tuning" if course.phase != "judging" else "judging",
        before=before.version if before else None,
        dataset_digest=dataset.digest,
    )
    candidate, verdict = _tuned_before(pack, bench, dataset)
    tuned: TuneResult | None = None
    if candidate is None:
        bench.on_step("tuning, with all former data")
        tuned = await _tuned(pack, bench)
        candidate, verdict = tuned.adapter, {**tuned.verdict.summary()}
    course = keep(bench.home, course, phase="judging", version=candidate.version)
    bench.on_step("asking the regression suite")
    found = await regressions(
        pack,
        regression_cases(pack, dataset),
        candidate,
        before if before and before.card.base_digest == bench.base.digest else None,
        engine=bench.engine(),
        encoder=bench.encoder,
    )
    reasons = [*map(str, verdict.get("reasons", ()))] if not verdict.get("passed") else []
    reasons += [] if found.passed else [found.reason]
    reasons += _taken_back(bench, pack.name, candidate)
    if before is not None and candidate.version == before.version:
        told = f"the data is what {candidate.label} was tuned with: nothing new to learn"
        course = keep(bench.home, course, phase="kept", reasons=(told,), regressions=found.to_json())
    elif reasons:
        course = keep(
            bench.home, course, phase="refused", reasons=tuple(reasons), regressions=found.to_json()
        )
    elif not promote:
        course = keep(bench.home, course, phase="ready", regressions=found.to_json())
    elif canary:
        why = f"improvement {course.id}: gate passed, regressions {found.before} → {found.after}"
        begin_canary(
            bench.adapters, pack.name, candidate.version, canary, reason=why, base_digest=bench.base.digest
        )
        course = keep(bench.home, course, phase="canary", regressions=found.to_json())
    else:
        why = f"improvement {course.id}: gate passed, regressions {found.before} → {found.after}"
        bench.adapters.promote(pack.name, candidate.version, reason=why, base_digest=bench.base.digest)
        course = keep(bench.home, course, phase="promoted", regressions=found.to_json())
    return Improvement(plan, course, tuned, found, resumed)


def _taken_back(bench: Bench, pack: str, candidate: Adapter) -> list[str]:
    """An adapter that people were served worse by does not come back unchanged."""
    ends = (line for line in history(bench.home, pack) if line.get("phase") == "rolled back")
    mine = [line for line in ends if line.get("version") == candidate.version]
    return [f"it was rolled back before: {'; '.join(mine[-1].get('reasons', ()))}"] if mine else []


def _served_before(bench: Bench, course: Course) -> Adapter | None:
    """What the candidate is to replace. A process that died right after the promotion has left the candidate
    itself there: then it is what the course remembers."""
    promoted = sound_promoted(bench.adapters, course.pack)
    if promoted is None or promoted.version != course.version:
        return promoted
    return bench.adapters.get(course.pack, course.before) if course.before else None


async def _tuned(pack: Pack, bench: Bench) -> TuneResult:
    return await tune_pack(
        pack,
        store=bench.adapters,
        base=bench.base,
        home=bench.home,
        engine=bench.engine,
        recipe=bench.recipe,
        mode=bench.mode,
        promote=False,
        on_progress=bench.on_tuning,
        on_evaluation=bench.on_evaluation,
        device=bench.device,
        threads=bench.threads,
        encoder=bench.encoder,
    )


def _tuned_before(pack: Pack, bench: Bench, dataset: Dataset) -> tuple[Adapter | None, dict[str, Any]]:
    """The newest judged adapter of exactly this data, prompt, recipe and base: a run that was killed after
    the gate has left it."""
    recipe = recipe_digest(bench.recipe or pack.manifest.recipe)
    wanted = (dataset.digest, prefix_digest(pack), recipe, bench.base.digest)
    for adapter in reversed(bench.adapters.list(pack.name)):
        card = adapter.card
        if (card.dataset_digest, card.prefix_digest, card.recipe_digest, card.base_digest) == wanted:
            verdicts = bench.adapters.verdicts(adapter)
            if verdicts:
                return adapter, verdicts[-1]
    return None, {}
