"""What more data would bring: the pack tuned on a quarter, a half and all of it, and a power law.

Loss falls with the number of examples as a + b·n^(−c) (Hestness et al. 2017, arXiv 1712.00409). Every run
gets the same number of passes over its share, because each gets time in proportion to its examples. The
interval comes from two sources: other held-out examples (bootstrap) and another run (the smaller shares are
run twice, on different examples).
"""

from __future__ import annotations

import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from senmon.bases.catalog import BaseFiles
from senmon.dataset.example import Dataset, Example
from senmon.errors import ConfigError
from senmon.evaluation.cases import heldout, spread_examples
from senmon.packs.manifest import RecipeSpec
from senmon.packs.pack import Pack

if TYPE_CHECKING:
    from senmon.tuning.tune import Candidate

#: (share of the training examples, number of the run).
RUNS = ((0.25, 0), (0.25, 1), (0.5, 0), (0.5, 1), (1.0, 0))
#: A budget counts whole minutes: below this the runs could not get time in proportion.
LEAST_MINUTES = 10
MOST_HELD_OUT, LEAST_HELD_OUT = 150, 30
#: Measuring may take this share of the minutes; what the plans of the runs leave free.
MEASURING = 0.15
FEWEST_HELD_OUT, FEWEST_TRAINED = 8, 16
DRAWS = 400
#: Asymptotes that are tried, as shares of the lowest loss; exponents stay between these.
_ASYMPTOTES = np.linspace(0.0, 0.95, 39)
_STEEPEST = 1.5
#: Losses of two runs differ by at least this, relatively, whatever two of them happened to say.
LEAST_NOISE = 0.003
#: A curve whose last run saw less than this share of the examples is that of a sample.
ALL_SEEN = 0.8

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One run: how many examples it learnt from, and its loss in nats per supervised token."""

    examples: int
    loss: float
    run: int


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """loss(n) = floor + scale · n^(−slope)."""

    floor: float
    scale: float
    slope: float

    def at(self, examples: float) -> float:
        return self.floor + self.scale * float(examples**-self.slope)


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """`doubled` is the loss expected of twice the examples, `low` and `high` its 95 % interval.

    `base` is the loss without any tuning. `seconds` is what the runs took. `available` are the training
    examples that the pack has; the time was too short for all of them where no run saw so many.
    """

    points: tuple[Point, ...]
    law: PowerLaw
    base: float
    held_out: int
    doubled: float
    low: float
    high: float
    seconds: float
    available: int = 0

    @property
    def now(self) -> float:
        """The loss with all the data, by the curve."""
        return self.law.at(max(point.examples for point in self.points))

    @property
    def gain(self) -> float:
        """The share of the loss that twice the data would take away."""
        return 1 - self.doubled / self.now

    @property
    def meaning(self) -> str:
        """In words."""
        best = max(point.examples for point in self.points)
        said = (
            f"Twice the examples ({2 * best:,} instead of {best:,}) would bring the loss from "
            f"{self.now:.3f} to about "
            f"{self.doubled:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}), {self.gain:.1%} less."
        )
        if best < ALL_SEEN * self.available:
            minutes = LEAST_MINUTES * math.ceil(self.seconds / 60 * self.available / best / LEAST_MINUTES)
            return (
                f"{said} The time was enough for {best:,} of the {self.available:,} training examples, so "
                "this is what tuning on more of them brings. Whether new ones are worth collecting takes "
                f"about --curve-minutes {minutes} on this machine."
            )
        if self.gain < 0.02:
            return f"{said} More of the same hardly helps: collect other kinds of requests instead."
        return f"{said} More data is worth collecting."


#: (number of the run, of how many, what it does)
OnRun = Callable[[int, int, str], None]


def learning_curve(
    pack: Pack,
    dataset: Dataset,
    *,
    base: BaseFiles,
    work: Path,
    minutes: int | None = LEAST_MINUTES,
    device: str | None = None,
    threads: int | None = None,
    on_run: OnRun | None = None,
) -> LearningCurve:
    """Tunes five times in `work`, which is removed afterwards. `minutes` None: every run takes all it needs.

    Minutes count in tens. Raises ConfigError with too few examples; whatever `tune` raises.
    """
    from senmon.tuning.heldout import heldout_losses

    began = time.monotonic()
    train, held = dataset.split("train"), spread_examples(heldout(dataset), limit=MOST_HELD_OUT)
    if len(train) < FEWEST_TRAINED or len(held) < FEWEST_HELD_OUT:
        raise ConfigError(
            f"{len(train)} training and {len(held)} held-out examples make no curve",
            remedy=f"collect {FEWEST_TRAINED} and {FEWEST_HELD_OUT} or more first",
        )
    report = on_run or (lambda *_: None)
    recipe = pack.manifest.recipe
    points, losses = [], []
    try:
        report(0, len(RUNS), "the untuned base")
        held = _affordable(held, minutes, lambda some: heldout_losses(base, None, pack, some, device=device))
        untuned = heldout_losses(base, None, pack, held, device=device)
        for number, (share, run) in enumerate(RUNS, start=1):
            report(number, len(RUNS), f"{share:.0%} of the examples")
            shutil.rmtree(work, ignore_errors=True)
            part = replace(dataset, examples=tuple(_part(dataset, share, run)))
            candidate = _tuned(pack, part, _recipe(recipe, share, run, minutes), base, work, device, threads)
            measured = heldout_losses(base, candidate.path, pack, held, device=device)
            points.append(Point(int(candidate.metrics["examples"]), measured.mean, run))
            losses.append(measured.nll)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    weights = untuned.tokens.astype(np.float64)
    curve = _curve(points, np.stack(losses), weights, untuned.mean, time.monotonic() - began)
    return replace(curve, available=len(train))


def _affordable(
    held: tuple[Example, ...], minutes: int | None, measure: Callable[[Sequence[Example]], object]
) -> tuple[Example, ...]:
    """So many of `held`, evenly over intents, as can be measured once more than there are runs in their share
    of the time: the pace is that of the first few."""
    if minutes is None or len(held) <= LEAST_HELD_OUT:
        return held
    began = time.monotonic()
    measure(held[:FEWEST_HELD_OUT])
    pace = (time.monotonic() - began) / FEWEST_HELD_OUT
    most = int(MEASURING * 60 * minutes / (len(RUNS) + 1) / max(pace, 1e-6))
    return spread_examples(held, limit=max(LEAST_HELD_OUT, most))


def _recipe(recipe: RecipeSpec, share: float, run: int, minutes: int | None) -> RecipeSpec:
    """The pack's recipe with its share of the time: 1, 2 and 4 of ten minutes, so that all runs make as many
    passes over what they have."""
    budget = "full" if minutes is None else f"{round(4 * share) * max(1, minutes // LEAST_MINUTES)}m"
    return recipe.model_copy(update={"budget": budget, "seed": recipe.seed + run})


def _part(dataset: Dataset, share: float, run: int) -> Iterator[Example]:
    """A share of the training examples, even over intents, and all of the others. Runs take different
    ones."""
    groups: dict[str, list[Example]] = {}
    for example in dataset.split("train"):
        groups.setdefault(example.intent, []).append(example)
    for name, group in groups.items():
        random.Random(f"{name}/{run}").shuffle(group)
    turns = zip_longest(
        *([(at / len(group), one) for at, one in enumerate(group)] for group in groups.values())
    )
    dealt = sorted((pair for turn in turns for pair in turn if pair), key=lambda pair: pair[0])
    train = [example for _, example in dealt]
    chosen = {example.id for example in train[: max(4, round(share * len(train)))]}
    yield from (one for one in dataset.examples if one.split != "train" or one.id in chosen)


def _tuned(
    pack: Pack,
    dataset: Dataset,
    recipe: RecipeSpec,
    base: BaseFiles,
    work: Path,
    device: str | None,
    threads: int | None,
) -> Candidate:
    from senmon.tuning.tune import tune

    return tune(
        pack, dataset, base=base, out=work, recipe=recipe, resume=False, device=device, threads=threads
    )


def _curve(
    points: Sequence[Point], losses: Floats, weights: Floats, base: float, seconds: float
) -> LearningCurve:
    sizes = np.array([point.examples for point in points], dtype=np.float64)
    law = fit(sizes, np.array([point.loss for point in points]))
    low, high = interval(sizes, losses, weights, 2 * sizes.max())
    doubled = law.at(2 * sizes.max())
    return LearningCurve(
        points=tuple(points),
        law=law,
        base=base,
        held_out=losses.shape[1],
        doubled=doubled,
        low=min(low, doubled),
        high=max(high, doubled),
        seconds=round(seconds, 1),
    )


def fit(sizes: Floats, losses: Floats) -> PowerLaw:
    """The power law with the least squared relative error: a line in logarithms for each floor on a grid.

    A curve that rises with the data is told flat. Raises ValueError for losses that are not positive.
    """
    if (losses <= 0).any() or (sizes <= 0).any():
        raise ValueError("sizes and losses must be positive")
    best: tuple[float, PowerLaw] | None = None
    for share in _ASYMPTOTES:
        floor = float(share * losses.min())
        x, y = np.log(sizes), np.log(losses - floor)
        spread = ((x - x.mean()) ** 2).sum()
        slope = -float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else 0.0
        slope = min(_STEEPEST, max(0.0, slope))
        law = PowerLaw(floor, float(np.exp((y + slope * x).mean())), slope)
        error = float((((law.floor + law.scale * sizes**-law.slope) / losses - 1) ** 2).sum())
        if best is None or error < best[0] - 1e-12:
            best = (error, law)
    assert best is not None
    return best[1]


def interval(sizes: Floats, losses: Floats, weights: Floats, wanted: float) -> tuple[float, float]:
    """95 % interval of the loss at `wanted` examples: other held-out examples, and other runs.

    `losses` [runs, held-out examples]; `weights` are their supervised tokens.
    """
    numbers = np.random.default_rng(0)
    noise = _noise(sizes, (losses * weights).sum(axis=1) / weights.sum())
    guesses = []
    for _ in range(DRAWS):
        chosen = numbers.integers(0, losses.shape[1], size=losses.shape[1])
        means = (losses[:, chosen] * weights[chosen]).sum(axis=1) / weights[chosen].sum()
        shaken = means * np.exp(numbers.normal(0.0, noise, size=len(means)))
        guesses.append(fit(sizes, shaken).at(wanted))
    low, high = np.quantile(guesses, (0.025, 0.975))
    return float(low), float(high)


def _noise(sizes: Floats, means: Floats) -> float:
    """Standard deviation of log loss between runs of one size."""
    squares = []
    for size in np.unique(sizes):
        same = np.log(means[sizes == size])
        if len(same) > 1:
            squares.append(float(same.var(ddof=1)))
    return max(LEAST_NOISE, float(np.sqrt(np.mean(squares)))) if squares else 2 * LEAST_NOISE
