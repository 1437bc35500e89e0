"""How much of the training split fits the time that the recipe gives."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from senmon.packs.manifest import RecipeSpec
from senmon.tuning.batches import Step, cost, epoch_steps, pack
from senmon.tuning.rows import Row

#: `auto` on a CPU: planned for, and never exceeded, in seconds of wall clock.
AUTO_SECONDS, AUTO_LIMIT = 300.0, 360.0
#: Share of the time that evaluations may take.
EVALUATION_SHARE = 0.15
#: A forward pass costs about so much of a training pass.
FORWARD_SHARE = 0.4
#: Kept for loading, rounding, plots and files.
RESERVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to plan for and never to exceed."""

    aim: float
    limit: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does: which rows, how often, on how many threads (0: as it finds them), in bf16 or not.

    Stored in the checkpoint, so a resumed run keeps it: other threads or arithmetic would give other bits.
    """

    rows: tuple[int, ...]
    valid: tuple[int, ...]
    epochs: float
    steps: int
    note: str
    tokens_per_second: float = 0.0
    threads: int = 0
    half: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Plan:
        return cls(**{**data, "rows": tuple(data["rows"]), "valid": tuple(data["valid"])})


def limits(budget: str, device: str) -> Limits | None:
    """None: everything. `10m` plans for 85 % of ten minutes."""
    if budget == "full" or (budget == "auto" and device != "cpu"):
        return None
    if budget == "auto":
        return Limits(AUTO_SECONDS, AUTO_LIMIT)
    seconds = 60.0 * int(budget.removesuffix("m"))
    return Limits(0.85 * seconds, seconds)


def even_sample(rows: Sequence[Row], count: int, seed: int) -> tuple[int, ...]:
    """`count` rows, as evenly over intents as their sizes allow: small intents are taken whole first."""
    if count >= len(rows):
        return tuple(range(len(rows)))
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.intent].append(index)
    shuffle = random.Random(f"{seed}/sample")
    for group in groups.values():
        shuffle.shuffle(group)
    chosen: list[int] = []
    waiting = sorted(groups.values(), key=len)
    while waiting:
        share = (count - len(chosen)) // len(waiting)
        chosen += waiting.pop(0)[:share]
    return tuple(sorted(chosen))


def run_steps(rows: Sequence[Row], plan_rows: Sequence[int], recipe: RecipeSpec, epochs: float) -> list[Step]:
    """The optimiser steps of a run; the last epoch may be a part."""
    steps: list[Step] = []
    for epoch in range(int(epochs)):
        steps += epoch_steps(rows, plan_rows, recipe, epoch)
    part = epochs - int(epochs)
    if part > 0:
        last = epoch_steps(rows, plan_rows, recipe, int(epochs))
        steps += last[: max(1, round(part * len(last)))]
    return steps


def plan_everything(rows: Sequence[Row], valid: Sequence[Row], recipe: RecipeSpec) -> Plan:
    chosen = tuple(range(len(rows)))
    steps = len(run_steps(rows, chosen, recipe, recipe.epochs))
    note = f"all {len(rows)} examples, {recipe.epochs:g} epochs"
    return Plan(chosen, tuple(range(len(valid))), recipe.epochs, steps, note)


def plan_within(
    rows: Sequence[Row], valid: Sequence[Row], recipe: RecipeSpec, *, seconds: float, speed: float
) -> Plan:
    """What fits `seconds` at `speed` tokens a second (as `cost` counts them), evaluations included.

    Whole epochs are given up before examples are; below one epoch the split is sampled evenly over intents.
    """
    seconds = max(1.0, seconds - RESERVE_SECONDS)
    held = _valid_sample(valid, recipe, EVALUATION_SHARE * seconds * speed)
    spent = _evaluation_cost(valid, held, recipe) / speed
    tokens = max(0.0, seconds - spent) * speed
    one_epoch = _epoch_cost(rows, tuple(range(len(rows))), recipe)
    epochs = min(recipe.epochs, tokens / one_epoch)
    chosen = tuple(range(len(rows)))
    if epochs < 1:
        chosen = even_sample(rows, max(1, int(len(rows) * epochs)), recipe.seed)
        epochs = min(1.0, recipe.epochs)
    steps = len(run_steps(rows, chosen, recipe, epochs))
    note = f"{len(chosen)} of {len(rows)} examples, {epochs:.3g} epochs"
    if len(chosen) == len(rows) and epochs == recipe.epochs:
        note = f"all {len(rows)} examples, {epochs:g} epochs"
    note += f" (planned for {seconds:.0f} s at {speed:.0f} tokens/s)"
    return Plan(chosen, held, epochs, steps, note, speed)


def _epoch_cost(rows: Sequence[Row], chosen: Sequence[int], recipe: RecipeSpec) -> int:
    return sum(cost(rows, batch) for step in epoch_steps(rows, chosen, recipe, 0) for batch in step)


def _evaluation_cost(valid: Sequence[Row], held: Sequence[int], recipe: RecipeSpec) -> float:
    batches = pack(valid, held, tokens=recipe.micro_batch_tokens, supervised=1 << 60)
    # The base, the evaluations of the run and the rounded weights at the end.
    return (recipe.evaluations + 2) * FORWARD_SHARE * sum(cost(valid, batch) for batch in batches)


def _valid_sample(valid: Sequence[Row], recipe: RecipeSpec, tokens: float) -> tuple[int, ...]:
    whole = _evaluation_cost(valid, range(len(valid)), recipe)
    count = len(valid) if whole <= tokens else max(1, int(len(valid) * tokens / whole))
    return even_sample(valid, count, recipe.seed) if valid else ()
