"""Learning-rate schedules, as functions of progress: nothing to store but the step."""

from __future__ import annotations

import math

from senmon.packs.manifest import RecipeSpec

#: Share of a `wsd` run (arXiv 2404.06395) that decays.
WSD_DECAY = 0.2
FLOOR = 0.1


def learning_rate(recipe: RecipeSpec, step: int, steps: int) -> float:
    """The rate of optimiser step `step` (from 0) of `steps`. Cosine and linear end near zero."""
    warmup = math.ceil(recipe.warmup * steps)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - warmup)
    return recipe.learning_rate * _after_warmup(recipe.schedule, progress)


def _after_warmup(schedule: str, progress: float) -> float:
    match schedule:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        case "linear":
            return 1 - progress
        case "wsd":
            return min(1.0, FLOOR + (1 - FLOOR) * (1 - progress) / WSD_DECAY)
        case _:
            return 1.0
