"""What an evaluation found, as frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from senmon.evaluation.metrics import Metric, mean, paired_difference, summary
from senmon.evaluation.replies import Outcome
from senmon.evaluation.scoring import BINARY

LOSS = "loss"
#: The one figure where less is better.
LOWER_IS_BETTER = frozenset({LOSS})
#: What the figures mean, for reports.
MEANING: Mapping[str, str] = {
    "loss": "held-out loss (nats per supervised token, lower is better)",
    "faultless": "no fault found: action, arguments, references, facts, checks and suite",
    "action": "right action called, or rightly none",
    "arguments": "call with exactly the right arguments",
    "references": "every fact that the reply refers to is known",
    "facts": "reply refers to every fact that the reference reply does",
    "checks": "reply passes the pack's checks unchanged",
    "suite": "reply holds what the suite asks for",
    "similarity": "similarity to the reference reply (chrF)",
    "route": "question routed to the right pack",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """Mean negative log likelihood of an example's supervised tokens, in nats, and how many they are."""

    nll: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """One subject: the bare base (`version` None) or an adapter. `losses` is keyed by example id."""

    subject: str
    version: str | None
    losses: Mapping[str, Loss]
    outcomes: tuple[Outcome, ...]
    metrics: Mapping[str, Metric]

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "version": self.version,
            "metrics": {name: metric.to_json() for name, metric in self.metrics.items()},
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """`subject` minus `against` on the cases that both answered, with the paired interval."""

    metric: str
    subject: str
    against: str
    difference: Metric

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `undecided` by the interval."""
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        low, high = sorted((sign * self.difference.low, sign * self.difference.high))
        return "better" if low > 0 else "worse" if high < 0 else "undecided"

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "subject": self.subject,
            "against": self.against,
            "difference": self.difference.to_json(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class EvalReport:
    """Subjects measured on the same cases. `notes` says what was left out and why."""

    pack: str
    mode: str
    base: str
    base_digest: str
    dataset_digest: str
    created: str
    seconds: float
    measurements: tuple[Measurement, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]

    def measurement(self, subject: str) -> Measurement | None:
        return next((found for found in self.measurements if found.subject == subject), None)

    def difference(self, metric: str, subject: str, against: str) -> Metric | None:
        wanted = (metric, subject, against)
        for found in self.comparisons:
            if (found.metric, found.subject, found.against) == wanted:
                return found.difference
        return None

    def to_json(self) -> dict[str, Any]:
        return {
            "pack": self.pack,
            "mode": self.mode,
            "base": self.base,
            "base_digest": self.base_digest,
            "dataset_digest": self.dataset_digest,
            "created": self.created,
            "seconds": round(self.seconds, 1),
            "measurements": [measurement.to_json() for measurement in self.measurements],
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "notes": list(self.notes),
        }


def measured(
    subject: str,
    version: str | None,
    losses: Mapping[str, Loss],
    outcomes: tuple[Outcome, ...],
    extra: Mapping[str, Metric],
) -> Measurement:
    """A subject's figures from its losses and outcomes, in the order of `MEANING`."""
    found: dict[str, Metric] = dict(extra)
    if losses:
        values = losses.values()
        found[LOSS] = mean([loss.nll for loss in values], weights=[loss.tokens for loss in values])
    for name in {name for outcome in outcomes for name in outcome.scores}:
        scores = [outcome.scores[name] for outcome in outcomes if name in outcome.scores]
        found[name] = summary(scores, binary=name in BINARY)
    ordered = {name: found[name] for name in MEANING if name in found}
    return Measurement(subject, version, losses, outcomes, ordered)


def compared(measurements: Iterable[Measurement]) -> tuple[Comparison, ...]:
    """Every later subject against every earlier one, on the cases they share."""
    subjects = tuple(measurements)
    return tuple(
        comparison
        for index, subject in enumerate(subjects)
        for against in subjects[:index]
        for comparison in _pair(subject, against)
    )


def _pair(subject: Measurement, against: Measurement) -> list[Comparison]:
    found = []
    shared = [name for name in subject.losses if name in against.losses]
    if shared:
        difference = paired_difference(
            [subject.losses[name].nll for name in shared],
            [against.losses[name].nll for name in shared],
            weights=[subject.losses[name].tokens for name in shared],
        )
        found.append(Comparison(LOSS, subject.subject, against.subject, difference))
    others = {outcome.case: outcome.scores for outcome in against.outcomes}
    for name in MEANING:
        pairs = [
            (outcome.scores[name], others[outcome.case][name])
            for outcome in subject.outcomes
            if name in outcome.scores and name in others.get(outcome.case, {})
        ]
        if pairs:
            left, right = zip(*pairs, strict=True)
            found.append(Comparison(name, subject.subject, against.subject, paired_difference(left, right)))
    return found
