"""What is wrong, where, how badly, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["note", "warning", "error"]
#: From harmless to grave.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
#: Findings of one kind that a report holds; all of them are counted.
MOST_OF_A_KIND = 200
MOST_PLACES = 8
MOST_TEXT = 240


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: its name for people, and what it means for the assistant."""

    title: str
    meaning: str


KINDS: Mapping[str, Kind] = {
    "exact_duplicate": Kind(
        "Exact duplicates", "The same conversation twice teaches nothing new and counts double."
    ),
    "near_duplicate": Kind(
        "Near duplicates", "Almost the same words: they add weight, hardly any knowledge."
    ),
    "split_leak": Kind(
        "Training shows the held-out answers",
        "A held-out conversation has a near-twin in training, so the measured quality flatters.",
    ),
    "suite_leak": Kind(
        "Training shows the exam questions",
        "An item of an evaluation suite also stands in training: the suite measures memory, not skill.",
    ),
    "suite_leak_reworded": Kind(
        "Exam questions in other words",
        "Training holds a request that means nearly the same as an item of a suite.",
    ),
    "intent_conflict": Kind(
        "One request, several intents", "The same request is labelled differently: no router can learn both."
    ),
    "intent_conflict_likely": Kind(
        "Nearly one request, several intents",
        "Two requests that mean nearly the same have different intents. Look whether that is meant.",
    ),
    "action_conflict": Kind(
        "One request, different deeds",
        "In the same situation one conversation acts and another doesn't, or acts differently.",
    ),
    "reply_conflict": Kind(
        "One request, contradicting replies", "In the same situation two replies can't both be true."
    ),
    "personal_data": Kind(
        "Personal data",
        "A model may repeat what it learnt from. Replace it with made-up values of the same form.",
    ),
    "licence": Kind("Licences", "What may not be used this way can't be published with the pack."),
    "check_failure": Kind(
        "Replies that the pack's own checks refuse",
        "The model learns to say what will never be let through.",
    ),
    "too_long": Kind("Longer than the model can read", "Such an example can't be learnt: tuning refuses it."),
    "thin_intent": Kind(
        "Thin intents", "With so few different requests the router can't tell what belongs here."
    ),
    "uncovered_action": Kind("Actions never called", "The model has not seen when and how to call them."),
    "uncovered_argument": Kind(
        "Argument values never used", "Values that are allowed and that no call shows."
    ),
    "uncovered_article": Kind("Articles never used", "No conversation shows how to answer from them."),
    "uncovered_fact": Kind(
        "Facts never referred to", "Facts of articles that no reply names as `[[article.…]]`."
    ),
    "no_suite": Kind(
        "Too little proof", "Without enough evaluation items nobody can tell whether a change helped."
    ),
    "few_held_out": Kind("Too few held-out conversations", "The measured loss is noisy."),
    "few_negatives": Kind(
        "Few requests from next door",
        "The router needs examples of what this pack must *not* answer, near its subject.",
    ),
    "routing_name": Kind("Names that nothing has", "The manifest names an intent that no example has."),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `place` is `file:line` (or a name), `others` are the places it is about besides.

    `score` is a similarity from 0 to 1 where one was measured.
    """

    kind: str
    severity: Severity
    place: str
    what: str
    remedy: str
    others: tuple[str, ...] = ()
    score: float | None = None


def finding(
    kind: str, severity: Severity, places: Sequence[str], what: str, remedy: str, score: float | None = None
) -> Finding:
    others = tuple(places[1 : MOST_PLACES + 1])
    score = None if score is None else round(score, 3)
    return Finding(kind, severity, places[0], shortened(what), remedy, others, score)


def shortened(text: str, most: int = MOST_TEXT) -> str:
    """On one line, at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


@dataclass(frozen=True, slots=True)
class Findings:
    """All counted, the gravest of each kind kept. `errors` counts those of a kind that are errors."""

    shown: tuple[Finding, ...]
    counts: Mapping[str, int]
    errors: Mapping[str, int]
    severities: Mapping[str, int]

    @classmethod
    def of(cls, found: Iterable[Finding]) -> Findings:
        counts: Counter[str] = Counter()
        severities: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        kept: dict[str, list[Finding]] = {}
        for one in found:
            counts[one.kind] += 1
            severities[one.severity] += 1
            errors[one.kind] += one.severity == "error"
            kept.setdefault(one.kind, []).append(one)
            if len(kept[one.kind]) > 2 * MOST_OF_A_KIND:
                kept[one.kind] = _gravest(kept[one.kind])
        shown = (one for kind in KINDS if kind in kept for one in _gravest(kept[kind]))
        ordered = sorted(shown, key=lambda one: -SEVERITIES.index(one.severity))
        return cls(tuple(ordered), dict(counts), dict(+errors), dict(severities))

    def at_least(self, severity: Severity) -> int:
        """How many are as grave as this or graver."""
        return sum(self.severities.get(name, 0) for name in SEVERITIES[SEVERITIES.index(severity) :])

    def of_kind(self, kind: str) -> tuple[Finding, ...]:
        return tuple(one for one in self.shown if one.kind == kind)


def _gravest(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda one: -SEVERITIES.index(one.severity))[:MOST_OF_A_KIND]
