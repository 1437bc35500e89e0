"""Messages that ask much the same, by density: the one with most others near it takes them first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from senmon.dataset.likeness import overlap, words_of
from senmon.embedding import Encoder

Similarities = NDArray[np.float32]
#: Without an encoder: words in common, so fewer messages can be compared.
MOST, MOST_BY_WORDS = 3000, 800
#: Words in common from which two messages ask the same.
SAME_WORDS = 0.4


def similarities(texts: Sequence[str], others: Sequence[str], encoder: Encoder | None) -> Similarities:
    """[texts, others]: cosines of sentence vectors, or the share of words in common without an encoder."""
    if not texts or not others:
        return np.zeros((len(texts), len(others)), dtype=np.float32)
    if encoder is not None:
        vectors = encoder.encode([*texts, *others])
        return np.asarray(vectors[: len(texts)] @ vectors[len(texts) :].T, dtype=np.float32)
    left, right = [words_of(text) for text in texts], [words_of(text) for text in others]
    return np.array([[overlap(one, other) for other in right] for one in left], dtype=np.float32)


def clusters(near: Similarities, threshold: float) -> tuple[tuple[int, ...], ...]:
    """Groups of places of a square matrix, the largest first; within a group the middle one comes first.

    Every member is at least `threshold` from its middle, so that no chain joins what has nothing in common.
    """
    close = near >= threshold
    np.fill_diagonal(close, True)
    free = np.ones(len(near), dtype=bool)
    found = []
    while free.any():
        counts = np.where(free, (close & free[None, :]).sum(axis=1), -1)
        middle = int(counts.argmax())
        members = np.flatnonzero(close[middle] & free)
        ordered = sorted(members.tolist(), key=lambda at: (at != middle, -float(near[middle, at]), at))
        found.append(tuple(ordered))
        free[members] = False
    return tuple(sorted(found, key=lambda group: -len(group)))
