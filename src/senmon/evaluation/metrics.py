"""Figures with their uncertainty: Wilson intervals for rates, bootstrap ones for means and differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from senmon.wilson import wilson

#: Two-sided 95 %.
LEVEL = 0.95
DRAWS = 4000
_BLOCK = 2_000_000


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure and its 95 % interval over `n` measured cases."""

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        return {
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "n": self.n,
        }


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return round(value, 6) if math.isfinite(value) else None


def rate(hits: int, n: int) -> Metric:
    """A share with Wilson's score interval (Wilson 1927). Raises ValueError for n = 0."""
    if n <= 0:
        raise ValueError("a rate needs at least one case")
    return Metric(hits / n, *wilson(hits, n), n)


def mean(values: Sequence[float], *, weights: Sequence[float] | None = None, seed: int = 0) -> Metric:
    """A (weighted) mean with its percentile bootstrap interval (Efron 1979); repeatable by `seed`.

    A single value has no spread to learn from: its interval is infinite. Raises ValueError without values
    or with a total weight of 0.
    """
    data = np.asarray(values, dtype=np.float64)
    heavy = np.ones_like(data) if weights is None else np.asarray(weights, dtype=np.float64)
    if data.ndim != 1 or data.shape != heavy.shape or not data.size or heavy.sum() <= 0:
        raise ValueError("a mean needs values, each with a weight, and a positive total weight")
    value = float((data * heavy).sum() / heavy.sum())
    if data.size == 1:
        return Metric(value, -math.inf, math.inf, 1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(_resampled(data, heavy, seed), (tail, 1 - tail))
    return Metric(value, float(low), float(high), int(data.size))


def _resampled(data: np.ndarray, weights: np.ndarray, seed: int) -> np.ndarray:
    """`DRAWS` weighted means of samples with replacement, in blocks that bound memory."""
    numbers = np.random.default_rng(seed)
    rows = max(1, min(DRAWS, _BLOCK // data.size))
    means: list[np.ndarray] = []
    done = 0
    while done < DRAWS:
        chosen = numbers.integers(0, data.size, size=(min(rows, DRAWS - done), data.size))
        total = weights[chosen].sum(axis=1)
        sums = (data * weights)[chosen].sum(axis=1)
        means.append(np.where(total > 0, sums / np.maximum(total, 1e-12), 0.0))
        done += chosen.shape[0]
    return np.concatenate(means)


def paired_difference(
    values: Sequence[float],
    against: Sequence[float],
    *,
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Metric:
    """Mean of `values − against` on the same cases, with its paired bootstrap interval."""
    if len(values) != len(against):
        raise ValueError("paired values must belong to the same cases")
    differences = [value - other for value, other in zip(values, against, strict=True)]
    return mean(differences, weights=weights, seed=seed)


def summary(values: Sequence[float], *, binary: bool) -> Metric:
    """A rate for 0/1 scores, else a mean."""
    return rate(round(sum(values)), len(values)) if binary else mean(values)


def chrf(candidate: str, reference: str, *, order: int = 6, beta: float = 2.0) -> float:
    """Character n-gram F-score of two texts, 0 to 1 (Popović 2015, chrF2), white space left out."""
    left, right = "".join(candidate.split()), "".join(reference.split())
    if not left or not right:
        return float(left == right)
    precisions, recalls = [], []
    for size in range(1, order + 1):
        have, want = _grams(left, size), _grams(right, size)
        if not want or not have:
            break
        common = sum(min(count, want.get(gram, 0)) for gram, count in have.items())
        precisions.append(common / sum(have.values()))
        recalls.append(common / sum(want.values()))
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    bottom = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / bottom if bottom else 0.0


def _grams(text: str, size: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for start in range(len(text) - size + 1):
        gram = text[start : start + size]
        counts[gram] = counts.get(gram, 0) + 1
    return counts
