"""The threshold below which a pack does not answer: split-conformal on held-out messages.

Vovk et al., *Algorithmic Learning in a Random World*: of n held-out scores the k-th smallest with
k = ⌊(n + 1)(1 − promise)⌋ keeps at least `promise` of new exchangeable messages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from senmon.routing.features import Floats

PROMISE = 0.95
#: Templated data scores near 1 on itself; people word things differently. No threshold rises above this.
HIGHEST = 0.4
#: Nor does one fall below this, where a pack would have to answer noise to keep the promise.
LOWEST = 0.08
#: With too few held-out messages for a quantile, the threshold is this share of their lowest score.
CAUTION = 0.8


def threshold(scores: Floats, promise: float = PROMISE) -> float | None:
    """The largest threshold that keeps the promise; None when there are too few scores to tell."""
    rank = math.floor((len(scores) + 1) * (1 - promise) + 1e-9)
    if rank < 1:
        return None
    return _bounded(float(np.sort(scores)[rank - 1]))


def thresholds(scores: Sequence[Floats], promises: Sequence[float] = ()) -> tuple[float, ...]:
    """One threshold per pack, `promises` of each (all `PROMISE` if none are given). A tiny pack takes the
    lower of the common one and a cautious one of its own."""
    together = np.concatenate(scores) if scores else np.zeros(0, dtype=np.float32)
    kept = promises or [PROMISE] * len(scores)
    return tuple(
        _one(own, threshold(together, promise), promise) for own, promise in zip(scores, kept, strict=True)
    )


def _bounded(limit: float) -> float:
    return min(max(limit, LOWEST), HIGHEST)


def _one(own: Floats, common: float | None, promise: float) -> float:
    exact = threshold(own, promise)
    if exact is not None:
        return exact
    lowest = _bounded(float(own.min()) * CAUTION) if len(own) else HIGHEST / 2
    return lowest if common is None else min(lowest, common)
