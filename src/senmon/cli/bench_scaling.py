"""`senmon bench scaling`: what a load takes, by simulation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senmon.cli.bench import Json
from senmon.cli.bench_speed import Page, publish, show
from senmon.cli.output import note
from senmon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from senmon.bench.fleet_costs import Held, Measured


def scaling(
    conversations: Annotated[int, typer.Option(min=1, max=1_000_000, help="Under way at once.")] = 10_000,
    packs: Annotated[int, typer.Option(min=1, max=100_000, help="With an adapter each.")] = 1000,
    popularity: Annotated[
        float, typer.Option(min=0.0, max=3.0, help="Zipf's exponent of the packs; 0: all alike.")
    ] = 1.0,
    think: Annotated[float, typer.Option(min=0.1, help="Mean seconds between a person's messages.")] = 60.0,
    target: Annotated[float, typer.Option(min=0.05, help="Seconds for 95 % of first tokens.")] = 1.0,
    price: Annotated[float, typer.Option(min=0.0, help="Assumed price of a replica an hour.")] = 0.08,
    around: Annotated[
        float, typer.Option(min=0.0, help="CPU ms of a turn besides the engine: `senmon bench overhead`.")
    ] = 65.2,
    costs: Annotated[
        Path | None, typer.Option(help="What `--json` wrote before: its costs, instead of measuring.")
    ] = None,
    page: Page = None,
    json: Json = False,
) -> None:
    """How many replicas a load takes, which caches, what it costs and what breaks first.

    Measures the steps of the engine here (a minute), holds the simulation against a real run of one engine,
    then simulates the fleet. Needs `pip install 'senmon[bench]'`.
    """
    from senmon.bench.scaling import require_simpy

    require_simpy()
    from senmon.bench.fleet import Load
    from senmon.bench.scaling import HEADS, PLOT, cells, data, lines, read_costs, study, write_plot

    measured = None if costs else _measured(around / 1000)
    given = measured.costs if measured else read_costs(costs or Path())
    load = Load(conversations, packs, popularity, think)
    found = study(given, load, price=price, target=target, progress=note)
    told = [f"{found.chosen.plan.replicas} replicas keep 95 % of first tokens within {target:g} s"]
    show(data(found, measured), HEADS, [cells(one) for one in found.sizes], told, json=json)
    held = measured.held if measured else ()
    publish(page, "scaling", lines(found, held, _busy(held)), PLOT, lambda path: write_plot(found, path))


def _measured(around: float) -> Measured:
    from senmon.bases.catalog import resolve
    from senmon.bench.fleet_costs import measure

    base = resolve(Settings.load().base or "embedded")
    return measure(base, around=around, asks=60, gaps=(0.7, 0.35), progress=note)


def _busy(held: Sequence[Held]) -> str:
    if not held:
        return ""
    shares = " and ".join(f"{one.stretch:.2f}" for one in held)
    return (
        f"A CPU second of the engine took {shares} seconds by the clock in these runs: other programs had "
        "the rest. Latencies are by the engine's own time, a clock that stands still meanwhile."
    )
