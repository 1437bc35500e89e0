"""What a run looked like: TensorBoard scalars while it runs, `curve.json` and `curve.png` after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from senmon.adapters.durable import write_json
from senmon.tuning.checkpoint import Position

INK, GRID, TRAIN, SMOOTH, VALID = "#2b2f36", "#e6e8eb", "#c3cfe2", "#2f5d9b", "#d1603d"


class Scalars:
    """TensorBoard scalars in a folder. A resumed run overwrites what came after its checkpoint."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, step: int, **values: float) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name.replace("__", "/"), value, step)

    def close(self) -> None:
        self._writer.close()


def write_curve(out: Path, position: Position, *, title: str) -> Path:
    """`curve.json` and `curve.png` in `out`; returns the picture's path."""
    rows = {
        "train": [dict(zip(("step", "loss", "rate", "norm"), row, strict=True)) for row in position.train],
        "valid": [dict(zip(("step", "loss"), row, strict=True)) for row in position.valid],
        "best": {"step": position.best_step, "loss": position.best_loss},
    }
    write_json(out / "curve.json", rows)
    return _plot(out / "curve.png", position, title)


def _plot(path: Path, position: Position, title: str) -> Path:
    # Not pyplot: it keeps global state and is not made for threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import AutoLocator

    figure = Figure(figsize=(7.2, 4.2), dpi=140, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = [row[0] for row in position.train]
    losses = [row[1] for row in position.train]
    axes.plot(steps, losses, color=TRAIN, linewidth=1, label="training, each step")
    axes.plot(steps, smoothed(losses), color=SMOOTH, linewidth=2, label="training, smoothed")
    if position.valid:
        points = [[row[at] for row in position.valid] for at in (0, 1)]
        axes.plot(*points, "o-", color=VALID, linewidth=2, markersize=5, label="validation")
    if position.best_loss is not None:
        best = (position.best_step, position.best_loss)
        axes.annotate(
            f"best {best[1]:.3f}", best, (0, -16), textcoords="offset points", color=VALID, ha="right"
        )
    axes.set_title(title, loc="left", color=INK, fontsize=12)
    axes.set_xlabel("optimiser step", color=INK)
    axes.set_ylabel("loss, nats per supervised token", color=INK)
    axes.set_ylim(bottom=0)
    whole = AutoLocator()
    whole.set_params(integer=True)
    axes.xaxis.set_major_locator(whole)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False)
    canvas.print_png(path)
    return path


def smoothed(values: list[float], weight: float = 0.9) -> list[float]:
    """Exponential average without the usual start-up bias."""
    result, total, mass = [], 0.0, 0.0
    for value in values:
        total, mass = weight * total + (1 - weight) * value, weight * mass + (1 - weight)
        result.append(total / mass)
    return result
