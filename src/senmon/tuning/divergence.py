"""Notices that a tuning run has gone wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

from senmon.errors import TuningDiverged

FACTOR = 3.0
#: Below this loss (nats a token) three times the best is noise, not divergence.
FLOOR = 1.0
PATIENCE = 20
REMEDY = (
    "lower recipe.learning_rate (a third is a good try), or lower recipe.clip; the last good checkpoint stays"
)


def require_finite(step: int, *values: float) -> None:
    if not all(map(math.isfinite, values)):
        shown = ", ".join(f"{value:g}" for value in values)
        raise TuningDiverged(f"step {step}: loss or gradient norm is not finite ({shown})", remedy=REMEDY)


@dataclass(slots=True)
class Divergence:
    """Watches losses. `best` is the least step loss so far, `bad` counts steps in a row far above it."""

    best: float = math.inf
    bad: int = 0

    def watch(self, step: int, loss: float, norm: float) -> None:
        """Raises TuningDiverged: a loss or gradient that isn't finite, or 20 steps far above the best."""
        require_finite(step, loss, norm)
        self.bad = self.bad + 1 if loss > max(FACTOR * self.best, FLOOR) else 0
        self.best = min(self.best, loss)
        if self.bad >= PATIENCE:
            raise TuningDiverged(
                f"step {step}: the loss ({loss:.3g}) has been over {FACTOR:g} times its best "
                f"({self.best:.3g}) for {PATIENCE} steps",
                remedy=REMEDY,
            )
