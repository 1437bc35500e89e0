"""`senmon tune` and `senmon eval`: make an adapter, and say how good it is."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senmon.cli.output import console, emit
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.workspace import Workspace


class Place(StrEnum):
    """Where a tuning runs."""

    HERE = "here"
    RAY = "ray"


Json = Annotated[bool, typer.Option("--json", help="Machine-readable output, one JSON object per line.")]
Full = Annotated[
    bool, typer.Option("--full", help="Every held-out example and reply; takes as long as it takes.")
]
Suites = Annotated[
    list[str] | None,
    typer.Option(
        help="Measure the whole assistant: `requests`, `turns`, `pupil`, `offtopic`, `latency`, `checks` "
        "or `all`; repeatable. Without it: held-out examples and the pack's own suites."
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Suites: so many items of each, evenly chosen; default: all.")
]
Blind = Annotated[Path, typer.Option(help="Suites: folder of the blind texts, with `checks` beside it.")]


def tune(
    packs: Annotated[list[str], typer.Argument(help="Names or folders of packs, tuned one after the other.")],
    set: Annotated[
        list[str] | None,
        typer.Option("--set", help="A recipe field, such as recipe.lora.rank=32; repeatable."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="`auto`, `full`, or minutes such as `10m`.")] = None,
    full: Full = False,
    promote: Annotated[bool, typer.Option(help="Serve the adapter when it passes the gate.")] = True,
    parallel: Annotated[
        int, typer.Option(min=1, max=64, help="With several packs: so many of them side by side.")
    ] = 1,
    on: Annotated[
        Place,
        typer.Option(
            help="`here`, or `ray`: the cluster of RAY_ADDRESS, else one here (docs/distributed.md)."
        ),
    ] = Place.HERE,
    workers: Annotated[
        int, typer.Option(min=1, max=1024, help="Processes that share the work on each pack.")
    ] = 1,
    checkpoints: Annotated[
        str | None,
        typer.Option(help="Where checkpoints go besides SENMON_HOME: a folder, or s3://bucket/path."),
    ] = None,
    json: Json = False,
) -> None:
    """Tune an adapter for a pack, judge it, and serve it when it passes; exit 1 when it does not.

    Several packs make a queue: one that fails does not stop the others, and after Ctrl-C the same command
    goes on. More machines: docs/distributed.md.
    """
    from senmon.cli.tuning_places import Places, tuned_packs

    settings = [*(set or ()), *([f"recipe.budget={budget}"] if budget else ())]
    where = Places(on.value, workers, checkpoints, parallel)
    if not tuned_packs(packs, settings, where, full=full, promote=promote, json=json):
        raise typer.Exit(1)


def eval(  # the command's name
    pack: Annotated[str, typer.Argument(help="Name or folder of a pack, or `router`.")],
    version: Annotated[
        str | None, typer.Option("--version", "--adapter", help="Adapter version; default: the promoted one.")
    ] = None,
    full: Full = False,
    suite: Suites = None,
    base_only: Annotated[bool, typer.Option("--base-only", help="Suites: the bare base alone.")] = False,
    base: Annotated[
        str | None, typer.Option(help="Another base: `embedded`, a folder, or a model hub id.")
    ] = None,
    limit: Limit = None,
    blind: Blind = Path("evaluation/blind"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Suites: measure anew what an earlier run has measured.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for eval.json, eval.md and eval.html (router.json, router.png); with a name that "
            "ends in `.md`: every suite, written as a page with its JSON and plots beside it."
        ),
    ] = None,
    packs: Annotated[
        list[str] | None,
        typer.Option("--packs", help="With `router`: the packs to route between; repeatable. Default: all."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
) -> None:
    """Compare an adapter with the bare base, with intervals.

    On held-out examples and the pack's own suites; with `--suite` (or a page as `--output`) by whole
    conversations on blind texts, judged by oracles that share nothing with the checks (docs/evaluation.md).
    Exit 1 when an adapter is not better than the bare base on a suite. What a run has measured is kept: after
    Ctrl-C the same command goes on.

    `senmon eval router` asks the router what it did not learn instead: promised and achieved in-scope rates,
    misroutes, confusion, strangers, and 200 mixed conversations.
    """
    from senmon.workspace import Workspace

    workspace = Workspace.open(Settings.load(base=base))
    if pack == "router":
        _router(workspace, packs, output, json=json)
    elif suite or base_only or limit or (output is not None and output.suffix == ".md"):
        from senmon.cli.evaluation_session import Wanted, evaluate_suites

        wanted = Wanted(pack, version, tuple(suite or ()), base_only, limit, blind, fresh, output)
        if not asyncio.run(evaluate_suites(workspace, wanted, json=json)):
            raise typer.Exit(1)
    else:
        _held_out(workspace, pack, version, output, full=full, json=json)


def _router(workspace: Workspace, packs: list[str] | None, output: Path | None, *, json: bool) -> None:
    from senmon.cli.routing_report import evaluate_routes

    names = [name for one in packs or () for name in one.split(",") if name]
    evaluate_routes(workspace, names, output, json=json)


def _held_out(
    workspace: Workspace, pack: str, version: str | None, output: Path | None, *, full: bool, json: bool
) -> None:
    from senmon.cli.tuning_session import evaluated, report_table
    from senmon.evaluation.report import write_report

    report, reasons = asyncio.run(evaluated(workspace, pack, version, full=full, json=json))
    emit({**report.to_json(), "gate": list(reasons)}, report_table(report, reasons), json=json)
    for path in write_report(report, output) if output else ():
        if not json:
            console.print(f"wrote {path}", markup=False)
