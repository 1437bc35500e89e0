"""The section of `senmon bench overhead`."""

from __future__ import annotations

from collections.abc import Iterator

from senmon.bench.overhead import OverheadFigures
from senmon.bench.page import table


def rows(figures: OverheadFigures) -> list[list[str]]:
    return [
        ["CPU ms of the server a turn", figures.all.text()],
        ["of these the sentence encoder", figures.embedding.text()],
        ["the rest: HTTP, routing, retrieval, checks, storage", figures.rest.text()],
        ["ms from message to end of the answer, median", figures.latency.text(0)],
        ["s from start to the first answer, router fitted before", figures.starts.text()],
        ["CPU s of a start", figures.start_cpu.text()],
    ]


def lines(figures: OverheadFigures) -> Iterator[str]:
    yield "## Around the engine"
    yield ""
    yield f"`senmon bench overhead`. {figures.conversations} conversations at once, {figures.turns} turns"
    yield "each, through the real server with the scripted engine, in a process of its own; median and range."
    yield ""
    yield from table(("", "measured"), rows(figures))
