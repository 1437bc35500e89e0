"""Measuring the bare base, an adapter and the promoted adapter on the same held-out cases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles
from senmon.checks.registry import build_checks
from senmon.dataset.example import Dataset, Example
from senmon.embedding import Encoder
from senmon.engines.protocol import Engine
from senmon.evaluation.cases import Case, heldout, heldout_cases, spread, spread_examples, suite_cases
from senmon.evaluation.metrics import Metric, rate
from senmon.evaluation.replies import Outcome, answer_all
from senmon.evaluation.result import EvalReport, Loss, Measurement, compared, measured
from senmon.evaluation.suite import RouteExpectation, SuiteItem, load_suites
from senmon.packs.pack import Pack

Mode = Literal["quick", "full"]
BASE, CANDIDATE, PROMOTED = "base", "candidate", "promoted"
QUICK_REPLIES = 60
QUICK_LOSSES = 200
QUICK_SECONDS = 90.0
#: Share of the time that losses may take; the rest is for replies.
LOSS_SHARE = 0.4
LOSS_CHUNK = 40
#: Without a limit of time: large, as each chunk loads the model, yet an interruption must not wait long.
FULL_LOSS_CHUNK = 200
REPLY_CHUNK = 12
FEW = 20


@dataclass(frozen=True, slots=True)
class EvalProgress:
    """Where an evaluation stands. `phase` is `loss` or `replies`; `total` counts all subjects."""

    phase: str
    done: int
    total: int


Report = Callable[[EvalProgress], None]
Subjects = Mapping[str, Adapter | None]


async def evaluate(
    pack: Pack,
    dataset: Dataset,
    *,
    engine: Engine,
    adapter: Adapter | None,
    base: BaseFiles | None,
    mode: Mode = "quick",
    promoted: Adapter | None = None,
    seconds: float | None = None,
    route: Callable[[str], str | None] | None = None,
    on_progress: Report | None = None,
    encoder: Encoder | None = None,
) -> EvalReport:
    """Measure the bare base, `adapter` as `candidate`, and `promoted` when it is another adapter.

    `quick` bounds examples, replies and time (90 s; `seconds` overrides): when the time is up sampling
    stops, and the report says so; all subjects have the same cases. `base` None (the weights are not here)
    leaves the loss out. `route` maps a text to a pack's name for the suites' route items.
    `encoder` (None: the installed one) is for adapters with a policy.

    Raises DataInvalid for faulty suites, ConfigError for unknown checks, EngineUnavailable, AdapterError.
    """
    started = time.monotonic()
    subjects: dict[str, Adapter | None] = {BASE: None}
    if promoted is not None and (adapter is None or promoted.version != adapter.version):
        subjects[PROMOTED] = promoted
    if adapter is not None:
        subjects[CANDIDATE] = adapter
    limit = seconds if seconds is not None else QUICK_SECONDS if mode == "quick" else None
    clock = _Clock(started, limit)
    run = _Run(pack, subjects, mode, clock, on_progress, encoder)
    examples, items = heldout(dataset), load_suites(pack)
    losses = await run.losses(examples, base)
    outcomes = await run.replies((*heldout_cases(examples), *suite_cases(items)), engine)
    routes = await asyncio.to_thread(_routes, items, route)
    measurements = tuple(
        measured(name, one.version if one else None, losses[name], outcomes[name], routes)
        for name, one in subjects.items()
    )
    return EvalReport(
        pack=pack.label,
        mode=mode,
        base=base.spec if base else "",
        base_digest=base.digest if base else engine.base_digest,
        dataset_digest=dataset.digest,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - started,
        measurements=measurements,
        comparisons=compared(measurements),
        notes=(*run.notes, *_notes(measurements, items, route)),
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    started: float
    limit: float | None

    def left(self, share: float = 1.0) -> float:
        """Seconds left of a share of the limit; infinite without one."""
        if self.limit is None:
            return float("inf")
        return self.started + self.limit * share - time.monotonic()


class _Run:
    """One evaluation: chunk by chunk, every subject in turn, until everything is measured or time is up."""

    def __init__(
        self,
        pack: Pack,
        subjects: Subjects,
        mode: Mode,
        clock: _Clock,
        on_progress: Report | None,
        encoder: Encoder | None = None,
    ) -> None:
        self.encoder = encoder
        self.pack = pack
        self.subjects = subjects
        self.mode = mode
        self.clock = clock
        self.report = on_progress or (lambda progress: None)
        self.notes: list[str] = []

    async def losses(self, examples: Sequence[Example], base: BaseFiles | None) -> dict[str, dict[str, Loss]]:
        """Losses per subject and example id."""
        found: dict[str, dict[str, Loss]] = {name: {} for name in self.subjects}
        if base is None:
            self.notes.append("the loss was not measured: the base's weights are not on this machine")
            return found
        chosen = spread_examples(examples, limit=QUICK_LOSSES if self.mode == "quick" else None)
        done, size = 0, LOSS_CHUNK if self.clock.limit is not None else FULL_LOSS_CHUNK
        while done < len(chosen):
            begun = time.monotonic()
            chunk = chosen[done : done + size]
            for name, adapter in self.subjects.items():
                path = adapter.path if adapter else None
                losses = await asyncio.to_thread(_losses, base, path, self.pack, chunk, self.encoder)
                found[name].update(losses)
            done += len(chunk)
            self.report(EvalProgress("loss", done * len(found), len(chosen) * len(found)))
            if done < len(chosen) and time.monotonic() - begun > self.clock.left(LOSS_SHARE):
                self.notes.append(f"time was up: loss on {done} of {len(chosen)} examples")
                break
        return found

    async def replies(self, cases: Sequence[Case], engine: Engine) -> dict[str, tuple[Outcome, ...]]:
        """Outcomes per subject, all of the same cases."""
        checks = build_checks(self.pack.manifest.checks, system=self.pack.system)
        chosen = spread(cases, limit=QUICK_REPLIES if self.mode == "quick" else None)
        found: dict[str, list[Outcome]] = {name: [] for name in self.subjects}
        done = 0
        while done < len(chosen):
            begun = time.monotonic()
            chunk = chosen[done : done + REPLY_CHUNK]
            for name, adapter in self.subjects.items():
                made = await answer_all(
                    self.pack, chunk, engine=engine, adapter=adapter, checks=checks, encoder=self.encoder
                )
                found[name].extend(made)
            done += len(chunk)
            self.report(EvalProgress("replies", done * len(found), len(chosen) * len(found)))
            if done < len(chosen) and time.monotonic() - begun > self.clock.left():
                self.notes.append(f"time was up: {done} of {len(chosen)} replies per subject")
                break
        return {name: tuple(outcomes) for name, outcomes in found.items()}


def _losses(
    base: BaseFiles, path: Path | None, pack: Pack, examples: Sequence[Example], encoder: Encoder | None
) -> dict[str, Loss]:
    from senmon.tuning.heldout import heldout_losses  # loads torch

    found = heldout_losses(base, path, pack, examples, encoder=encoder)
    triples = zip(examples, found.nll, found.tokens, strict=True)
    return {example.id: Loss(float(value), int(count)) for example, value, count in triples}


def _routes(items: Sequence[SuiteItem], route: Callable[[str], str | None] | None) -> dict[str, Metric]:
    asked = [item for item in items if isinstance(item.expect, RouteExpectation)]
    if route is None or not asked:
        return {}
    hits = 0
    for item in asked:
        wanted = item.expect.pack if isinstance(item.expect, RouteExpectation) else None
        hits += route(item.messages[-1].content) == wanted
    return {"route": rate(hits, len(asked))}


def _notes(measurements: Sequence[Measurement], items: Sequence[SuiteItem], route: object) -> tuple[str, ...]:
    first = measurements[0]
    notes = []
    if len(first.losses) < FEW:
        notes.append(f"only {len(first.losses)} held-out examples: the intervals say little, collect more")
    if not items:
        notes.append("the pack has no evaluation suite")
    if route is None and any(item.kind == "route" for item in items):
        notes.append("route items were left out: no router was given")
    failed = [outcome for one in measurements for outcome in one.outcomes if outcome.error]
    if failed:
        notes.append(f"{len(failed)} replies could not be made, the first: {failed[0].error}")
    return tuple(notes)
