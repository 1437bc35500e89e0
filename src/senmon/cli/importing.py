"""`senmon import`: data in other formats → a pack's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from senmon.cli import output
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.dataset.importing import ImportReport

app = typer.Typer(help="Import data into a pack; a pack that is not there is made.")

Source = Annotated[Path, typer.Argument(help="File to import.")]
PackName = Annotated[str, typer.Option("--pack", help="Name of the pack, or its folder.")]
User = Annotated[str, typer.Option("--user", help="Column of the user's message.")]
Reply = Annotated[str, typer.Option("--assistant", help="Column of the reply.")]
Intent = Annotated[str | None, typer.Option("--intent", help="Column of the intent.")]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Default: found out. `tab` for a tab.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Encoding of the file.")]
Skip = Annotated[bool, typer.Option("--skip-broken", help="Leave broken rows out instead of stopping.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Read and report; write nothing.")]
Title = Annotated[str | None, typer.Option("--title", help="Title of a new pack.")]
Licence = Annotated[str | None, typer.Option("--licence", help="SPDX expression of a new pack's content.")]
Credit = Annotated[str | None, typer.Option("--attribution", help="Credits that the licence asks for.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def root() -> None:
    """Import data into a pack; a pack that is not there is made."""


@app.command("csv")
def import_csv(
    source: Source,
    pack: PackName,
    user: User,
    assistant: Reply,
    intent: Intent = None,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    json: Json = False,
) -> None:
    """Import a CSV file with a request and a reply per row, all of it or nothing."""
    from senmon.dataset import importing
    from senmon.packs.scaffold import NewPack

    folder = _folder(pack)
    columns = importing.Columns(user, assistant, intent)
    reading = importing.Reading(_character(delimiter), encoding, skip_broken, dry_run)
    fresh = NewPack.of(folder.name, title=title, licence=licence, attribution=attribution)
    with _progress(source) as progress:
        report = importing.import_rows(source, folder, columns, reading, progress, fresh)
    output.emit(asdict(report), _table(report), json=json)


def _folder(pack: str) -> Path:
    named = "/" in pack or pack.startswith(".")
    roots = Settings.load().packs
    there = (root / pack for root in roots if (root / pack).is_dir())
    return Path(pack) if named else next(there, roots[0] / pack)


def _character(delimiter: str | None) -> str | None:
    return "\t" if delimiter in ("tab", "\\t") else delimiter


@contextmanager
def _progress(source: Path) -> Iterator[Callable[[int], None]]:
    with output.errors.status(f"reading {source.name}") as status:
        yield lambda rows: status.update(f"reading {source.name}: {rows:,} rows")


def _table(report: ImportReport) -> Table:
    table = Table(show_header=False)
    done = "would write" if report.dry_run else "wrote" if report.changed else "left as it was"
    table.add_row(done, str(report.target))
    table.add_row("taken", f"{report.taken:,} rows, {report.intents} intents")
    table.add_row("refused", f"{report.refused_rows:,} rows")
    for problem in report.refused[:20]:
        table.add_row("", str(problem))
    table.add_row("placeholders", f"{report.placeholders:,} replies hold {{{{…}}}}")
    lengths = report.lengths
    words = (
        f"median {lengths.median}, 95 % under {lengths.p95 + 1}, longest {lengths.longest} words and marks"
    )
    table.add_row("replies", words)
    return table
