"""`senmon export`: a pack's examples → the formats of other tools."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from senmon.cli import output

if TYPE_CHECKING:
    from senmon.dataset.exports.exporting import ExportReport


class SplitName(StrEnum):
    """The splits of a pack, as choices."""

    train = "train"
    valid = "valid"
    test = "test"


def export(
    pack: Annotated[str, typer.Argument(help="Name of the pack, or its folder.")],
    format: Annotated[
        Literal["openai", "sharegpt", "hf"],
        typer.Option(
            "--format",
            help="openai: chat JSON Lines with tools; sharegpt: conversations with function_call and "
            "observation; hf: a Hugging Face dataset folder with its card.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write (hf: folder to make).")],
    split: Annotated[
        list[SplitName] | None,
        typer.Option("--split", help="Only this split; may be repeated. Default: all."),
    ] = None,
    system: Annotated[
        bool,
        typer.Option("--system/--no-system", help="Begin each conversation with the pack's system text."),
    ] = True,
    bare: Annotated[
        bool, typer.Option("--bare", help="No metadata (intent, split, licence, tags) beside a conversation.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Export the conversations of a pack; `senmon import` reads each format back as it was."""
    from senmon.dataset.exports.exporting import Wanted, export_pack
    from senmon.dataset.loading import load_dataset
    from senmon.workspace import Workspace

    found = Workspace.open().pack(pack)
    wanted = Wanted(tuple(name.value for name in split or ()), bare, system, overwrite)
    with output.errors.status(f"exporting {escape(found.name)}"):
        report = export_pack(found, load_dataset(found), format, out, wanted)
    output.emit(asdict(report), _table(report), json=json)


def _table(report: ExportReport) -> Table:
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_row("wrote", escape(str(report.target)))
    table.add_row("format", report.format)
    table.add_row("splits", ", ".join(f"{name} {count:,}" for name, count in report.splits.items()))
    table.add_row(
        "licences", ", ".join(f"{escape(name)} {count:,}" for name, count in report.licences.items())
    )
    table.add_row("size", _size(report.bytes))
    return table


def _size(count: int) -> str:
    return f"{count / 1024**2:,.1f} MB" if count >= 1024**2 else f"{max(1, round(count / 1024)):,} kB"
