"""`senmon eval router`: what the router does with messages that it did not learn."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from senmon.cli.output import console, emit, note
from senmon.errors import DataInvalid, PackInvalid, PackNotFound

if TYPE_CHECKING:
    from senmon.dataset.example import Dataset
    from senmon.evaluation.metrics import Metric
    from senmon.evaluation.router.report import RouterReport
    from senmon.packs.pack import Pack
    from senmon.workspace import Workspace

LISTED = 25


def evaluate_routes(workspace: Workspace, names: Sequence[str], output: Path | None, *, json: bool) -> None:
    """Measure the router over these packs (none named: all) and print, and write where asked."""
    from senmon.dataset.loading import load_dataset
    from senmon.evaluation.router.material import gather
    from senmon.evaluation.router.plot import write_plot
    from senmon.evaluation.router.report import evaluate_router
    from senmon.routing.router import Router
    from senmon.shelf import pack_routes, with_corrections

    named = [workspace.pack(name) for name in names]
    pairs = [(pack, load_dataset(pack)) for pack in named] or list(_readable(workspace))
    if not pairs:
        raise PackNotFound("there is no pack to route to", remedy="`senmon new NAME` makes one")
    routes = with_corrections(tuple(pack_routes(*pair) for pair in pairs), workspace.home)
    router = Router.fit(routes, workspace.encoder)
    promises = {one.pack: one.promise for one in routes}
    report = evaluate_router(router, gather(pairs), promises)
    emit(report.to_json(), Group(*_tables(report)), json=json)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        draft = output / ".router.json"
        draft.write_text(jsonlib.dumps(report.to_json(), ensure_ascii=False, indent=1), encoding="utf-8")
        draft.replace(output / "router.json")
        write_plot(report, output / "router.png")
        if not json:
            console.print(f"written: {output / 'router.json'}, {output / 'router.png'}", soft_wrap=True)


def _readable(workspace: Workspace) -> Iterator[tuple[Pack, Dataset]]:
    """Every pack whose examples can be read; the others are named and left out, as the server does."""
    from senmon.dataset.loading import load_dataset

    for pack in workspace.packs.values():
        try:
            yield pack, load_dataset(pack)
        except (DataInvalid, PackInvalid) as error:
            note(f"[yellow]left out:[/] {escape(pack.name)}: {escape(str(error).splitlines()[0])}")


def _tables(report: RouterReport) -> Iterator[Table | str]:
    packs = Table("pack", "threshold", "promised", "achieved on unseen requests", title="Thresholds")
    for name, one in report.packs.items():
        achieved = _interval(one.achieved) if one.achieved else "—"
        packs.add_row(name, f"{one.threshold:.3f}", f"{one.promised:.1%}", achieved)
    yield packs
    kinds = Table("messages", "went right", "", title="First messages by kind")
    for kind, metric in report.kinds.items():
        kinds.add_row(kind, _interval(metric), f"of {metric.n}")
    if report.auroc is not None:
        kinds.add_row("strangers told apart (AUROC)", f"{report.auroc:.4f}", "")
    yield kinds
    matrix = Table("meant for ↓ went to →", *report.names, title="Confusion")
    for name, row in zip(report.names, report.confusion, strict=True):
        matrix.add_row(name, *map(str, row))
    yield matrix
    yield from _dialogues(report)
    yield _misroutes(report)


def _dialogues(report: RouterReport) -> Iterator[Table]:
    talks = report.dialogues
    if talks is None:
        return
    table = Table("conversations", "", title=f"{talks.dialogues} mixed conversations, {talks.turns} turns")
    table.add_row("turns that went right", _interval(talks.right))
    table.add_row("moves that were right (precision)", _interval(talks.precision) if talks.precision else "—")
    table.add_row("changes of subject followed (recall)", _interval(talks.recall) if talks.recall else "—")
    table.add_row("wrong moves per 100 turns", f"{talks.wrong_switches:.2f}")
    yield table
    wrong = Table("said", "as", "meant for", "went to", "because", title="Turns that went wrong")
    distinct = list({(one.text, one.was): one for one in talks.wrong}.values())
    for one in distinct[:LISTED]:
        wrong.add_row(escape(one.text[:80]), one.kind, one.wanted, one.got or "none", escape(one.reason))
    if distinct:
        yield wrong


def _misroutes(report: RouterReport) -> Table:
    title = f"Misroutes: {len(report.misroutes)}" + (
        f", the first {LISTED}" if len(report.misroutes) > LISTED else ""
    )
    table = Table("message", "kind", "meant for", "went to", "score", "margin", title=title)
    for one in report.misroutes[:LISTED]:
        table.add_row(
            escape(one.text[:80]), one.kind, one.wanted, one.got, f"{one.score:.2f}", f"{one.margin:.2f}"
        )
    return table


def _interval(metric: Metric) -> str:
    return f"{metric.value:.1%} ({metric.low:.1%}–{metric.high:.1%})"
