"""`router.png`: what each pack promised and achieves, and where unseen messages went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from senmon.evaluation.router.report import RouterReport

#: Beyond this many packs numbers in cells, and labels of points, would cover each other.
READABLE = 40


def write_plot(report: RouterReport, path: Path) -> None:
    """Promised and achieved rates beside the confusion matrix, as a PNG."""
    from matplotlib.figure import Figure

    size = 2.4 + 0.8 * min(len(report.names), READABLE)
    figure = Figure(figsize=(size + 4.6, size), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(4.6, size))
    _rates(left, report)
    _confusion(right, report)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    figure.savefig(draft, format="png")
    draft.replace(path)


def _rates(axes: Any, report: RouterReport) -> None:
    """Per pack its promise (a bar) and the rate on unseen requests (a point with its interval)."""
    names = list(report.packs)
    for place, one in enumerate(report.packs.values()):
        axes.plot([one.promised] * 2, [place - 0.3, place + 0.3], color="#d1242f", label="promised")
        if (achieved := one.achieved) is not None:
            spread = [[achieved.value - achieved.low], [achieved.high - achieved.value]]
            axes.errorbar(
                achieved.value, place, xerr=spread, fmt="o", color="#1f6feb", capsize=3, label="achieved"
            )
    labels = [f"{name}\nfrom {report.packs[name].threshold:.3f} on" for name in names]
    axes.set_yticks(range(len(names)), labels)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.locator_params(axis="x", nbins=5)
    axes.set_title("Own unseen requests answered")
    handles, words = axes.get_legend_handles_labels()
    known = dict(zip(words, handles, strict=True))
    if known:
        axes.legend(known.values(), known.keys(), loc="best", fontsize=8)


def _confusion(axes: Any, report: RouterReport) -> None:
    """Rows are what was meant, columns where it went."""
    counts = np.array(report.confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(report.names))
    axes.set_xticks(ticks, report.names, rotation=40, ha="right")
    axes.set_yticks(ticks, report.names)
    axes.set_xlabel("went to")
    axes.set_ylabel("was meant for")
    axes.set_title("Unseen first messages")
    if len(report.names) > READABLE:
        return
    for row in ticks:
        for column in ticks:
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(int(counts[row, column])), ha="center", va="center", color=shade)
