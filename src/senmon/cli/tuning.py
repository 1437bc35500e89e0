"""`senmon tune` and `senmon eval`: make an adapter, and say how good it is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from senmon.cli.output import console, emit
from senmon.settings import Settings

Pack = Annotated[str, typer.Argument(help="Name or folder of a pack.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output, one JSON object per line.")]
Full = Annotated[
    bool, typer.Option("--full", help="Every held-out example and reply; takes as long as it takes.")
]


def tune(
    pack: Pack,
    set: Annotated[
        list[str] | None,
        typer.Option("--set", help="A recipe field, such as recipe.lora.rank=32; repeatable."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="`auto`, `full`, or minutes such as `10m`.")] = None,
    full: Full = False,
    promote: Annotated[bool, typer.Option(help="Serve the adapter when it passes the gate.")] = True,
    json: Json = False,
) -> None:
    """Tune an adapter for a pack, judge it, and serve it when it passes; exit 1 when it does not."""
    from senmon.cli.tuning_session import tuned
    from senmon.workspace import Workspace

    settings = [*(set or ()), *([f"recipe.budget={budget}"] if budget else ())]
    passed = asyncio.run(
        tuned(Workspace.open(Settings.load()), pack, settings, full=full, promote=promote, json=json)
    )
    if not passed:
        raise typer.Exit(1)


def eval(  # the command's name
    pack: Annotated[str, typer.Argument(help="Name or folder of a pack, or `router`.")],
    version: Annotated[str | None, typer.Option(help="Adapter version; default: the promoted one.")] = None,
    full: Full = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for eval.json, eval.md and eval.html (router.json, router.png)."),
    ] = None,
    packs: Annotated[
        list[str] | None,
        typer.Option("--packs", help="With `router`: the packs to route between; repeatable. Default: all."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
) -> None:
    """Compare an adapter with the bare base on held-out examples and the pack's suites, with intervals.

    `senmon eval router` asks the router what it did not learn instead: promised and achieved in-scope rates,
    misroutes, confusion, strangers, and 200 mixed conversations.
    """
    if pack == "router":
        from senmon.cli.routing_report import evaluate_routes
        from senmon.workspace import Workspace

        names = [name for one in packs or () for name in one.split(",") if name]
        evaluate_routes(Workspace.open(Settings.load()), names, output, json=json)
        return
    from senmon.cli.tuning_session import evaluated, report_table
    from senmon.evaluation.report import write_report
    from senmon.workspace import Workspace

    report, reasons = asyncio.run(
        evaluated(Workspace.open(Settings.load()), pack, version, full=full, json=json)
    )
    emit({**report.to_json(), "gate": list(reasons)}, report_table(report, reasons), json=json)
    for path in write_report(report, output) if output else ():
        if not json:
            console.print(f"wrote {path}", markup=False)
