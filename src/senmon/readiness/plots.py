"""The pictures of a report, as inline SVG that follows the page's light or dark colours."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from senmon.readiness.assess import Readiness
from senmon.readiness.learning_curve import LearningCurve
from senmon.readiness.lengths import Lengths
from senmon.readiness.meaning import Meaning
from senmon.readiness.score import ENOUGH_REQUESTS, Score

#: Drawn colours that the page's style sheet replaces by its own: ink, grid, and what they stand for.
INK, GRID, MAIN, GOOD, WARN, BAD = "#101112", "#c0c1c2", "#2f5d9b", "#2e8b57", "#c77d1a", "#b3423a"
_CLASSES = {INK: "ink", GRID: "grid", MAIN: "main", GOOD: "good", WARN: "warn", BAD: "bad"}
#: Intents that a picture names; the others are summed up.
MOST_BARS = 40
MOST_NAMED = 8
_MANY = ("#2f5d9b", "#d1603d", "#2e8b57", "#8a5aa8", "#b58900", "#2aa1a1", "#c2477f", "#6b7d2e")


def _svg(width: float, height: float, title: str, draw: Callable[[Any], None]) -> str:
    """matplotlib's drawing without its prologue, its colours as classes, its title for screen readers."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style = {
        "svg.hashsalt": "senmon",
        "font.size": 10,
        "svg.fonttype": "none",
        "text.color": INK,
        "font.family": "sans-serif",
    }
    style |= {"axes.labelcolor": INK, "axes.edgecolor": GRID, "xtick.color": INK, "ytick.color": INK}
    with mpl.rc_context(style):
        sheet = Figure(figsize=(width, height), layout="constrained")
        sheet.patch.set_alpha(0)
        FigureCanvasSVG(sheet)
        axes = sheet.add_subplot()
        axes.patch.set_alpha(0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.set_axisbelow(True)
        draw(axes)
        stream = io.StringIO()
        sheet.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = stream.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    for colour, name in _CLASSES.items():
        drawing = drawing.replace(f"fill: {colour}", f"fill: var(--{name})").replace(
            f"stroke: {colour}", f"stroke: var(--{name})"
        )
    name = html.escape(title, quote=True)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def plain(text: str, most: int = 28) -> str:
    """A label that can't be taken for a formula, on one line."""
    line = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return line.replace("\\", "∖").replace("$", "\\$")


def score_bars(score: Score) -> str:
    parts = [part for part in score.parts if part.value is not None]

    def draw(axes: Any) -> None:
        rows = np.arange(len(parts))[::-1]
        values = [100 * (part.value or 0) for part in parts]
        colours = [GOOD if value >= 80 else WARN if value >= 50 else BAD for value in values]
        axes.barh(rows, [100] * len(parts), color=GRID, alpha=0.35, height=0.62)
        axes.barh(rows, values, color=colours, height=0.62)
        for row, value in zip(rows, values, strict=True):
            axes.text(102, row, f"{value:.0f} %", va="center", color=INK)
        axes.set_yticks(rows, [plain(part.title, 40) for part in parts])
        axes.set_xlim(0, 112)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(length=0)

    return _svg(8.2, 0.33 * len(parts) + 0.3, "Parts of the score in per cent", draw)


def intent_bars(report: Readiness) -> str:
    ordered = sorted(report.requests.items(), key=lambda pair: -pair[1])
    shown = ordered[:MOST_BARS]

    def draw(axes: Any) -> None:
        rows = np.arange(len(shown))[::-1]
        counts = [count for _, count in shown]
        all_of = [report.counts.intents.get(name, 0) for name, _ in shown]
        axes.barh(rows, all_of, color=GRID, height=0.66, label="conversations")
        colours = [GOOD if count >= ENOUGH_REQUESTS else WARN if count >= 8 else BAD for count in counts]
        axes.barh(rows, counts, color=colours, height=0.66, label="different training requests")
        axes.axvline(ENOUGH_REQUESTS, color=INK, linewidth=1, linestyle=":")
        axes.set_yticks(rows, [plain(name) for name, _ in shown])
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set_xlabel(
            f"conversations (grey) and different training requests; dotted: {ENOUGH_REQUESTS} are enough"
        )
        axes.grid(axis="x", color=GRID, alpha=0.5)

    return _svg(8.2, 0.26 * len(shown) + 0.9, "Requests per intent", draw)


def length_histogram(lengths: Lengths) -> str:
    def draw(axes: Any) -> None:
        edges = np.array(lengths.bins, dtype=float)
        axes.bar(
            edges[:-1], lengths.counts, width=np.maximum(np.diff(edges), 1) * 0.94, align="edge", color=MAIN
        )
        if edges.max() > 0.6 * lengths.limit:
            axes.axvline(lengths.limit, color=BAD, linewidth=1.5)
            axes.text(lengths.limit, max(lengths.counts), " limit", color=BAD, va="top")
        axes.set_xlabel("tokens of a conversation, the pack's prompt included")
        axes.set_ylabel("conversations")
        axes.grid(axis="y", color=GRID, alpha=0.5)

    return _svg(8.2, 2.6, "Lengths in tokens", draw)


def meaning_map(meaning: Meaning) -> str:
    """Requests as points; the largest intents have colours."""
    sizes: dict[str, int] = {}
    for intent, _, _ in meaning.points:
        sizes[intent] = sizes.get(intent, 0) + 1
    named = sorted(sizes, key=lambda name: -sizes[name])[:MOST_NAMED]

    def draw(axes: Any) -> None:
        rest = [(x, y) for intent, x, y in meaning.points if intent not in named]
        if rest:
            axes.scatter(*zip(*rest, strict=True), s=14, color=GRID, label="other intents")
        for name, colour in zip(named, _MANY, strict=False):
            points = [(x, y) for intent, x, y in meaning.points if intent == name]
            axes.scatter(*zip(*points, strict=True), s=16, color=colour, alpha=0.85, label=plain(name, 22))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return _svg(8.2, 4.2, "Requests by meaning: near points mean similar things", draw)


def spread_bars(meaning: Meaning) -> str:
    shown = sorted(meaning.spreads, key=lambda spread: spread.clusters)[:MOST_BARS]

    def draw(axes: Any) -> None:
        rows = np.arange(len(shown))[::-1]
        values = [spread.clusters for spread in shown]
        axes.barh(
            rows,
            values,
            color=[GOOD if value >= 8 else WARN if value >= 4 else BAD for value in values],
            height=0.66,
        )
        axes.set_yticks(rows, [plain(spread.intent) for spread in shown])
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set_xlabel("worth about so many different requests")
        axes.grid(axis="x", color=GRID, alpha=0.5)

    return _svg(8.2, 0.26 * len(shown) + 0.9, "Variety of meaning per intent", draw)


def curve_plot(curve: LearningCurve) -> str:
    sizes = np.array([point.examples for point in curve.points], dtype=float)
    twice = 2 * sizes.max()

    def draw(axes: Any) -> None:
        along = np.geomspace(max(1.0, sizes.min() * 0.8), twice, 60)
        axes.plot(along, [curve.law.at(x) for x in along], color=MAIN, linewidth=1.5)
        axes.scatter(
            sizes, [point.loss for point in curve.points], color=MAIN, s=34, zorder=3, label="measured"
        )
        axes.errorbar(
            [twice],
            [curve.doubled],
            yerr=[[curve.doubled - curve.low], [curve.high - curve.doubled]],
            fmt="o",
            color=WARN,
            capsize=5,
            label="twice the data, 95 % interval",
        )
        axes.set_xscale("log")
        ticks: Sequence[float] = sorted({*sizes.tolist(), twice})
        axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("training examples")
        axes.set_ylabel("loss on held-out examples")
        axes.grid(color=GRID, alpha=0.5)
        axes.legend(frameon=False)

    return _svg(8.2, 3.4, "What more data would bring", draw)
