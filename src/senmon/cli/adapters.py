"""`senmon adapters`: which versions there are, which one is served, and changing that."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from senmon.cli.output import emit
from senmon.settings import Settings

app = typer.Typer(no_args_is_help=True, help="List, promote, roll back and release adapters.")
PackName = Annotated[str, typer.Argument(help="Name of a pack.")]
Version = Annotated[str, typer.Argument(help="Version, or how it starts (4 digits or more).")]
Reason = Annotated[str, typer.Option(help="Why; kept in the history.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command("list")
def list_adapters(
    pack: Annotated[str | None, typer.Argument(help="Only this pack.")] = None, json: Json = False
) -> None:
    """Every version, which one is served, and whether it is behind its pack."""
    from senmon.cli.adapter_rows import adapter_rows, rows_table
    from senmon.workspace import Workspace

    rows = adapter_rows(Workspace.open(Settings.load()), pack)
    emit(rows, rows_table(rows), json=json)


@app.command()
def show(pack: PackName, version: Version, json: Json = False) -> None:
    """One version: its card, its verdicts, and the pack's history of promotions."""
    from senmon.cli.adapter_rows import adapter_detail, detail_view
    from senmon.workspace import Workspace

    detail = adapter_detail(Workspace.open(Settings.load()).adapters, pack, version)
    emit(detail, detail_view(detail), json=json)


@app.command()
def promote(
    pack: PackName,
    version: Version,
    reason: Reason = "",
    force: Annotated[bool, typer.Option("--force", help="Although it has not passed the gate.")] = False,
    json: Json = False,
) -> None:
    """Serve this version from now on; a running server follows within a second."""
    from senmon.cli.adapter_rows import base_digest
    from senmon.lifecycle import promote as serve
    from senmon.workspace import Workspace

    workspace = Workspace.open(Settings.load())
    digest = base_digest(workspace, pack)
    adapter = serve(workspace.adapters, pack, version, base_digest=digest, reason=reason, force=force)
    emit({"pack": pack, "promoted": adapter.version}, f"{adapter.label} is promoted", json=json)


@app.command()
def rollback(pack: PackName, reason: Reason = "", json: Json = False) -> None:
    """Serve what was served before; the bare base when there was nothing."""
    from senmon.lifecycle import rollback as back
    from senmon.workspace import Workspace

    adapter = back(Workspace.open(Settings.load()).adapters, pack, reason=reason)
    text = f"back to {adapter.label}" if adapter else f"{pack} is served by the bare base"
    emit({"pack": pack, "promoted": adapter.version if adapter else None}, text, json=json)


@app.command()
def release(
    pack: PackName,
    version: Annotated[str | None, typer.Option(help="Default: the promoted version.")] = None,
    json: Json = False,
) -> None:
    """Judge an adapter by the full gate and write it into the pack's own folder, to ship with it."""
    from senmon.cli.adapter_rows import released
    from senmon.workspace import Workspace

    path, verdict = asyncio.run(released(Workspace.open(Settings.load()), pack, version, json=json))
    emit({"pack": pack, "path": str(path), "verdict": verdict.summary()}, f"released to {path}", json=json)
