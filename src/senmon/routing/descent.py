"""How the classifier's weights are found: mini-batch Adam on the label-smoothed cross-entropy.

Adam: Kingma & Ba, arXiv 1412.6980; label smoothing: Szegedy et al., arXiv 1512.00567. With thousands of
classes a step looks at those of a group of packs only; the groups change with every pass, so that in turn
strangers and near neighbours meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.routing.features import Floats

RATE = 0.05
BATCH = 256
#: Passes over the data: as many as give `STEPS` steps, within these bounds.
STEPS = 240
PASSES = (4, 30)
#: Label smoothing: without it strangers are told apart worse.
SMOOTHING = 0.1
SHRINKAGE = 1e-6
MOMENTS = (0.9, 0.99)
#: Up to here every step compares all classes; above, those of a group of packs of about this size.
TOGETHER = 1200
#: The bias of a class without examples: it never wins.
NEVER = -30.0


@dataclass(frozen=True)
class Rows:
    """Sentence vectors [n, dim], weighted TF-IDF (CSR [n, terms]), classes [n], weights [n]."""

    vectors: Floats
    tfidf: Any
    labels: NDArray[np.int64]
    weights: Floats

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[np.int64]) -> Rows:
        return Rows(self.vectors[chosen], self.tfidf[chosen], self.labels[chosen], self.weights[chosen])


@dataclass
class _Weights:
    """Parameters, classes last, with Adam's two moments of each. `steps` taken so far set the rate."""

    values: list[Floats]
    first: list[Floats]
    second: list[Floats]
    steps: int = 0

    @classmethod
    def zero(cls, dim: int, terms: int, classes: int) -> _Weights:
        shapes = [(dim, classes), (terms, classes), (classes,)]
        values, first, second = ([np.zeros(shape, dtype=np.float32) for shape in shapes] for _ in range(3))
        return cls(values, first, second)

    def part(self, classes: NDArray[np.int64]) -> _Weights:
        values, first, second = (
            [one[..., classes] for one in of] for of in (self.values, self.first, self.second)
        )
        return _Weights(values, first, second, self.steps)

    def put(self, classes: NDArray[np.int64], part: _Weights) -> None:
        for mine, theirs in zip(
            (self.values, self.first, self.second), (part.values, part.first, part.second), strict=True
        ):
            for one, other in zip(mine, theirs, strict=True):
                one[..., classes] = other


@dataclass
class _Plan:
    """How long, and how fast at a step: a half cosine down to nothing."""

    passes: int
    total: int
    done: int = field(default=0)

    def rate(self) -> float:
        self.done += 1
        return RATE * 0.5 * (1 + float(np.cos(np.pi * min(self.done / self.total, 1.0))))


def descend(rows: Rows, owners: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """[dim, classes], [terms, classes], [classes]. The same for the same input, whatever the machine's load.

    `owners[class]` is the pack of a class, −1 for class 0 (*none*), which takes part in every comparison.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    classes, present = len(owners), np.unique(rows.labels)
    weights = _Weights.zero(rows.vectors.shape[1], rows.tfidf.shape[1], classes)
    numbers = np.random.default_rng(0)
    batch = max(8, min(BATCH, len(rows) // 8))
    per_pass = -(-max(len(rows), 1) // batch)
    passes = int(np.clip(-(-STEPS // per_pass), *PASSES))
    plan = _Plan(passes, passes * per_pass)
    with threadpool_limits(1, user_api="blas"):  # small products: threads only wait for each other
        for turn in range(passes if len(present) > 1 else 0):
            for group in _groups(rows, owners, present, turn, numbers):
                _walk(weights, rows, group, plan, batch, numbers)
    dense, sparse, bias = weights.values
    bias[np.setdiff1d(np.arange(classes), present)] = NEVER
    return dense, sparse, bias


def _groups(
    rows: Rows,
    owners: NDArray[np.int64],
    present: NDArray[np.int64],
    turn: int,
    numbers: np.random.Generator,
) -> Iterator[NDArray[np.int64]]:
    """Classes that a pass compares with each other: all, or packs by chance and by likeness in turn."""
    if len(present) <= TOGETHER:
        yield present
        return
    packs = np.unique(owners[present][owners[present] >= 0])
    order = packs[_along(rows, owners, packs, numbers)] if turn % 2 else numbers.permutation(packs)
    place = np.zeros(int(packs.max()) + 1, dtype=np.int64)
    place[order] = np.arange(len(order))
    known = present[owners[present] >= 0]
    known = known[np.argsort(place[owners[known]], kind="stable")]
    none = present[owners[present] < 0]
    for part in np.array_split(known, -(-len(known) // TOGETHER)):
        yield np.sort(np.concatenate([none, part]))


def _along(
    rows: Rows, owners: NDArray[np.int64], packs: NDArray[np.int64], numbers: np.random.Generator
) -> NDArray[np.int64]:
    """Packs in the order of their mean vectors along a direction drawn anew: like ones stand together."""
    features = rows.vectors if rows.vectors.shape[1] else rows.tfidf
    direction = numbers.standard_normal(int(features.shape[1]), dtype=np.float32)
    along, owner = features @ direction, owners[rows.labels]
    mine = owner >= 0
    most = int(owners.max()) + 1
    sums = np.bincount(owner[mine], weights=along[mine], minlength=most)
    counts = np.bincount(owner[mine], minlength=most)
    return np.argsort(sums[packs] / np.maximum(counts[packs], 1), kind="stable")


def _walk(
    weights: _Weights,
    rows: Rows,
    group: NDArray[np.int64],
    plan: _Plan,
    batch: int,
    numbers: np.random.Generator,
) -> None:
    """One pass over the rows of a group's classes."""
    whole = len(group) == weights.values[2].size
    part = weights if whole else weights.part(group)
    mine = np.flatnonzero(np.isin(rows.labels, group))
    numbers.shuffle(mine)
    for start in range(0, len(mine), batch):
        chosen = rows.take(mine[start : start + batch])
        gradients = _gradients(part.values, chosen, np.searchsorted(group, chosen.labels))
        _step(part, gradients, plan.rate())
    if not whole:
        weights.put(group, part)
        weights.steps = part.steps


def _gradients(values: list[Floats], rows: Rows, labels: NDArray[np.int64]) -> list[Floats]:
    dense, sparse, bias = values
    logits = rows.vectors @ dense + rows.tfidf @ sparse + bias
    errors = np.exp(logits - logits.max(axis=1, keepdims=True))
    errors /= errors.sum(axis=1, keepdims=True)
    errors -= SMOOTHING / errors.shape[1]
    errors[np.arange(len(labels)), labels] -= 1 - SMOOTHING
    errors *= (rows.weights / len(labels))[:, None]
    return [rows.vectors.T @ errors, rows.tfidf.T @ errors, errors.sum(axis=0)]


def _step(weights: _Weights, gradients: list[Floats], rate: float) -> None:
    """In place, in the gradients' own memory: most of the fit's time is spent here."""
    weights.steps += 1
    fade, spread = MOMENTS
    pace = rate / (1 - fade**weights.steps)
    scale = 1 / (1 - spread**weights.steps)
    for value, gradient, first, second in zip(
        weights.values, gradients, weights.first, weights.second, strict=True
    ):
        spare = value * SHRINKAGE
        gradient += spare
        np.subtract(gradient, first, out=spare)
        spare *= 1 - fade
        first += spare
        np.multiply(gradient, gradient, out=gradient)
        gradient -= second
        gradient *= 1 - spread
        second += gradient
        np.multiply(second, scale, out=gradient)
        np.sqrt(gradient, out=gradient)
        gradient += 1e-8
        np.divide(first, gradient, out=gradient)
        gradient *= pace
        value -= gradient
