"""Multinomial logistic regression over the intents of all packs, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.routing.features import TFIDF_WEIGHT, TFIDF_WEIGHT_ALONE, Floats

INVERSE_PENALTY = 5.0
MAX_ITERATIONS = 100
TOLERANCE = 2e-4
#: *none* weighs at most this share of all examples: packs of a few dozen would drown in it.
NONE_SHARE = 0.5


@dataclass(frozen=True)
class Classifier:
    """`dense` [classes, dim] for sentence vectors (dim 0: no encoder), `sparse` [classes, terms], `bias`."""

    dense: Floats
    sparse: Floats
    bias: Floats

    @classmethod
    def fit(cls, vectors: Floats, tfidf: Any, labels: NDArray[np.int64], classes: int) -> Classifier:
        """Learn from rows of `vectors` [n, dim] and `tfidf` (CSR [n, terms]); `labels` index the classes."""
        from scipy import sparse
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        weight = TFIDF_WEIGHT if vectors.shape[1] else TFIDF_WEIGHT_ALONE
        rows = sparse.hstack([sparse.csr_matrix(vectors), weight * tfidf]).tocsr().astype(np.float32)
        present = np.unique(labels)
        weights = np.zeros((classes, rows.shape[1]), dtype=np.float32)
        bias = np.full(classes, -30.0, dtype=np.float32)  # a class without examples never wins
        if len(present) == 1:
            bias[present] = 0.0
        else:
            model = LogisticRegression(C=INVERSE_PENALTY, max_iter=MAX_ITERATIONS, tol=TOLERANCE)
            with threadpool_limits(1, user_api="blas"):  # small products: threads only wait for each other
                model.fit(rows, labels, sample_weight=_weights(labels))
            two = len(present) == 2  # scikit-learn keeps one row for two classes
            weights[present[1:] if two else present] = model.coef_
            bias[present] = [0.0, model.intercept_[0]] if two else model.intercept_
        dim = vectors.shape[1]
        return cls(weights[:, :dim].copy(), (weights[:, dim:] * weight).astype(np.float32), bias)

    def probabilities(self, vectors: Floats, tfidf: Any) -> Floats:
        """[n, classes] for rows of sentence vectors and a CSR matrix."""
        return _softmax(vectors @ self.dense.T + tfidf @ self.sparse.T + self.bias)

    def probability(self, vector: Floats, row: tuple[NDArray[np.int32], Floats]) -> Floats:
        """[classes] for one text, without scipy."""
        columns, weights = row
        return _softmax(self.dense @ vector + self.sparse[:, columns] @ weights + self.bias)


def _weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """One for each example; less for *none* (class 0) where it outnumbers the packs' examples."""
    none = labels == 0
    most = NONE_SHARE * float((~none).sum())
    return np.where(none, min(1.0, most / max(float(none.sum()), 1.0)), 1.0)


def pool(probabilities: Floats, owner: Sequence[int], packs: int) -> Floats:
    """Sum intents to packs: [n, classes] → [n, packs]. `owner[class]` is its pack, −1 for *none*."""
    member = np.zeros((len(owner), packs), dtype=np.float32)
    for index, pack in enumerate(owner):
        if pack >= 0:
            member[index, pack] = 1.0
    return probabilities @ member


def _softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result
