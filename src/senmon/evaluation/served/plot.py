"""Figures of base and adapter side by side, with their intervals and bars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLOURS = {"base": "#8a8f98", "adapter": "#1f8a5b"}


def write_plot(section: Mapping[str, Any], path: Path) -> None:
    """A PNG, written in one step."""
    from matplotlib.figure import Figure

    figures = list(section["figures"].values())
    subjects = list(section["subjects"])
    sheet = Figure(figsize=(9.5, 1.4 + 0.42 * len(figures)), dpi=110, layout="constrained")
    axes = sheet.add_subplot()
    for shift, subject in enumerate(subjects):
        found = [(row, one["values"][subject]) for row, one in enumerate(figures) if subject in one["values"]]
        rows = [row + 0.22 * shift for row, _ in found]
        colour = COLOURS.get(subject, "#444")
        axes.hlines(rows, [v["low"] for _, v in found], [v["high"] for _, v in found], colors=colour)
        axes.plot([v["value"] for _, v in found], rows, "o", color=colour, label=subject, markersize=5)
    for row, one in enumerate(figures):
        if one["bar"]:
            bar = float(one["bar"].split()[1]) / 100
            axes.vlines(bar, row - 0.25, row + 0.45, colors="#b02a37", linestyles="dotted")
    labels = [f"{one['says']}{' ↓' if one['low'] else ''}" for one in figures]
    axes.set_yticks([row + 0.11 * (len(subjects) - 1) for row in range(len(figures))], labels, fontsize=8)
    axes.set_ylim(len(figures) - 0.4, -0.4)
    axes.set_xlim(-0.02, 1.02)
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(f"{section['pack']}: share, 95 % interval; dotted: bar; ↓ less is better", fontsize=9)
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.06), ncols=len(subjects), frameon=False, fontsize=8
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    sheet.savefig(draft, format="png", metadata={"Software": None})
    draft.replace(path)
