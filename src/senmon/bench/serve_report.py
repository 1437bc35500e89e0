"""The table and the plot of `senmon bench serve`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from senmon.bench.hardware import Hardware
from senmon.bench.many_adapters import ManyFigures
from senmon.bench.page import save_plot, table
from senmon.bench.serve import ADAPTERS, MESSAGE, OURS, PREFIX, PROMPT, REPLY, REQUESTS, Group, ServeFigures
from senmon.bench.timing import Spread, ratios

PLOT = "bench-serve.png"
HEADS = (
    "load",
    "program",
    "tokens a CPU second",
    "senmon has",
    "tokens a second",
    "first token, s",
    "last token, s",
)


def rows(figures: ServeFigures) -> list[list[str]]:
    return [
        [
            group.name,
            system,
            Spread.of(group.speed(system)).text(),
            "" if system == OURS else f"{ratios(group.speed(OURS), group.speed(system)).text(2)} ×",
            Spread.of(group.wall_speed(system)).text(),
            *_waits(group, system),
        ]
        for group in figures.groups
        for system in group.found
    ]


def _waits(group: Group, system: str) -> tuple[str, str]:
    """Medians over requests and repetitions."""
    first = statistics.median(second for one in group.found[system] for second in one.first)
    last = statistics.median(second for one in group.found[system] for second in one.last)
    return f"{first:.2f}", f"{last:.2f}"


def machine(hardware: Hardware) -> str:
    half = f", in bf16 {hardware.half_flops / 1e9:.0f}" if hardware.half_flops else ""
    return (
        f"{hardware.processor}, torch threads: {hardware.threads}; "
        f"at most {hardware.flops / 1e9:.0f} GFLOP/s in float32{half}, "
        f"{hardware.bytes / 1e9:.0f} GB/s of memory read, per CPU second of a thread."
    )


def remarks(figures: ServeFigures) -> list[str]:
    burst = figures.groups[0]
    spent = [one.cpu for one in burst.found[OURS]]
    told = [machine(figures.hardware)]
    if burst.least and burst.least_then and burst.least_shaped:
        best, then, shaped = (
            Spread.of([100 * least / cpu for cpu in spent]).text(0)
            for least in (burst.least, burst.least_then, burst.least_shaped)
        )
        told.append(
            f"Share of the roofline, {burst.name}: {best} % of the best that was measured, {then} % of the "
            f"median while it was measured; {shaped} % where products count as fast as the best of them is "
            f"alone at this base's shapes, with {PROMPT} and with {REQUESTS} rows."
        )
    told += [
        f"Replies compared with PEFT's greedy ones: {figures.compared}; the same: {figures.identical}; "
        f"parted at a tie of the two best logits (< 1e-4): {figures.ties}.",
        f"First token with a prefix of {PREFIX} tokens and a message of {MESSAGE}: {figures.cold.text(3)} s "
        f"when the prefix is new, {figures.warm.text(3)} s when it is known; in CPU seconds "
        f"{figures.cold_cpu.text(3)} and {figures.warm_cpu.text(3)}: {figures.first_ratio.text(1)} ×.",
    ]
    return told


def many_remark(many: ManyFigures) -> str:
    return (
        f"{many.count:,} adapters, Zipf popularity ({many.distinct} of them asked for): {many.speed.text()} "
        f"tokens a CPU second, with eight adapters {many.few_speed.text()}; "
        f"share {many.share.times(100).text(0)} %. "
        f"Memory {many.before:.0f} MB before, {many.after:.0f} MB after, {many.loaded} adapters in it. "
        f"{many.right} of {many.checked} replies compared were those of the adapter asked for."
    )


def lines(figures: ServeFigures, many: ManyFigures | None) -> Iterator[str]:
    yield "## Serving many adapters on a CPU"
    yield ""
    yield f"`senmon bench serve`. {REQUESTS} requests over {ADAPTERS} adapters of rank 16, {PROMPT} tokens of"
    yield f"prompt, at most {REPLY} of reply, greedy; the embedded base; no prefix is kept. The programs take"
    yield "turns; median and range of the repetitions. CPU seconds count the process alone; other programs on"
    yield "the machine disturb them less than seconds of the clock. Both have run before: adapters are in"
    yield "memory, and ours that were asked for 2,000 tokens have weights of their own for long prompts."
    yield ""
    yield from table(HEADS, rows(figures))
    yield ""
    yield f"![Tokens a CPU second by load and program]({PLOT})"
    yield ""
    yield from (f"- {remark}" for remark in remarks(figures))
    if many is not None:
        yield f"- {many_remark(many)}"


def write_plot(figures: ServeFigures, path: Path) -> None:
    """Tokens a CPU second of every program, by load."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(9, 3.4), dpi=120, layout="constrained")
    axes = canvas.subplots()
    systems = list(figures.groups[0].found)
    colours = dict(zip(systems, ("#1f6feb", "#8b949e", "#c9a227"), strict=False))
    for number, system in enumerate(systems):
        for at, group in enumerate(figures.groups):
            if system not in group.found:
                continue
            one = Spread.of(group.speed(system))
            spread = [[one.median - one.low], [one.high - one.median]]
            label = system if at == 0 else None
            axes.bar(
                at + 0.27 * (number - 1), one.median, 0.25, yerr=spread, capsize=3, color=colours[system],
                label=label,
            )  # fmt: skip
    axes.set_xticks(range(len(figures.groups)), [group.name for group in figures.groups])
    axes.set_ylabel("tokens a CPU second")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8)
    save_plot(canvas, path)
