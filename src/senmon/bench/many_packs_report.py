"""What many packs cost, as a section of a page of benchmarks."""

from __future__ import annotations

from collections.abc import Iterator

from senmon.bench.many_packs import ScaleFigures

START, END = "<!-- bench packs: begin -->", "<!-- bench packs: end -->"


def markdown(figures: ScaleFigures) -> str:
    """The section, between its marks."""
    return "\n".join(_lines(figures)) + "\n"


def _lines(one: ScaleFigures) -> Iterator[str]:
    yield START
    yield f"## Router: {one.packs:,} packs"
    yield ""
    each = one.examples // max(one.intents, 1)
    yield f"`senmon bench packs --count {one.packs} --each {each}`. Made-up packs, each for"
    yield "one thing of one maker (`harbour violin`); every message names both, in wordings that all packs"
    yield "share. Seconds are CPU seconds; milliseconds are for one message, encoding included."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| packs, intents, examples | {one.packs:,}, {one.intents:,}, {one.examples:,} |"
    yield f"| encoding what no former run has kept | {one.encode_seconds:,.0f} s |"
    yield f"| fitting and calibrating | {one.fit_seconds:,.0f} s |"
    yield f"| a message by the clock, p50 / p95 | {one.p50:.1f} / {one.p95:.1f} ms |"
    yield f"| processor time of a message, p95 | {one.cpu_p95:.1f} ms |"
    yield f"| unseen messages whose own pack scores highest, of {one.asked} | {one.right:.1%} |"
    if one.right_by_nearest is not None:
        yield f"| the same by the nearest example alone | {one.right_by_nearest:.1%} |"
    yield f"| memory at most | {one.memory_mb:,.0f} MB |"
    yield END
