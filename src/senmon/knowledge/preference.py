"""Which article a question prefers, learnt from the articles' own example questions.

The nearest question alone is a poor judge between neighbours: `can I still call it off` lies near questions
of three articles. A softmax regression over the sentence vectors of all titles and questions weighs them
together. It orders articles; whether one is relevant at all is said by the similarity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from senmon.embedding import Vectors

#: Questions an article must have on average: fewer say less than the similarities do.
LEAST_QUESTIONS = 4
#: Beyond these the fit would take seconds at every start.
MOST_ARTICLES, MOST_QUESTIONS = 300, 10_000
#: Of the L2 penalty, and steps of L-BFGS; 33 were enough for 47 articles.
PENALTY, STEPS = 0.1, 60


class Preference:
    """p(article | question) for the articles 0 … n − 1; immutable."""

    def __init__(self, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        self._weights, self._bias = weights, bias

    @classmethod
    def fit(cls, vectors: Vectors, owners: NDArray[np.int64], count: int) -> Preference | None:
        """Learn from the vectors [n, dim] of titles and questions and the article of each; None where there
        are too few to learn from, or too many."""
        enough = len(vectors) >= (LEAST_QUESTIONS + 1) * count
        if count < 2 or count > MOST_ARTICLES or not enough or len(vectors) > MOST_QUESTIONS:
            return None
        return cls(*_descend(vectors.astype(np.float64), owners, count))

    def shares(self, vector: Vectors) -> NDArray[np.float64]:
        """[count], summing to 1."""
        logits = (self._weights @ vector + self._bias).astype(np.float64)
        shares: NDArray[np.float64] = np.exp(logits - logits.max())
        shares /= shares.sum()
        return shares


def _descend(
    rows: NDArray[np.float64], owners: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Balanced multinomial logistic regression: an article of many questions weighs as one of few."""
    from scipy.optimize import minimize

    n, dim = rows.shape
    balance = n / (count * np.maximum(np.bincount(owners, minlength=count), 1))[owners]
    wanted = np.zeros((n, count))
    wanted[np.arange(n), owners] = 1.0

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = flat[: dim * count].reshape(count, dim), flat[dim * count :]
        logits = rows @ weights.T + bias
        logits -= logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        value = -(balance * (wanted * (logits - log_sum)).sum(axis=1)).sum()
        error = (np.exp(logits - log_sum) - wanted) * balance[:, None]
        gradient = np.concatenate([(error.T @ rows + PENALTY * weights).ravel(), error.sum(axis=0)])
        return value + 0.5 * PENALTY * float((weights**2).sum()), gradient

    found = minimize(
        loss, np.zeros(dim * count + count), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
    )
    weights, bias = found.x[: dim * count].reshape(count, dim), found.x[dim * count :]
    return weights.astype(np.float32), bias.astype(np.float32)
