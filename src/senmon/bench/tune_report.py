"""The table and the plot of `senmon bench tune`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from senmon.bench.page import save_plot, table
from senmon.bench.serve_report import machine
from senmon.bench.timing import Spread, ratios
from senmon.bench.tune import BATCH, OURS, OURS_PLAIN, SHARE, SUFFIX, WAYS, PackFigures, TuneFigures
from senmon.bench.tune_job import TuneResult

PLOT = "bench-tune.png"
HEADS = (
    "pack",
    "program",
    "CPU s",
    "times ours, same order",
    "s",
    "validation loss",
    "beside ours",
    "peak memory, MB (of it while training)",
)


def rows(figures: TuneFigures) -> list[list[str]]:
    return [
        [
            pack.pack,
            way,
            _spread(found, "cpu").text(),
            _times(pack, way),
            _spread(found, "wall").text(),
            _spread(found, "loss").text(4),
            _apart(pack, way),
            f"{_spread(found, 'peak').text(0)} (+{max(one.peak - one.before for one in found):.0f})",
        ]
        for pack in figures.packs
        for way, found in pack.found.items()
    ]


def _times(pack: PackFigures, way: str) -> str:
    ours = WAYS[way].beside
    if ours is None:
        return ""
    mine, theirs = ([one.cpu for one in pack.found[name]] for name in (ours, way))
    return f"{ratios(theirs, mine).text(2)} ×"


def _apart(pack: PackFigures, way: str) -> str:
    """How far a peer's validation loss lies from ours of the same order."""
    ours = WAYS[way].beside
    if ours is None:
        return ""
    mine, theirs = (_spread(pack.found[name], "loss").median for name in (ours, way))
    return f"{100 * (theirs / mine - 1):+.2f} %"


def _spread(found: list[TuneResult], name: str) -> Spread:
    return Spread.of([getattr(one, name) for one in found])


def remarks(figures: TuneFigures) -> list[str]:
    told = [machine(figures.hardware)]
    for pack in figures.packs:
        shares = [
            Spread.of([100 * least / one.cpu for one in pack.found[way]]).text(0)
            for way, least in zip((OURS_PLAIN, OURS), pack.least, strict=True)
        ]
        told.append(
            f"{pack.pack}: {pack.steps} steps of {BATCH} rows, {pack.tokens:.0f} tokens a row, "
            f"{pack.prefix} of them the prompt that all share, {pack.supervised:.0f} learnt. Share of the "
            f"arithmetic's limit: {shares[0]} % in float32, {shares[1]} % in bf16."
        )
    return told


def lines(figures: TuneFigures) -> Iterator[str]:
    yield "## Tuning on a CPU"
    yield ""
    yield "`senmon bench tune`. The shipped packs, the same rows in the same steps, LoRA of rank 16, AdamW;"
    yield "each program in a process of its own, in turn; median and range of the repetitions, training"
    yield "alone. TRL's defaults are bf16 with gradient checkpointing and rows in random order; grouped by"
    yield "length it trains without checkpointing, which is faster here. Each is compared with ours on the"
    yield "same rows in the same order; senmon's own tuning groups by length."
    yield ""
    yield from table(HEADS, rows(figures))
    yield ""
    if figures.points:
        yield f"![How many times faster, by prefix and by share of the reply]({PLOT})"
        yield ""
        yield f"Made-up rows of equal length, {SUFFIX} tokens behind the prefix, both in bf16, TRL without"
        yield "checkpointing:"
        yield ""
        yield from table(
            ("prefix, tokens", "reply, share of the rest", "TRL's CPU seconds in ours"),
            [[str(one.prefix), f"{one.share:.0%}", f"{one.times.text(2)} ×"] for one in figures.points],
        )
        yield ""
    yield from (f"- {remark}" for remark in remarks(figures))


def write_plot(figures: TuneFigures, path: Path) -> None:
    """The ratio against prefix length (left) and against the reply's share (right)."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(9, 3.2), dpi=120, layout="constrained")
    left, right = canvas.subplots(1, 2, sharey=True)
    by_prefix = sorted((one for one in figures.points if one.share == SHARE), key=lambda one: one.prefix)
    kept = next(one.prefix for one in figures.points if one.share != SHARE)
    by_share = sorted((one for one in figures.points if one.prefix == kept), key=lambda one: one.share)
    for axes, points, places, title in (
        (left, by_prefix, [one.prefix for one in by_prefix], f"prefix, tokens (reply {SHARE:.0%})"),
        (right, by_share, [100 * one.share for one in by_share], f"reply, % of the rest (prefix {kept})"),
    ):
        values = [one.times.median for one in points]
        spread = [
            [one.times.median - one.times.low for one in points],
            [one.times.high - one.times.median for one in points],
        ]
        axes.errorbar(places, values, yerr=spread, fmt="o-", color="#1f6feb", capsize=3)
        axes.axhline(1, color="#8b949e", linewidth=1)
        axes.set_xlabel(title, fontsize=9)
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    left.set_ylabel("TRL's CPU seconds in ours")
    save_plot(canvas, path)
