"""`senmon bench serve|tune|overhead`: speed, beside what else one would use."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from senmon.cli.bench import Json
from senmon.cli.output import console, emit, note
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.tuning.rows import Row

Repetitions = Annotated[int, typer.Option(min=1, max=50, help="Turns that each program takes.")]
Threads = Annotated[int, typer.Option(min=1, help="Torch threads, the same for everybody.")]
Page = Annotated[
    Path | None, typer.Option(help="Page of benchmarks to put the table into, with its plot beside it.")
]


def serve(
    repetitions: Repetitions = 3,
    threads: Threads = 1,
    gap: Annotated[float, typer.Option(min=0.001, help="Mean seconds between staggered requests.")] = 0.05,
    adapters: Annotated[
        int, typer.Option(min=0, max=10_000, help="Adapters of the run with many; 0: without that run.")
    ] = 1000,
    page: Page = None,
    json: Json = False,
) -> None:
    """The local engine beside transformers + PEFT: the same requests, replies compared word for word.

    16 requests over 8 adapters, at once and staggered; one at a time; the first token with a known prefix;
    many adapters of uneven popularity. Takes some minutes. A busy machine shows in the ranges.
    """
    from senmon.bases.catalog import resolve
    from senmon.bench.many_adapters import run_many
    from senmon.bench.serve import run
    from senmon.bench.serve_report import HEADS, PLOT, lines, many_remark, remarks, rows, write_plot

    base = resolve(Settings.load().base or "embedded")
    figures = run(base, repetitions=repetitions, threads=threads, gap=gap, progress=note)
    many = None
    if adapters:
        many = run_many(base, count=adapters, repetitions=repetitions, threads=threads, progress=note)
    data = {"figures": asdict(figures), "many": asdict(many) if many else None}
    told = [*remarks(figures), *([many_remark(many)] if many else [])]
    show(data, HEADS, rows(figures), told, json=json)
    publish(page, "serve", lines(figures, many), PLOT, lambda path: write_plot(figures, path))


def tune(
    packs: Annotated[
        list[str] | None, typer.Argument(help="Packs whose data is learnt; default: all that are here.")
    ] = None,
    repetitions: Repetitions = 3,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Optimiser steps of 16 rows each.")] = 8,
    threads: Threads = 1,
    points: Annotated[bool, typer.Option(help="Measure made-up prefixes and reply shares too.")] = True,
    page: Page = None,
    json: Json = False,
) -> None:
    """Our tuning beside TRL's SFTTrainer + PEFT: the same rows, steps and optimiser, losses compared.

    Needs `pip install 'senmon[bench]'`. Nothing is published: the adapters are thrown away.
    """
    from senmon.bases.catalog import resolve
    from senmon.bench.tune import require_trl, run
    from senmon.bench.tune_report import HEADS, PLOT, lines, remarks, rows, write_plot

    require_trl()
    base = resolve(Settings.load().base or "embedded")
    given = _rows_of(packs or (), base)
    figures = run(
        base, given, repetitions=repetitions, steps=steps, threads=threads, points=points, progress=note
    )
    show(asdict(figures), HEADS, rows(figures), remarks(figures), json=json)
    draw = (lambda path: write_plot(figures, path)) if points else None
    publish(page, "tune", lines(figures), PLOT, draw)


def overhead(
    repetitions: Repetitions = 3,
    turns: Annotated[int, typer.Option(min=1, max=1000, help="Messages of each conversation.")] = 5,
    page: Page = None,
    json: Json = False,
) -> None:
    """What a turn costs besides the model, with 32 conversations at once, and how fast the server starts.

    The real server with your packs and a scripted engine, in a process and a state of its own.
    """
    from senmon.bench.overhead import questions, run
    from senmon.bench.overhead_report import lines, rows

    roots = [root.absolute() for root in Settings.load().packs if root.is_dir()]
    texts = questions([file for root in roots for file in sorted(root.glob("*/data/*.jsonl"))])
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "senmon.cli.bench_server", home, *map(str, roots)]
        figures = run(command, texts, repetitions=repetitions, turns=turns, progress=note)
    show(asdict(figures), ("", "measured"), rows(figures), (), json=json)
    publish(page, "overhead", lines(figures), None, None)


def _rows_of(names: Sequence[str], base: Any) -> list[tuple[str, Sequence[Row], Sequence[Row]]]:
    """Training and validation rows of packs, as tuning renders them."""
    from senmon.bases.catalog import load_tokenizer
    from senmon.dataset.loading import load_dataset
    from senmon.rendering import Renderer, prefix_message
    from senmon.tuning.rows import render_rows
    from senmon.workspace import Workspace

    workspace, renderer = Workspace.open(), Renderer(load_tokenizer(base))
    found: list[tuple[str, Sequence[Row], Sequence[Row]]] = []
    for pack in [workspace.pack(name) for name in names] or list(workspace.packs.values()):
        data, prefix = load_dataset(pack), prefix_message(pack)
        most = pack.manifest.recipe.max_tokens
        split = [
            render_rows(renderer, prefix, data.split(name), max_tokens=most, share=True)
            for name in ("train", "valid")
        ]
        found.append((pack.name, split[0], split[1]))
    return found


def show(
    data: Any, heads: Sequence[str], rows: Sequence[Sequence[str]], told: Sequence[str], *, json: bool
) -> None:
    table = Table(*heads)
    for row in rows:
        table.add_row(*row)
    emit(data, table, json=json)
    if not json:
        for line in told:
            console.print(f"· {line}")


def publish(
    page: Path | None,
    name: str,
    lines: Iterable[str],
    plot: str | None,
    draw: Callable[[Path], None] | None,
) -> None:
    if page is None:
        return
    from senmon.bench.page import put_section

    put_section(page, name, list(lines))
    if plot and draw:
        draw(page.with_name(plot))
    note(f"written: {page}" + (f", {page.with_name(plot)}" if plot and draw else ""))
