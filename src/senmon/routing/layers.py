"""What the classifiers see of sentence vectors: the last layer's as they are, lower layers' less their mean.

Hidden states of one layer share a large common part; without it cosines spread over their whole range.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from senmon.routing.features import Floats

#: How much of the squared distance between two texts each layer decides, the last one first.
SHARES = (0.8, 0.4, 0.4)
#: Distances are measured along this many directions, those of the greatest spread (97 % of it for 1,152).
DIRECTIONS = 384


@dataclass(frozen=True)
class Layers:
    """`dim`: length of one layer's vector; `centre` [width], 0 for the last layer; `directions` [width, d]
    lead to coordinates whose squared distances the kernel takes."""

    dim: int
    centre: Floats
    directions: Floats

    @classmethod
    def learn(cls, vectors: Floats, dim: int) -> Layers:
        """From the examples' vectors [n, width]. Deterministic up to the sign of a direction."""
        width = vectors.shape[1]
        if not len(vectors) or not width:
            return cls(dim, np.zeros(width, np.float32), np.zeros((width, 0), np.float32))
        centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        centre[:dim] = 0
        plain = cls(dim, centre, np.zeros((width, 0), np.float32))
        shares = np.sqrt(np.repeat(np.asarray(SHARES[: width // dim], np.float32), dim))
        rows = plain.features(vectors) * shares
        rows = rows - rows.mean(axis=0)
        _, directions = np.linalg.eigh(rows.T @ rows)
        return cls(dim, centre, np.ascontiguousarray(shares[:, None] * directions[:, -DIRECTIONS:]))

    def features(self, vectors: Floats) -> Floats:
        """[..., width] → [..., width], each layer's part of length 1 (or 0)."""
        centred = (vectors - self.centre).reshape(*vectors.shape[:-1], self._count, max(self.dim, 1))
        lengths = np.linalg.norm(centred, axis=-1, keepdims=True)
        unit: Floats = (centred / np.maximum(lengths, 1e-9)).reshape(vectors.shape).astype(np.float32)
        return unit

    def coordinates(self, features: Floats) -> Floats:
        """[..., width] of `features` → [..., d]."""
        return features @ self.directions

    @cached_property
    def _count(self) -> int:
        return len(self.centre) // max(self.dim, 1)
