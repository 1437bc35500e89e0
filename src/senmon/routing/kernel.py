"""Kernel ridge regression on texts: f(x) = Σᵢ k(x, xᵢ) · wᵢ, one column of w per class, with
k(x, y) = exp(−|x − y|²/2 − WORDS · (1 − cosine of the words' TF-IDF)).

It knows an intent by its nearest examples where a linear head draws one plane, and is better with few of
them. Above `PART` examples the regressions are several, each on a part of the examples of every class and
each for what those before it left over: one sweep of block Gauss–Seidel over the whole system (Saad,
*Iterative Methods for Sparse Linear Systems*, ch. 4). Memory does not grow with the number of examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.routing.features import Floats, Row

RIDGE = 0.1
#: How much two texts without a common word are farther apart than their vectors say.
WORDS = 0.5
#: Examples that one regression solves for (64 MB).
PART = 4000
_BLOCK = 1024


@dataclass(frozen=True)
class Kernel:
    """`points` [n, d] of the examples (exact in half precision, so that they may be stored so), `words` their
    TF-IDF (CSR [n, terms], rows of length 1), `weights` [n, classes]."""

    points: Floats
    words: Any
    weights: Floats

    @classmethod
    def fit(
        cls, points: Floats, words: Any, labels: NDArray[np.int64], emphasis: Floats, classes: int
    ) -> Kernel:
        """`labels` index the classes; a row with twice the `emphasis` may miss by half as much."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        points = points.astype(np.float16).astype(np.float32)
        weights = np.zeros((len(labels), classes), dtype=np.float32)
        fitted = cls(points, words, weights)
        turns = _turns(labels, max(-(-len(labels) // PART), 1))
        with threadpool_limits(1, user_api="blas"):
            for number in range(turns.max(initial=-1) + 1):
                rows = np.flatnonzero(turns == number)
                left = np.zeros((len(rows), classes), dtype=np.float32)
                left[np.arange(len(rows)), labels[rows]] = 1.0
                for earlier in range(number):
                    there = np.flatnonzero(turns == earlier)
                    left -= fitted._near(rows, there) @ weights[there]
                weights[rows] = _solve(fitted._near(rows, rows), left, emphasis[rows])
        return fitted

    def values(self, points: Floats, words: Any) -> Floats:
        """[n, d] and CSR [n, terms] → [n, classes]: about 1 for a near example's class, 0 far from all."""
        found = np.zeros((len(points), self.weights.shape[1]), dtype=np.float32)
        for start in range(0, len(points), _BLOCK):
            near = self._vectors_near(points[start : start + _BLOCK])
            near += WORDS * (words[start : start + _BLOCK] @ self.words.T).toarray()
            found[start : start + _BLOCK] = np.exp(near, out=near) @ self.weights
        return found

    def value(self, point: Floats, row: Row) -> Floats:
        """The same for one text: [d] and the columns and weights of its words → [classes]."""
        near = self._vectors_near(point)
        by_word = self._by_word
        for column, weight in zip(*row, strict=True):
            mine = slice(by_word.indptr[column], by_word.indptr[column + 1])
            near[by_word.indices[mine]] += WORDS * weight * by_word.data[mine]
        found: Floats = np.exp(near, out=near) @ self.weights
        return found

    def _near(self, rows: NDArray[np.int64], there: NDArray[np.int64]) -> Floats:
        """k between examples: [rows, there]."""
        near = self.points[rows] @ self.points[there].T
        near -= self._squares[there]
        near -= self._squares[rows][:, None]
        common = (self.words[rows] @ self.words[there].T).toarray()
        common -= 1
        common *= WORDS
        near += common
        found: Floats = np.exp(near, out=near)
        return found

    def _vectors_near(self, points: Floats) -> Floats:
        """ln k, as if no word were common."""
        near = points @ self.points.T
        near -= self._squares
        near -= (points * points).sum(axis=-1, keepdims=True) / 2
        near -= WORDS
        return near

    @cached_property
    def _squares(self) -> Floats:
        squares: Floats = (self.points * self.points).sum(axis=1) / 2
        return squares

    @cached_property
    def _by_word(self) -> Any:
        return self.words.tocsc()


def _turns(labels: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """The part of each row: every class is spread over all parts."""
    order = np.argsort(labels, kind="stable")
    turns = np.empty(len(labels), dtype=np.int64)
    turns[order] = np.arange(len(labels)) % parts
    return turns


def _solve(kernel: Floats, wanted: Floats, emphasis: Floats) -> Floats:
    from scipy import linalg

    kernel[np.diag_indices(len(kernel))] += RIDGE / np.maximum(emphasis, 1e-3)
    # the transpose is the same matrix in the order that LAPACK works on in place
    factor = linalg.cho_factor(kernel.T, lower=True, overwrite_a=True, check_finite=False)
    solved: Floats = linalg.cho_solve(factor, wanted, check_finite=False).astype(np.float32)
    return solved
