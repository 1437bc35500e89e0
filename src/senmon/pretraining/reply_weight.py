"""How much each token of a conversation counts in the loss: replies whole, what they answer less.

In made-up conversations names, ids and questions are drawn at random: nobody can foretell them, and their
noise drowns what is to be learnt, the replies. Prose counts whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class ReplyWeight:
    """`opened`: the tokens that open an assistant's turn. `stops`: those that end it.

    `rest`: the weight of all in a conversation but replies, in 0..1.
    """

    opened: tuple[int, ...]
    stops: frozenset[int]
    rest: float

    def of(self, piece: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Weights of the targets `piece[1:]`: float32 [len(piece) - 1]. A reply's end is a part of it."""
        ids = piece.astype(np.int64)
        turns = np.flatnonzero(ids == self.opened[0])
        if not len(turns):
            return np.ones(len(ids) - 1, dtype=np.float32)
        weights = np.full(len(ids), self.rest, dtype=np.float32)
        ends = np.append(np.flatnonzero(np.isin(ids, list(self.stops))), len(ids) - 1)
        for start in turns:
            first = start + len(self.opened)
            if tuple(ids[start:first]) == self.opened:
                weights[first : ends[np.searchsorted(ends, first)] + 1 if first < len(ids) else first] = 1.0
        return weights[1:]
