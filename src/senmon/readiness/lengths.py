"""How long the examples are in tokens, and which are longer than can be learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from senmon.dataset.example import Dataset, Example
from senmon.messages import Message
from senmon.readiness.findings import Finding, finding
from senmon.rendering import Renderer, call_text

#: Examples whose tokens are counted; beyond, evenly spread ones and all that might be too long.
MOST_COUNTED = 8000
#: A token of text is at least one byte; a turn's frame is at most so many tokens.
FRAME = 12
BINS = 24


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of examples, the pack's prompt included. `bins` are edges, one more than `counts`."""

    limit: int
    prefix: int
    counted: int
    median: int
    p95: int
    longest: int
    too_long: int
    bins: tuple[int, ...]
    counts: tuple[int, ...]


def measure_lengths(
    prefix: Message, dataset: Dataset, renderer: Renderer, limit: int
) -> tuple[Lengths, tuple[Finding, ...]]:
    counter = _Counter(renderer)
    start = counter.turn(prefix)
    step = max(1, -(-len(dataset) // MOST_COUNTED))
    sizes, found = [], []
    for at, example in enumerate(dataset.examples):
        suspicious = start + _most_tokens(example) > limit
        if at % step and not suspicious:
            continue
        size = start + sum(map(counter.turn, example.messages))
        if not at % step:
            sizes.append(size)
        if size > limit:
            found.append(_too_long(example, size, limit))
    return _summary(sizes, limit, start, len(found)), tuple(found)


def _most_tokens(example: Example) -> int:
    return sum(len(_text(message).encode("utf-8", "replace")) + FRAME for message in example.messages)


def _text(message: Message) -> str:
    return message.content + "".join(map(call_text, message.tool_calls))


class _Counter:
    """Tokens of turns; the same text (a passage) is counted once."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._known: dict[tuple[str, str], int] = {}

    def turn(self, message: Message) -> int:
        key = (message.role, _text(message))
        if key not in self._known:
            if len(self._known) > 50_000:
                self._known.clear()
            self._known[key] = len(self._renderer.turn(message).ids)
        return self._known[key]


def _too_long(example: Example, size: int, limit: int) -> Finding:
    what = f"{size} tokens with the prompt, the limit is {limit}: “{example.request}”"
    return finding("too_long", "error", [example.source], what, "shorten it, or raise recipe.max_tokens")


def _summary(sizes: Sequence[int], limit: int, prefix: int, too_long: int) -> Lengths:
    values = np.array(sizes or [0])
    counts, edges = np.histogram(values, bins=BINS)
    return Lengths(
        limit=limit,
        prefix=prefix,
        counted=len(sizes),
        median=int(np.median(values)),
        p95=int(np.quantile(values, 0.95)),
        longest=int(values.max()),
        too_long=too_long,
        bins=tuple(round(float(edge)) for edge in edges),
        counts=tuple(int(count) for count in counts),
    )
