"""Softmax regression over the intents of all packs, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.routing.descent import Rows, descend
from senmon.routing.features import TFIDF_WEIGHT, TFIDF_WEIGHT_ALONE, Floats

#: *none* weighs at most this share of all examples: packs of a few dozen would drown in it.
NONE_SHARE = 0.5


@dataclass(frozen=True)
class Classifier:
    """`dense` [classes, dim] for sentence vectors (dim 0: no encoder), `sparse` [terms, classes], `bias`."""

    dense: Floats
    sparse: Floats
    bias: Floats

    @classmethod
    def fit(
        cls,
        vectors: Floats,
        tfidf: Any,
        labels: NDArray[np.int64],
        owners: Sequence[int],
        emphasis: Floats | None = None,
    ) -> Classifier:
        """Learn from rows of `vectors` [n, dim] and `tfidf` (CSR [n, terms]); `labels` index the classes,
        `owners[class]` is its pack (−1: *none*), `emphasis` [n] multiplies a row's weight."""
        weight = TFIDF_WEIGHT if vectors.shape[1] else TFIDF_WEIGHT_ALONE
        weights = _weights(labels) * (1.0 if emphasis is None else emphasis)
        rows = Rows(vectors, weight * tfidf, labels, weights.astype(np.float32))
        dense, sparse, bias = descend(rows, np.asarray(owners))
        return cls(dense.T.copy(), weight * sparse, bias)

    def probabilities(self, vectors: Floats, tfidf: Any) -> Floats:
        """[n, classes] for rows of sentence vectors and a CSR matrix."""
        return softmax(vectors @ self.dense.T + tfidf @ self.sparse + self.bias)

    def probability(self, vector: Floats, row: tuple[NDArray[np.int32], Floats]) -> Floats:
        """[classes] for one text, without scipy."""
        columns, weights = row
        return softmax(self.dense @ vector + weights @ self.sparse[columns] + self.bias)


def _weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """One for each example; less for *none* (class 0) where it outnumbers the packs' examples."""
    none = labels == 0
    most = NONE_SHARE * float((~none).sum())
    return np.where(none, min(1.0, most / max(float(none.sum()), 1.0)), 1.0)


def pool(probabilities: Floats, owner: Sequence[int] | NDArray[np.int64], packs: int) -> Floats:
    """Sum intents to packs: [n, classes] → [n, packs]. `owner[class]` is its pack, −1 for *none*."""
    sums = np.zeros((packs + 1, len(probabilities)), dtype=np.float32)
    np.add.at(sums, np.asarray(owner, dtype=np.int64), probabilities.T)  # −1 is the last row
    return sums[:packs].T


def softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result
