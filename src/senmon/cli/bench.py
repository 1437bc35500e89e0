"""`senmon bench`: measurements that anybody can repeat, beside peers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from senmon.cli.output import console, emit, note
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.bench.clinc import Clinc
    from senmon.bench.route import Row
    from senmon.embedding import Encoder

app = typer.Typer(help="Measurements that anybody can repeat, beside peers.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def route(
    data: Annotated[
        Path, typer.Option(help="CLINC150: `data_full.json` with `domains.json` beside it, or their folder.")
    ],
    seeds: Annotated[int, typer.Option(min=0, max=50, help="Draws of 10 examples an intent; 0: none.")] = 5,
    words: Annotated[bool, typer.Option("--words", help="Without the sentence encoder.")] = False,
    peer: Annotated[
        Path | None,
        typer.Option(help="Python that has semantic-router; default: this one, if it is installed here."),
    ] = None,
    no_peer: Annotated[bool, typer.Option("--no-peer", help="Leave semantic-router out.")] = False,
    page: Annotated[
        Path | None, typer.Option(help="Page of benchmarks to put the table into, with its plot beside it.")
    ] = None,
    json: Json = False,
) -> None:
    """The router on CLINC150, domains as packs, beside semantic-router with the same encoder.

    Nothing is downloaded. Vectors are kept by their text, so that only the first run encodes.
    """
    from senmon.bench.clinc import Clinc
    from senmon.bench.route import run
    from senmon.bench.route_report import PLOT, cells, heads, markdown, write_plot, write_section
    from senmon.workspace import Workspace

    clinc = Clinc.read(data)
    encoder = None if words else Workspace.open(Settings.load()).encoder
    rows = run(clinc, encoder, seeds, note)
    notes: list[str] = []
    if encoder is not None and not no_peer:
        rows += _peer_rows(clinc, encoder, peer, seeds, notes)
    table = Table(*heads(), title="CLINC150")
    for row in rows:
        table.add_row(*cells(row))
    emit([asdict(row) for row in rows], table, json=json)
    if page is not None:
        write_section(page, markdown(rows, notes))
        write_plot(rows, page.with_name(PLOT))
        note(f"written: {page}, {page.with_name(PLOT)}")


def _peer_rows(clinc: Clinc, encoder: Encoder, peer: Path | None, seeds: int, notes: list[str]) -> list[Row]:
    from senmon.bench.peer import HOW, interpreter, run_peer, run_peer_few
    from senmon.bench.route import EACH

    python = interpreter(peer)
    if python is None:
        note(f"semantic-router is not installed here: {HOW}")
        notes.append("semantic-router was not installed where this was measured.")
        return []
    note("semantic-router, all training examples")
    rows = [run_peer(python, clinc, encoder, clinc.splits["train"])[0]]
    if seeds:
        note(f"semantic-router, {seeds} draws of few examples")
        rows.append(run_peer_few(python, clinc, encoder, EACH, seeds))
    notes.append(
        "semantic-router gets the same vectors, one route per intent; its neighbours and aggregation are "
        "chosen on validation. Its time for a message excludes encoding (about 13 ms); ours includes it."
    )
    return rows


@app.command()
def packs(
    count: Annotated[int, typer.Option(min=2, max=5000, help="How many packs, of 10 intents each.")] = 1000,
    each: Annotated[int, typer.Option(min=2, max=11, help="Examples of an intent.")] = 10,
    words: Annotated[bool, typer.Option("--words", help="Without the sentence encoder.")] = False,
    page: Annotated[Path | None, typer.Option(help="Page of benchmarks to put the figures into.")] = None,
    json: Json = False,
) -> None:
    """What routing costs with many packs: made-up ones, fitted once, asked one message at a time.

    A thousand packs with 5 examples an intent take about five minutes of one core, with 10 about ten.
    """
    from senmon.bench import many_packs_report
    from senmon.bench.many_packs import measure_scale
    from senmon.bench.route_report import write_section
    from senmon.workspace import Workspace

    encoder = None if words else Workspace.open(Settings.load()).encoder
    figures = measure_scale(encoder, count, each=each)
    table = Table("", "", title=f"{count} packs")
    for name, value in asdict(figures).items():
        table.add_row(name.replace("_", " "), f"{value:,.3g}" if isinstance(value, float) else f"{value:,}")
    emit(asdict(figures), table, json=json)
    if not json:
        console.print("seconds are CPU seconds; milliseconds are for one message, encoding included")
    if page is not None:
        text = many_packs_report.markdown(figures)
        write_section(page, text, many_packs_report.START, many_packs_report.END)
        note(f"written: {page}")
