"""`senmon bench route`: the router on CLINC150, domains as packs, beside a peer with the same encoder.

Everything that could be chosen was chosen on the validation split; the test split is only reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.bench.clinc import Clinc, Pair
from senmon.embedding import Encoder
from senmon.routing.router import RouteChoice, Router

EACH = 10
DRAWS = 1000
TIMED = 200
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Answers:
    """Per message of a split and per stranger: the scores of the best pack, and what was chosen."""

    intents: tuple[tuple[str, str], ...]
    domains: tuple[str, ...]
    scores: NDArray[np.float64]
    answered: NDArray[np.bool_]
    strange_scores: NDArray[np.float64]
    strange_answered: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % bootstrap interval (over messages; over draws of examples for few-shot)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `seconds` to fit without encoding; `p50`, `p95` milliseconds a message."""

    system: str
    setting: str
    split: str
    figures: dict[str, Figure]
    seconds: float
    p50: float | None = None
    p95: float | None = None


NAMES = ("intent", "domain", "auroc", "strangers_at_95", "kept", "turned_away")


def run(data: Clinc, encoder: Encoder | None, seeds: int, progress: Progress) -> list[Row]:
    """Full data on validation and test, then few-shot over `seeds` draws."""
    progress("encoding what is not encoded yet (once)")
    if encoder is not None:
        _encode_all(data, encoder)
    progress("fitting on all training examples")
    router, seconds = _fitted(data, data.splits["train"], encoder)
    rows = []
    for split, strange in (("val", ("oos_val", "oos_train")), ("test", ("oos_test",))):
        progress(f"asking the {split} split")
        figures = bootstrapped(*_truth(data, split), answers(data, router, encoder, split, strange))
        p50, p95 = _latency(router, encoder, data) if split == "test" else (None, None)
        rows.append(Row("senmon", "all training examples", split, figures, seconds, p50, p95))
    if seeds:
        rows.append(_few_shot(data, encoder, seeds, progress))
    return rows


def _few_shot(data: Clinc, encoder: Encoder | None, seeds: int, progress: Progress) -> Row:
    """Mean and interval over draws of the training examples; Student's t."""
    found: list[dict[str, float]] = []
    spent = 0.0
    for seed in range(seeds):
        progress(f"few-shot, draw {seed + 1} of {seeds}")
        router, seconds = _fitted(data, data.few(EACH, seed), encoder)
        spent += seconds
        answer = answers(data, router, encoder, "test", ("oos_test",))
        found.append(measure(*_truth(data, "test"), answer))
    return Row("senmon", f"{EACH} examples an intent", "test", over_draws(found), spent / seeds)


def over_draws(found: Sequence[dict[str, float]]) -> dict[str, Figure]:
    """Means with Student's t intervals; a single draw has none of its own."""
    from scipy.stats import t

    figures = {}
    for name in found[0]:
        values = np.array([one[name] for one in found])
        wide = 0.0
        if len(values) > 1:
            wide = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
        middle = float(values.mean())
        figures[name] = Figure(middle, middle - wide, middle + wide)
    return figures


def _encode_all(data: Clinc, encoder: Encoder) -> None:
    encoder.encode([text for pairs in data.splits.values() for text, _ in pairs])
    encoder.encode([text for texts in data.strangers.values() for text in texts])


def _fitted(data: Clinc, pairs: Sequence[Pair], encoder: Encoder | None) -> tuple[Router, float]:
    started = time.process_time()
    router = Router.fit(data.routes(pairs), encoder)
    return router, time.process_time() - started


def _truth(data: Clinc, split: str) -> tuple[list[str], list[str]]:
    intents = [intent for _, intent in data.splits[split]]
    return intents, [data.domain[intent] for intent in intents]


def answers(
    data: Clinc, router: Router, encoder: Encoder | None, split: str, strange: Sequence[str]
) -> Answers:
    """Each message by itself, as a first message."""
    inside = router.route_many([text for text, _ in data.splits[split]])
    outside = router.route_many([text for name in strange for text in data.strangers[name]])
    best = [best_pack(one) for one in inside]
    return Answers(
        tuple(one.likeliest for one in inside),
        tuple(best),
        np.array([max(one.scores.values()) for one in inside]),
        np.array([one.pack is not None for one in inside]),
        np.array([max(one.scores.values()) for one in outside]),
        np.array([one.pack is not None for one in outside]),
    )


def best_pack(choice: RouteChoice) -> str:
    """The pack with the highest score, whether it answers or not."""
    return max(choice.scores.items(), key=lambda item: item[1])[0]


def measure(intents: Sequence[str], domains: Sequence[str], given: Answers) -> dict[str, float]:
    """The six figures of a split."""
    right = np.array([a[1] == b for a, b in zip(given.intents, intents, strict=True)])
    placed = np.array([a == b for a, b in zip(given.domains, domains, strict=True)])
    return _figures(right, placed, given.scores, given.answered, given.strange_scores, given.strange_answered)


def bootstrapped(intents: Sequence[str], domains: Sequence[str], given: Answers) -> dict[str, Figure]:
    """The six figures, with percentile intervals over messages drawn again (Efron 1979)."""
    right = np.array([a[1] == b for a, b in zip(given.intents, intents, strict=True)])
    placed = np.array([a == b for a, b in zip(given.domains, domains, strict=True)])
    scores, answered, strange = given.scores, given.answered, given.strange_scores
    value = _figures(right, placed, scores, answered, strange, given.strange_answered)
    numbers = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(DRAWS):
        one = numbers.integers(0, len(right), len(right))
        other = numbers.integers(0, len(strange), len(strange))
        figures = _figures(
            right[one],
            placed[one],
            scores[one],
            answered[one],
            strange[other],
            given.strange_answered[other],
        )
        for name, figure in figures.items():
            drawn[name].append(figure)
    bounds = {name: np.quantile(values, (0.025, 0.975)) for name, values in drawn.items()}
    return {name: Figure(value[name], float(bounds[name][0]), float(bounds[name][1])) for name in NAMES}


def _figures(
    right: NDArray[np.bool_],
    placed: NDArray[np.bool_],
    scores: NDArray[Any],
    answered: NDArray[np.bool_],
    strange: NDArray[Any],
    strange_answered: NDArray[np.bool_],
) -> dict[str, float]:
    from senmon.evaluation.router.report import auroc

    limit = np.sort(scores)[int(0.05 * len(scores))]
    return {
        "intent": float(right.mean()),
        "domain": float(placed.mean()),
        "auroc": auroc(scores.tolist(), strange.tolist()),
        "strangers_at_95": float((strange < limit).mean()),
        "kept": float(answered.mean()),
        "turned_away": float(1 - strange_answered.mean()),
    }


def _latency(router: Router, encoder: Encoder | None, data: Clinc) -> tuple[float, float]:
    """Milliseconds for one message, encoding included, caches cold: p50 and p95 over `TIMED` messages."""
    texts = [text for text, _ in data.splits["test"][:: max(1, len(data.splits["test"]) // TIMED)]]
    router.route("warm up")
    spent = []
    for number, text in enumerate(texts):
        started = time.perf_counter()
        router.route(f"{text} {number}")  # a text that no cache has seen
        spent.append(1000 * (time.perf_counter() - started))
    p50, p95 = np.quantile(spent, (0.5, 0.95))
    return float(p50), float(p95)
