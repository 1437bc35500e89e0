"""A message's intent, of all packs' and *none*: a linear softmax head and a kernel regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.routing.descent import TOGETHER, Rows, descend
from senmon.routing.features import TFIDF_WEIGHT, TFIDF_WEIGHT_ALONE, Floats, Row
from senmon.routing.kernel import Kernel
from senmon.routing.layers import Layers

#: *none* weighs at most this share of all examples: packs of a few dozen would drown in it.
NONE_SHARE = 0.5
#: The linear head's part of the logits; the kernel has the rest.
LINEAR = 0.5
#: The kernel's logits are its values times (this + ln classes): a value of 1 means 95 %, whatever the number.
CERTAIN = 3.0


@dataclass(frozen=True)
class Classifier:
    """`dense` [classes, features] for sentence vectors (none without an encoder), `sparse` [terms, classes],
    `bias`. `kernel` is None without an encoder and with more classes than one step of the fit compares;
    where there is one, it alone sees the words, and `sparse` has no rows."""

    dense: Floats
    sparse: Floats
    bias: Floats
    layers: Layers
    kernel: Kernel | None = None

    @classmethod
    def fit(
        cls,
        vectors: Floats,
        tfidf: Any,
        labels: NDArray[np.int64],
        owners: Sequence[int],
        layers: Layers,
        emphasis: Floats | None = None,
    ) -> Classifier:
        """Learn from rows of `vectors` [n, width] and `tfidf` (CSR [n, terms]); `labels` index the classes,
        `owners[class]` is its pack (−1: *none*), `emphasis` [n] multiplies a row's weight."""
        emphasised = 1.0 if emphasis is None else emphasis
        weights = (_weights(labels) * emphasised).astype(np.float32)
        if not by_kernel(len(owners), vectors.shape[1]):
            weight = TFIDF_WEIGHT if vectors.shape[1] else TFIDF_WEIGHT_ALONE
            rows = Rows(vectors[:, : layers.dim], weight * tfidf, labels, weights)
            dense, sparse, bias = descend(rows, np.asarray(owners))
            return cls(dense.T.copy(), weight * sparse, bias, layers)
        features = layers.features(vectors)
        rows = Rows(features, np.zeros((len(labels), 0), np.float32), labels, weights)
        dense, sparse, bias = descend(rows, np.asarray(owners))
        kernel = Kernel.fit(layers.coordinates(features), tfidf, labels, weights, len(owners))
        return cls(dense.T.copy(), sparse, bias, layers, kernel)

    def probabilities(self, vectors: Floats, tfidf: Any) -> Floats:
        """[n, classes] for rows of sentence vectors and a CSR matrix."""
        if self.kernel is None:
            seen = vectors[:, : self.dense.shape[1]]
            return softmax(seen @ self.dense.T + tfidf @ self.sparse + self.bias)
        features = self.layers.features(vectors)
        values = self.kernel.values(self.layers.coordinates(features), tfidf)
        return self._mixed(features @ self.dense.T + self.bias, values)

    def probability(self, vector: Floats, row: Row) -> Floats:
        """[classes] for one text, faster."""
        if self.kernel is None:
            columns, weights = row
            seen = vector[: self.dense.shape[1]]
            return softmax(self.dense @ seen + weights @ self.sparse[columns] + self.bias)
        features = self.layers.features(vector)
        values = self.kernel.value(self.layers.coordinates(features), row)
        return self._mixed(self.dense @ features + self.bias, values)

    def _mixed(self, linear: Floats, values: Floats) -> Floats:
        scale = CERTAIN + float(np.log(len(self.bias)))
        return softmax(LINEAR * linear + (1 - LINEAR) * scale * values)


def by_kernel(classes: int, width: int) -> bool:
    """Whether a kernel regression takes part; it sees words without their letters."""
    return bool(width) and classes <= TOGETHER


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
