"""A message's intent, of all packs' and *none*: a linear softmax head and a kernel regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.routing.descent import TOGETHER, Rows, descend
from senmon.routing.features import TFIDF_WEIGHT, TFIDF_WEIGHT_ALONE, Floats
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
    `bias`. `kernel` is None without an encoder and with more classes than one step of the fit compares."""

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
        weight = TFIDF_WEIGHT if vectors.shape[1] else TFIDF_WEIGHT_ALONE
        emphasised = 1.0 if emphasis is None else emphasis
        weights = (_weights(labels) * emphasised).astype(np.float32)
        few = len(owners) <= TOGETHER
        features = layers.features(vectors) if few else vectors[:, : layers.dim]
        dense, sparse, bias = descend(Rows(features, weight * tfidf, labels, weights), np.asarray(owners))
        kernel = None
        if few and vectors.shape[1]:
            kernel = Kernel.fit(layers.coordinates(features), labels, weights, len(owners))
        return cls(dense.T.copy(), weight * sparse, bias, layers, kernel)

    def probabilities(self, vectors: Floats, tfidf: Any) -> Floats:
        """[n, classes] for rows of sentence vectors and a CSR matrix."""
        features = self._features(vectors)
        return self._mixed(features, features @ self.dense.T + tfidf @ self.sparse + self.bias)

    def probability(self, vector: Floats, row: tuple[NDArray[np.int32], Floats]) -> Floats:
        """[classes] for one text, without scipy."""
        columns, weights = row
        features = self._features(vector)
        return self._mixed(features, self.dense @ features + weights @ self.sparse[columns] + self.bias)

    def _features(self, vectors: Floats) -> Floats:
        if self.kernel is None:
            return vectors[..., : self.dense.shape[1]]
        return self.layers.features(vectors)

    def _mixed(self, features: Floats, linear: Floats) -> Floats:
        if self.kernel is None:
            return softmax(linear)
        scale = CERTAIN + float(np.log(len(self.bias)))
        values = self.kernel.values(self.layers.coordinates(features))
        return softmax(LINEAR * linear + (1 - LINEAR) * scale * values)


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
