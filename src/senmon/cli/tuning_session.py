"""What `tune` and `eval` show while they work, and the work itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from senmon.cli.output import console, emit, emit_line, errors

if TYPE_CHECKING:
    from senmon.bases.catalog import BaseFiles
    from senmon.engines.protocol import Engine
    from senmon.evaluation.evaluate import EvalProgress
    from senmon.evaluation.result import EvalReport
    from senmon.lifecycle import TuneResult
    from senmon.packs.manifest import RecipeSpec
    from senmon.packs.pack import Pack
    from senmon.tuning.tune import Candidate, TuneProgress
    from senmon.workspace import Workspace


class Shown:
    """A progress line on stderr for people, or JSON lines on stdout."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        self.progress = Progress(*columns, console=errors, transient=True, disable=json)
        self.task = self.progress.add_task("loading", total=None, figures="")

    def tuning(self, now: TuneProgress) -> None:
        if self.json:
            emit_line({"event": "progress", **asdict(now)})
            return
        total = now.steps or None
        self.progress.update(
            self.task, description=now.phase, completed=now.step, total=total, figures=_figures(now)
        )

    def evaluation(self, now: EvalProgress) -> None:
        if self.json:
            emit_line({"event": "evaluation", **asdict(now)})
            return
        figures = f"{now.done}/{now.total}"
        description = f"judging: {now.phase}"
        self.progress.update(
            self.task, description=description, completed=now.done, total=now.total, figures=figures
        )


def _figures(now: TuneProgress) -> str:
    parts = [
        f"{now.step}/{now.steps}" if now.steps else "",
        f"loss {now.loss:.3f}" if now.loss is not None else "",
        f"held-out {now.valid_loss:.3f}" if now.valid_loss is not None else "",
        f"{now.tokens_per_second:.0f} tok/s" if now.tokens_per_second else "",
        f"{_clock(now.eta_seconds)} left" if now.eta_seconds else "",
        escape(now.note),
    ]
    return "  ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


async def tuned(
    workspace: Workspace,
    name: str,
    settings: Sequence[str],
    *,
    full: bool,
    promote: bool,
    json: bool,
    by: Callable[..., Candidate],
) -> bool:
    """Run a tuning and print what came of it. True when the adapter passed the gate."""
    from senmon.dataset.loading import load_dataset
    from senmon.lifecycle import tune_pack
    from senmon.lifecycle.overrides import overridden
    from senmon.lifecycle.tuning_run import work_folder
    from senmon.tuning.processes import rank

    pack = workspace.pack(name)
    recipe = overridden(pack.manifest.recipe, settings)
    base = _base(workspace, pack, recipe)
    device = None if workspace.settings.device == "auto" else workspace.device
    if rank(os.environ):  # among several processes the first one leads and judges
        work, dataset = work_folder(workspace.home, pack), load_dataset(pack)
        make = partial(by, pack, dataset, base, work, recipe, device=device, encoder=workspace.encoder)
        await asyncio.to_thread(make, threads=workspace.settings.threads)
        return True
    engines: list[Engine] = []

    def engine() -> Engine:
        engines.append(judging_engine(workspace, base))
        return engines[-1]

    shown = Shown(json=json)
    try:
        with shown.progress:
            result = await tune_pack(
                pack,
                store=workspace.adapters,
                base=base,
                home=workspace.home,
                engine=engine,
                recipe=recipe,
                mode="full" if full else "quick",
                promote=promote,
                on_progress=shown.tuning,
                on_evaluation=shown.evaluation,
                device=device,
                threads=workspace.settings.threads,
                encoder=workspace.encoder,
                by=by,
            )
    finally:
        for made in engines:
            await made.close()
    _print_result(result, json=json)
    return result.verdict.passed


def _base(workspace: Workspace, pack: Pack, recipe: RecipeSpec) -> BaseFiles:
    """`--set base=…` wins, then SENMON_BASE, then the pack's own choice."""
    from senmon.bases.catalog import resolve

    own = pack.manifest.recipe
    if (recipe.base, recipe.revision) != (own.base, own.revision):
        return resolve(recipe.base, recipe.revision)
    return workspace.base_for(pack)


def judging_engine(workspace: Workspace, base: BaseFiles) -> Engine:
    """A local engine whatever serves: another server would not know an adapter that was just made."""
    from senmon.engines.local import LocalEngine

    return LocalEngine(base, threads=workspace.threads, device=workspace.device)


def _print_result(result: TuneResult, *, json: bool) -> None:
    data: dict[str, Any] = {
        "event": "result",
        "run": result.run,
        "version": result.adapter.version,
        "passed": result.verdict.passed,
        "promoted": result.promoted,
        "seconds": round(result.seconds, 1),
        "verdict": result.verdict.summary(),
        "report": str(result.folder / "eval.html"),
    }
    if json:
        emit_line(data)
        return
    emit(data, report_table(result.verdict.report, result.verdict.reasons))
    console.print(result.summary, markup=False, soft_wrap=True)
    console.print(f"report: {data['report']}", markup=False, soft_wrap=True)


async def evaluated(
    workspace: Workspace, name: str, version: str | None, *, full: bool, json: bool
) -> tuple[EvalReport, tuple[str, ...]]:
    """Measure a version (default: the promoted one, else the bare base alone); keep the verdict beside it."""
    from senmon.dataset.loading import load_dataset
    from senmon.evaluation.evaluate import evaluate
    from senmon.lifecycle import gate

    pack = workspace.pack(name)
    dataset = load_dataset(pack)
    promoted = workspace.adapters.promoted(pack.name)
    adapter = workspace.adapters.get(pack.name, version) if version else promoted
    base = workspace.base_for(pack)
    engine = judging_engine(workspace, base)
    shown = Shown(json=False)
    shown.progress.disable = json
    options: dict[str, Any] = {
        "engine": engine,
        "base": base,
        "mode": "full" if full else "quick",
        "route": _route(workspace, pack),
        "encoder": workspace.encoder,
    }
    on_progress = None if json else shown.evaluation
    try:
        with shown.progress:
            if adapter is None:
                report = await evaluate(pack, dataset, adapter=None, on_progress=on_progress, **options)
                return report, ("there is no adapter: the bare base was measured",)
            verdict = await gate(pack, dataset, adapter, promoted, on_progress=on_progress, **options)
    finally:
        with suppress(Exception):
            await engine.close()
    workspace.adapters.add_verdict(adapter, {**verdict.summary(), "by": "eval"})
    return verdict.report, verdict.reasons


def _route(workspace: Workspace, pack: Pack) -> Callable[[str], str | None] | None:
    """The router of all packs, when the suites ask where questions go."""
    from senmon.cli.conversation import load_router
    from senmon.evaluation.suite import load_suites

    if not any(item.kind == "route" for item in load_suites(pack)):
        return None
    router = load_router(workspace.settings)
    return lambda text: router.route(text).pack


def report_table(report: EvalReport, reasons: Sequence[str]) -> Group:
    """Figures, differences, notes and the gate's reasons."""
    from senmon.evaluation.report import comparison_rows, metric_rows, title

    figures = Table("metric", *(one.subject for one in report.measurements), title=title(report))
    for name, _, *cells in metric_rows(report):
        figures.add_row(name, *cells)
    differences = Table("metric", "difference", "95 % interval", "", title="Paired differences")
    for row in comparison_rows(report):
        differences.add_row(*row)
    lines = [*(f"note: {note}" for note in report.notes), *(f"gate: {reason}" for reason in reasons)]
    return Group(figures, differences, *(escape(line) for line in lines))
