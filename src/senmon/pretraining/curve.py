"""What a run looked like: `curve.json`, and `curve.png` with loss, bits per byte per group, learning rate."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from senmon.adapters import durable
from senmon.pretraining.plan import State

INK, GRID, TRAIN, SMOOTH = "#2b2f36", "#e6e8eb", "#c3cfe2", "#2f5d9b"
COLOURS = (
    "#2f5d9b", "#d1603d", "#1f8a5b", "#8a5fb0", "#c49a1a",
    "#3f9fb5", "#b5476d", "#6b7280", "#7a9a2e", "#8c564b",
)  # fmt: skip
MOST_POINTS = 2000


def write_curve(out: Path, state: State, *, title: str) -> None:
    """Both files, from the state alone."""
    train = thinned(state.train)
    names = ("step", "tokens", "loss", "rate")
    data = {
        "train": [dict(zip(names, row, strict=True)) for row in train],
        "evaluations": state.curve,
        "stopped": state.stopped,
    }
    durable.write_json(out / "curve.json", data)
    _plot(out / "curve.png", train, state.curve, state.stopped, title)


def thinned(rows: Sequence[list[float]]) -> list[list[float]]:
    """At most `MOST_POINTS` rows, evenly chosen, the last one among them."""
    stride = -(-len(rows) // MOST_POINTS) or 1
    return list(rows[::-stride][::-1])


def _plot(
    path: Path,
    train: Sequence[list[float]],
    evaluations: Sequence[Mapping[str, Any]],
    stopped: Mapping[str, int],
    title: str,
) -> None:
    # Not pyplot: it keeps global state and is not made for threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 9), dpi=130, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    loss, valid, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 4, 1))
    tokens = [row[1] / 1e6 for row in train]
    losses = [row[2] for row in train]
    loss.plot(tokens, losses, color=TRAIN, linewidth=0.8, label="each step")
    loss.plot(tokens, smoothed(losses), color=SMOOTH, linewidth=1.8, label="smoothed")
    loss.set_ylabel("training loss,\nnats per token", color=INK)
    loss.legend(frameon=False, loc="upper right")
    loss.set_title(title, loc="left", color=INK)
    _groups(valid, evaluations, stopped)
    rate.plot(tokens, [row[3] for row in train], color=INK, linewidth=1.2)
    rate.set_ylabel("rate,\n× peak", color=INK)
    rate.set_ylim(0, 1.05)
    rate.set_xlabel("million tokens", color=INK)
    for axes in (loss, valid, rate):
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        axes.tick_params(colors=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    draft = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        canvas.print_png(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _groups(axes: Any, evaluations: Sequence[Mapping[str, Any]], stopped: Mapping[str, int]) -> None:
    names = sorted({name for record in evaluations for name in record["valid"]})
    for index, name in enumerate(names):
        points = [(r["tokens"] / 1e6, r["valid"][name]) for r in evaluations if name in r["valid"]]
        label = f"{name} (stopped at step {stopped[name]})" if name in stopped else name
        style = "--" if index >= len(COLOURS) else "-"
        axes.plot(
            *zip(*points, strict=True), f"o{style}", color=COLOURS[index % len(COLOURS)], linewidth=1.4,
            markersize=3, label=label,
        )  # fmt: skip
    axes.set_ylabel("held out,\nbits per byte", color=INK)
    if names:
        handles = axes.get_legend_handles_labels()
        axes.figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False)
    else:
        axes.text(0.5, 0.5, "no held-out file (--valid)", transform=axes.transAxes, ha="center", color=INK)


def smoothed(values: Sequence[float], weight: float = 0.95) -> list[float]:
    """Exponential average without the usual start-up bias."""
    result, total, mass = [], 0.0, 0.0
    for value in values:
        total, mass = weight * total + (1 - weight) * value, weight * mass + (1 - weight)
        result.append(total / mass)
    return result
