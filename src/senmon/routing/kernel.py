"""Kernel ridge regression on sentence vectors: f(x) = Σᵢ exp(−|x − xᵢ|²/2) · wᵢ, one column of w per class.

It knows an intent by its nearest examples where a linear head draws one plane, and is better with few of
them. Above `PART` examples several regressions, each on a part of the examples of every class, are averaged
(Zhang, Duchi & Wainwright, *Divide and conquer kernel ridge regression*, JMLR 16, 2015): time grows with the
number of examples and memory not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from senmon.routing.features import Floats

RIDGE = 0.1
#: Examples that one regression solves for (64 MB).
PART = 4000


@dataclass(frozen=True)
class Kernel:
    """`points` [n, d] of the examples (exact in half precision, so that they may be stored so), `weights`
    [n, classes]."""

    points: Floats
    weights: Floats

    @classmethod
    def fit(cls, points: Floats, labels: NDArray[np.int64], emphasis: Floats, classes: int) -> Kernel:
        """`labels` index the classes; a row with twice the `emphasis` may miss by half as much."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        points = points.astype(np.float16).astype(np.float32)
        weights = np.zeros((len(labels), classes), dtype=np.float32)
        parts = -(-len(labels) // PART)
        turns = _turns(labels, max(parts, 1))
        with threadpool_limits(1, user_api="blas"):
            for number in range(parts):
                rows = np.flatnonzero(turns == number)
                solved = _solve(points[rows], labels[rows], emphasis[rows], classes)
                weights[rows] = solved / parts
        return cls(points, weights)

    def values(self, points: Floats) -> Floats:
        """[..., d] → [..., classes]: about 1 for the class of a near example, 0 far from all."""
        squares = (points * points).sum(axis=-1, keepdims=True) / 2
        near = points @ self.points.T
        near -= self._squares
        near -= squares
        found: Floats = np.exp(near, out=near) @ self.weights
        return found

    @cached_property
    def _squares(self) -> Floats:
        squares: Floats = (self.points * self.points).sum(axis=1) / 2
        return squares


def _turns(labels: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """The part of each row: every class is spread over all parts."""
    order = np.argsort(labels, kind="stable")
    turns = np.empty(len(labels), dtype=np.int64)
    turns[order] = np.arange(len(labels)) % parts
    return turns


def _solve(points: Floats, labels: NDArray[np.int64], emphasis: Floats, classes: int) -> Floats:
    from scipy import linalg

    squares = (points * points).sum(axis=1) / 2
    kernel = points @ points.T
    kernel -= squares
    kernel -= squares[:, None]
    np.exp(kernel, out=kernel)
    kernel[np.diag_indices(len(kernel))] += RIDGE / np.maximum(emphasis, 1e-3)
    wanted = np.zeros((len(labels), classes), dtype=np.float32)
    wanted[np.arange(len(labels)), labels] = 1.0
    # the transpose is the same matrix in the order that LAPACK works on in place
    factor = linalg.cho_factor(kernel.T, lower=True, overwrite_a=True, check_finite=False)
    solved: Floats = linalg.cho_solve(factor, wanted, check_finite=False).astype(np.float32)
    return solved
