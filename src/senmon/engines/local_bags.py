"""Weighted sums of rows of a table, many at once: the kernel of embedding bags, for what is read once.

On a processor a product of one row with a matrix that differs from row to row (attention over a slot's keys
and values, a row's own LoRA) is bound by reading. A batched product packs what it reads; a bag does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SUM = 0


@dataclass(frozen=True, slots=True)
class Bags:
    """Bag i sums the rows `index[offsets[i]:offsets[i + 1]]` of a table; an empty bag is zeros."""

    index: Tensor
    offsets: Tensor

    @classmethod
    def spans(cls, starts: Sequence[int], size: int) -> Bags:
        """One bag of `size` rows in a row for each of `starts`."""
        first = torch.tensor(starts, dtype=torch.int32)
        return cls(
            (first[:, None] + torch.arange(size, dtype=torch.int32)).flatten(),
            torch.arange(0, len(starts) * size, size, dtype=torch.int32) if size else torch.zeros_like(first),
        )

    def sums(self, table: Tensor, weights: Tensor) -> Tensor:
        """`weights[j]` times row `index[j]`, summed by bag: [bags, columns]."""
        found: Tensor = torch.embedding_bag(
            table, self.index, self.offsets, False, _SUM, False, weights, False
        )[0]
        return found
