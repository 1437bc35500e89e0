"""Rows → tensors. A line of a batch holds one piece of a document, or several that do not see each other.

Where a line holds several pieces, position ids begin at 0 with each of them; transformers masks attention
between pieces by that (packed sequences), so the loss is the one of the pieces alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from senmon.pretraining.mixing import padded

Piece = np.ndarray[Any, Any]
Line = Sequence[Piece]
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Tensors:
    """`ids`, `labels`: [lines, width] int64, labels already shifted. `positions`: the same, or None."""

    ids: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor | None


def packed(rows: Sequence[Piece], width: int) -> list[list[Piece]]:
    """Lines of at most `width` input tokens: first fit, longest first. No row is cut."""
    lines: list[list[Piece]] = []
    room: list[int] = []
    open_from = 0
    for row in sorted(rows, key=len, reverse=True):
        need = len(row) - 1
        place = next((at for at in range(open_from, len(lines)) if room[at] >= need), len(lines))
        if place == len(lines):
            lines.append([])
            room.append(width)
        lines[place].append(row)
        room[place] -= need
        while open_from < len(lines) and room[open_from] < 8:
            open_from += 1
    return lines


def packed_batches(
    rows: Sequence[Piece], batch_tokens: int, micro_tokens: int, width: int, rng: np.random.Generator
) -> list[list[list[list[Piece]]]]:
    """Optimiser steps → micro-batches → lines of `width` tokens, in random order."""
    lines = packed(rows, width)
    order = rng.permutation(len(lines))
    per_micro = max(1, micro_tokens // width)
    micros = [
        [lines[place] for place in order[at : at + per_micro]] for at in range(0, len(order), per_micro)
    ]
    per_step = max(1, batch_tokens // (per_micro * width))
    return [micros[at : at + per_step] for at in range(0, len(micros), per_step)]


def tensors(lines: Sequence[Line], fill: int, *, width: int | None = None) -> Tensors:
    """Right-padded inputs and next-token labels. Positions are given when a line holds several pieces."""
    wide = width or padded(max(sum(len(piece) - 1 for piece in line) for line in lines))
    ids = torch.full((len(lines), wide), fill, dtype=torch.long)
    labels = torch.full((len(lines), wide), IGNORED, dtype=torch.long)
    several = any(len(line) > 1 for line in lines)
    positions = torch.zeros((len(lines), wide), dtype=torch.long) if several or width else None
    for index, line in enumerate(lines):
        at = 0
        for piece in line:
            values = torch.from_numpy(piece.astype(np.int64))
            end = at + len(values) - 1
            ids[index, at:end], labels[index, at:end] = values[:-1], values[1:]
            if positions is not None:
                positions[index, at:end] = torch.arange(end - at)
            at = end
        if positions is not None:  # the filling is a piece of its own
            positions[index, at:] = torch.arange(wide - at)
    return Tensors(ids, labels, positions)
