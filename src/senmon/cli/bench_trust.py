"""`senmon bench trust`: what must hold when things break."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senmon.cli.bench import Json
from senmon.cli.bench_speed import show
from senmon.cli.output import note

if TYPE_CHECKING:
    from senmon.bench.trust import Effort, Part, PartResult
    from senmon.bench.trust_load import Overload


class PartName(StrEnum):
    """In the order in which they run."""

    adapters = "adapters"
    imports = "imports"
    messages = "messages"
    commits = "commits"
    tune = "tune"
    improve = "improve"
    actions = "actions"
    engines = "engines"
    disk = "disk"
    clock = "clock"
    state = "state"
    load = "load"
    real = "real"
    behaviour = "behaviour"
    soak = "soak"
    input = "input"


def trust(
    part: Annotated[
        list[PartName] | None, typer.Option(help="Only this; may be given several times.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few points of each, in about a minute.")] = False,
    points: Annotated[int, typer.Option(min=1, max=100_000, help="Points for each kind of fault.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="How long the overload lasts.")] = 60.0,
    size: Annotated[int, typer.Option(min=1000, help="Rows of the big import.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Another one draws other points.")] = 0,
    page: Annotated[Path | None, typer.Option(help="Page to put the tables into, a plot beside it.")] = None,
    json: Json = False,
) -> None:
    """What must hold when things break: processes killed at drawn points, full disks, overload.

    Everything happens in temporary folders and in servers of its own on this machine. Ends with 1 when a
    promise was broken.
    """
    from senmon.bench import trust as bench
    from senmon.bench.trust_report import HEADS, cells

    # What is refused on purpose need not be read here.
    logging.getLogger("senmon").addHandler(logging.NullHandler())
    effort = bench.Effort(points, seconds, size, seed)
    if quick:
        effort = bench.QUICK
    overloads: list[Overload] = []
    chosen = {name.value: each for name, each in _parts(overloads).items() if not part or name in part}
    before = bench.busy()
    found = bench.run_parts(chosen, effort, note)
    if page is not None:
        _write(page, found, effort, overloads, before)
    rows = [row for result in found.values() for row in result.rows]
    why = [f"{row.what}: {each}" for row in rows for each in row.why]
    show([asdict(row) for row in rows], HEADS, [cells(row) for row in rows], why, json=json)
    if any(row.failures for row in rows):
        raise typer.Exit(1)


def _parts(overloads: list[Overload]) -> dict[PartName, Part]:
    from senmon.bench import (
        trust_actions,
        trust_adapters,
        trust_behaviour,
        trust_clock,
        trust_commits,
        trust_disk,
        trust_engines,
        trust_import,
        trust_input,
        trust_load,
        trust_messages,
        trust_real,
        trust_soak,
        trust_state,
        trust_tune,
    )
    from senmon.bench.trust import Row, Tell
    from senmon.cli import bench_trust_improve
    from senmon.settings import Settings

    packs = tuple(folder.absolute() for folder in Settings().packs)
    data = Path(folder) if (folder := os.environ.get("SENMON_TEST_DATA")) else None

    def load(effort: Effort, tell: Tell) -> list[Row]:
        rows, overload = trust_load.measure(effort, tell)
        overloads.append(overload)
        return list(rows)

    return {
        PartName.adapters: trust_adapters.run,
        PartName.imports: trust_import.run,
        PartName.messages: trust_messages.run,
        PartName.commits: trust_commits.run,
        PartName.tune: trust_tune.run,
        PartName.improve: bench_trust_improve.run,
        PartName.actions: trust_actions.run,
        PartName.engines: trust_engines.run,
        PartName.disk: trust_disk.run,
        PartName.clock: trust_clock.run,
        PartName.state: trust_state.run,
        PartName.load: load,
        PartName.real: lambda effort, tell: trust_real.run(packs, effort, tell),
        PartName.behaviour: lambda effort, tell: trust_behaviour.run(packs, data, effort, tell),
        PartName.soak: lambda effort, tell: trust_soak.run(packs, effort, tell),
        PartName.input: trust_input.run,
    }


def _write(
    page: Path, found: dict[str, PartResult], effort: Effort, overloads: list[Overload], before: float
) -> None:
    from senmon.bench import trust_report
    from senmon.bench.hardware import processor
    from senmon.bench.trust import busy

    machine = f"{processor()}, {os.cpu_count()} cores"
    for name, result in found.items():
        told = trust_report.lines(name, result, effort, machine, (before, busy()))
        if name == PartName.load and overloads:
            told += ["", f"![Latency of admitted messages, without and under overload]({trust_report.PLOT})"]
        trust_report.write(page, name, told)
    for overload in overloads:
        trust_report.write_plot(overload, page.with_name(trust_report.PLOT))
    note(f"written: {page}")
