"""`senmon bench trust` as a page: a section for each part, and a plot of latencies under overload."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from senmon.bench.page import put_section, save_plot, table
from senmon.bench.trust import Effort, PartResult, Row
from senmon.bench.trust_load import Overload

HEADS = ("promise", "points", "broken", "95 % interval", "measured")
PLOT = "reliability-overload.png"
INTRO = """# Reliability

What must hold when things break, tried by `senmon bench trust` and counted: each point is one fault, such as
a process killed at a drawn moment; *broken* are those after which the promise did not hold. The interval is
Wilson's, for the share of broken points. The same points are drawn in every run (`--seed`), times excepted.
"""


def cells(row: Row) -> tuple[str, ...]:
    low, high = row.interval
    return (row.what, f"{row.points:,}", f"{row.failures:,}", f"{low:.1%}–{high:.1%}", row.note)


def lines(
    name: str, result: PartResult, effort: Effort, machine: str, load: tuple[float, float]
) -> list[str]:
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    told = [f"## {name.capitalize()}", "", *table(HEADS, [cells(row) for row in result.rows]), ""]
    told += [f"- {row.what}: {why}" for row in result.rows for why in row.why]
    told.append(
        f"Measured on {when} in {result.seconds:.0f} s with {effort.points} points a fault and "
        f"{effort.seconds:.0f} s of load; {machine}; processes that wanted a core: {load[0]:.1f} before, "
        f"{load[1]:.1f} after."
    )
    return told


def write(page: Path, name: str, told: Sequence[str]) -> None:
    if not page.is_file():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(INTRO, encoding="utf-8")
    put_section(page, f"trust {name}", told)


def write_plot(overload: Overload, path: Path) -> None:
    """Which share of the admitted messages was answered within a time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for seconds, label in (
        (overload.before, f"below capacity ({len(overload.before)})"),
        (overload.under, f"5 times the capacity ({len(overload.under)}; {overload.refused} refused)"),
    ):
        ordered = sorted(seconds)
        axes.step(ordered, [(at + 1) / len(ordered) for at in range(len(ordered))], where="post", label=label)
    axes.set_xlabel("seconds from the message to the end of its reply")
    axes.set_ylabel("share of admitted messages")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.legend(loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_plot(figure, path)
