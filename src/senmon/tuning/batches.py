"""Rows → micro-batches → optimiser steps, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from senmon.packs.manifest import RecipeSpec
from senmon.rendering import IGNORED
from senmon.tuning.rows import Row

#: Rows of so many steps are sorted by length together: little padding, yet mixed batches.
WINDOW_STEPS = 16

Indices = tuple[int, ...]
Step = tuple[Indices, ...]


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rows with one shared prefix, as int64 tensors.

    `prefix` [P]; `suffix` [R, T], right-padded; `position` [S] indexes the R·T hidden states that predict
    `target` [S]; `row` [S] is the row of each target.
    """

    prefix: Tensor
    suffix: Tensor
    position: Tensor
    target: Tensor
    row: Tensor

    def to(self, device: torch.device | str) -> MicroBatch:
        return MicroBatch(
            *(t.to(device) for t in (self.prefix, self.suffix, self.position, self.target, self.row))
        )


def collate(rows: Sequence[Row], pad_id: int) -> MicroBatch:
    """One micro-batch. All rows must share their prefix; every supervised label becomes one target."""
    shared, width = rows[0].shared, max(row.suffix for row in rows)
    suffix = torch.full((len(rows), width), pad_id, dtype=torch.long)
    places: list[tuple[int, int, int]] = []
    for index, row in enumerate(rows):
        if row.shared != shared:
            raise ValueError("rows of a micro-batch must share their prefix")
        suffix[index, : row.suffix] = torch.tensor(row.ids[row.cut :])
        places += [
            (index * width + at - row.cut - 1, label, index)
            for at, label in enumerate(row.labels)
            if label != IGNORED and at > row.cut
        ]
    if len(places) != sum(row.supervised for row in rows):
        raise ValueError("a supervised label lies in the shared prefix or just behind it")
    position, target, owner = torch.tensor(places, dtype=torch.long).T
    return MicroBatch(torch.tensor(shared, dtype=torch.long), suffix, position, target, owner)


def pack(rows: Sequence[Row], order: Sequence[int], *, tokens: int, supervised: int) -> Iterator[Indices]:
    """Micro-batches over `order`, sorted by prefix and length. At most `tokens` suffix tokens each, padding
    included, and about `supervised` supervised tokens; one row at least."""
    chosen: list[int] = []
    learnt = 0
    for index in sorted(order, key=lambda i: (rows[i].group, rows[i].suffix)):
        row = rows[index]
        wide = (len(chosen) + 1) * row.suffix > tokens
        if chosen and (wide or learnt >= supervised or rows[chosen[0]].group != row.group):
            yield tuple(chosen)
            chosen, learnt = [], 0
        chosen.append(index)
        learnt += row.supervised
    if chosen:
        yield tuple(chosen)


def epoch_steps(rows: Sequence[Row], chosen: Sequence[int], recipe: RecipeSpec, epoch: int) -> list[Step]:
    """The optimiser steps of one epoch over the rows `chosen`, shuffled by the recipe's seed."""
    shuffle = random.Random(f"{recipe.seed}/{epoch}")
    order = list(chosen)
    shuffle.shuffle(order)
    mean = max(1.0, sum(rows[i].supervised for i in order) / len(order))
    window = max(1, round(WINDOW_STEPS * recipe.step_tokens / mean))
    batches = [
        batch
        for start in range(0, len(order), window)
        for batch in pack(
            rows,
            order[start : start + window],
            tokens=recipe.micro_batch_tokens,
            supervised=recipe.step_tokens,
        )
    ]
    shuffle.shuffle(batches)
    return _group(rows, batches, recipe.step_tokens)


def _group(rows: Sequence[Row], batches: Sequence[Indices], step_tokens: int) -> list[Step]:
    steps: list[Step] = []
    current: list[Indices] = []
    learnt = 0
    for batch in batches:
        current.append(batch)
        learnt += supervised_tokens(rows, batch)
        if learnt >= step_tokens:
            steps.append(tuple(current))
            current, learnt = [], 0
    if current and steps and learnt < step_tokens / 2:
        # A small remainder would make a noisy step of its own.
        steps[-1] += tuple(current)
    elif current:
        steps.append(tuple(current))
    return steps


def supervised_tokens(rows: Sequence[Row], batch: Indices) -> int:
    return sum(rows[i].supervised for i in batch)


def cost(rows: Sequence[Row], batch: Indices) -> int:
    """Tokens that a micro-batch runs: its prefix once, its suffixes padded."""
    return rows[batch[0]].cut + len(batch) * max(rows[i].suffix for i in batch)
