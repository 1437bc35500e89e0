"""A score from 0 to 100 whose parts say what they measure, what they found, and what full marks need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from senmon.dataset.report import DatasetCounts
from senmon.readiness.coverage import Coverage
from senmon.readiness.findings import Findings
from senmon.readiness.judged import Judged
from senmon.readiness.meaning import Meaning
from senmon.readiness.words import Words

#: What a part has reached when it needs nothing more.
ENOUGH_REQUESTS = 30
ENOUGH_CLUSTERS = 8.0
ENOUGH_DISTINCT, ENOUGH_DISTINCT2 = 0.6, 0.35
ENOUGH_EVENNESS = 0.8
ENOUGH_HELD_OUT, ENOUGH_ITEMS, ENOUGH_NEGATIVES = 50, 50, 50
#: Shares at which nothing is left of a part.
REPEATED_ALL, LEAKED_ALL, CONFLICTING_ALL, FAILING_ALL, PERSONAL_ALL = 0.5, 0.05, 0.02, 0.05, 0.01
WORST_ACCURACY, BEST_ACCURACY = 0.6, 0.95


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the score. `value` is 0 to 1, None where it could not be measured (it then has no
    weight)."""

    name: str
    title: str
    weight: float
    value: float | None
    found: str
    formula: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What a score allows."""

    name: str
    least: int
    meaning: str


STAGES = (
    Stage("collect", 0, "Too little, or too much that is wrong: tuning now would teach the faults."),
    Stage("try out", 40, "Enough for a first tuning that shows what is missing. Not for visitors."),
    Stage("tune", 65, "Good enough to tune in earnest and to show to a few people."),
    Stage("release", 85, "Ready to be tuned, proved and released."),
)


@dataclass(frozen=True, slots=True)
class Score:
    """`points` out of 100. `stage` is what they allow; while an error stands, no more than `tune`."""

    points: float
    parts: tuple[Part, ...]
    stage: Stage
    next_stage: Stage | None
    blocked: bool

    def weight(self, name: str) -> float:
        """Points that the whole part `name` brings; unmeasured parts have left theirs to the others."""
        total = sum(part.weight for part in self.parts if part.value is not None)
        return next(100 * part.weight / total for part in self.parts if part.name == name)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the parts are made from."""

    counts: DatasetCounts
    requests: Mapping[str, int]
    findings: Findings
    judged: Judged
    words: Words
    coverage: Coverage
    items: int
    negatives: int
    meaning: Meaning | None


def score(evidence: Evidence) -> Score:
    parts = (
        _volume(evidence),
        _balance(evidence),
        _words(evidence),
        *_meaning(evidence.meaning),
        _repetition(evidence),
        _leaks(evidence),
        _consistency(evidence),
        _checks(evidence),
        _privacy(evidence),
        _licences(evidence),
        _coverage(evidence),
        _proof(evidence),
    )
    measured = [part for part in parts if part.value is not None]
    points = (
        100
        * sum(part.weight * (part.value or 0) for part in measured)
        / sum(part.weight for part in measured)
    )
    blocked = evidence.findings.at_least("error") > 0
    reached = [stage for stage in STAGES if points >= stage.least]
    stage = STAGES[2] if blocked and len(reached) == len(STAGES) else reached[-1]
    place = STAGES.index(stage) + 1
    return Score(round(points, 1), parts, stage, STAGES[place] if place < len(STAGES) else None, blocked)


def _up_to(value: float, enough: float) -> float:
    return max(0.0, min(1.0, value / enough))


def _left(share: float, nothing_at: float) -> float:
    """1 for none, 0 from `nothing_at` on."""
    return 1 - _up_to(share, nothing_at)


def _share(count: float, of: float) -> float:
    return count / of if of else 0.0


def _volume(evidence: Evidence) -> Part:
    values = [_up_to(count, ENOUGH_REQUESTS) for count in evidence.requests.values()]
    full = sum(value == 1 for value in values)
    return Part(
        "volume",
        "Enough requests",
        15,
        sum(values) / len(values) if values else 0.0,
        f"{full} of {len(values)} intents have {ENOUGH_REQUESTS} different training requests",
        f"mean over intents of different training requests ÷ {ENOUGH_REQUESTS}, at most 1 each; requests "
        f"that differ "
        "in politeness or ids only count once",
    )


def _balance(evidence: Evidence) -> Part:
    even = evenness(list(evidence.requests.values()))
    return Part(
        "balance",
        "No intent outweighs the others",
        5,
        _up_to(even, ENOUGH_EVENNESS),
        f"evenness {even:.2f}",
        f"entropy of the intents' shares ÷ the entropy of equal shares, full marks from {ENOUGH_EVENNESS}",
    )


def evenness(counts: Sequence[int]) -> float:
    """Normalised entropy (Pielou 1966): 1 when all are equal, 0 when one has all."""
    total = sum(counts)
    if len(counts) < 2 or not total:
        return 1.0
    shares = [count / total for count in counts if count]
    return -sum(share * math.log(share) for share in shares) / math.log(len(counts))


def _words(evidence: Evidence) -> Part:
    words = evidence.words
    distinct = _share(sum(evidence.requests.values()), words.texts)
    value = (_up_to(distinct, ENOUGH_DISTINCT) + _up_to(words.distinct2, ENOUGH_DISTINCT2)) / 2
    return Part(
        "words",
        "Varied words",
        8,
        value,
        f"{distinct:.0%} of the requests differ from all others; {words.distinct2:.0%} of word pairs are new",
        f"half: share of different requests, full marks from {ENOUGH_DISTINCT:.0%}; half: different word "
        f"pairs ÷ word "
        f"pairs in the first {words.window} words, full marks from {ENOUGH_DISTINCT2:.0%}",
    )


def _meaning(meaning: Meaning | None) -> tuple[Part, Part]:
    clusters, accuracy = None, None
    found, told = "not measured: no sentence encoder", "not measured"
    if meaning is not None and meaning.spreads:
        values = [_up_to(spread.clusters, ENOUGH_CLUSTERS) for spread in meaning.spreads]
        clusters = sum(values) / len(values)
        narrow = sum(value < 1 for value in values)
        found = (
            f"{narrow} of {len(values)} intents spread over fewer than {ENOUGH_CLUSTERS:.0f} kinds of request"
        )
    if meaning is not None and meaning.accuracy is not None:
        accuracy = _up_to(meaning.accuracy - WORST_ACCURACY, BEST_ACCURACY - WORST_ACCURACY)
        told = f"{meaning.accuracy:.1%} of unseen requests get their own intent"
    return (
        Part(
            "meaning",
            "Varied meaning",
            7,
            clusters,
            found,
            f"mean over intents of the effective number of different requests (Vendi score of sentence "
            f"vectors) ÷ "
            f"{ENOUGH_CLUSTERS:.0f}, at most 1 each",
        ),
        Part(
            "separation",
            "Intents that can be told apart",
            5,
            accuracy,
            told,
            f"accuracy of the router's classifier, cross-validated: nothing at {WORST_ACCURACY:.0%}, full "
            f"marks from "
            f"{BEST_ACCURACY:.0%}",
        ),
    )


def _repetition(evidence: Evidence) -> Part:
    counts = evidence.findings.counts
    exact, near = counts.get("exact_duplicate", 0), counts.get("near_duplicate", 0)
    share = _share(exact + near / 2, evidence.counts.examples)
    return Part(
        "repetition",
        "Little repetition",
        5,
        _left(share, REPEATED_ALL),
        f"{exact} exact and {near} near duplicates in {evidence.counts.examples}",
        f"(exact + half of the near duplicates) ÷ examples; nothing is left at {REPEATED_ALL:.0%}",
    )


def _leaks(evidence: Evidence) -> Part:
    grave, splits = evidence.findings.errors, evidence.counts.splits
    held = splits["valid"] + splits["test"]
    split, suite = grave.get("split_leak", 0), grave.get("suite_leak", 0)
    share = max(_share(split, held), _share(suite, max(evidence.items, 1)))
    return Part(
        "leaks",
        "Held-out data is unseen",
        12,
        _left(share, LEAKED_ALL),
        f"{split} of {held} held-out conversations and {suite} suite requests stand in training",
        f"the greater of both shares; nothing is left at {LEAKED_ALL:.0%}; greetings and the like don't "
        f"count",
    )


def _consistency(evidence: Evidence) -> Part:
    kinds = ("intent_conflict", "action_conflict", "reply_conflict")
    conflicts = sum(evidence.findings.counts.get(kind, 0) for kind in kinds)
    return Part(
        "consistency",
        "No contradictions",
        10,
        _left(_share(conflicts, evidence.counts.examples), CONFLICTING_ALL),
        f"{conflicts} contradictions",
        f"contradictions ÷ examples; nothing is left at {CONFLICTING_ALL:.0%}",
    )


def _checks(evidence: Evidence) -> Part:
    judged = evidence.judged
    failed = len(judged.findings)
    return Part(
        "checks",
        "Replies pass the pack's checks",
        10,
        _left(_share(failed, judged.judged), FAILING_ALL),
        f"{failed} of {judged.judged} judged replies fail",
        f"failing ÷ judged replies; nothing is left at {FAILING_ALL:.0%}",
    )


def _privacy(evidence: Evidence) -> Part:
    grave = evidence.findings.errors.get("personal_data", 0)
    value = _left(_share(grave, evidence.counts.examples), PERSONAL_ALL)
    return Part(
        "privacy",
        "Nobody's personal data",
        5,
        min(value, 0.5) if grave else 1.0,
        f"{grave} places" if grave else "none found",
        f"places ÷ examples, nothing is left at {PERSONAL_ALL:.0%}; a single one costs half",
    )


def _licences(evidence: Evidence) -> Part:
    found = evidence.findings.of_kind("licence")
    grave = any(one.severity == "error" for one in found)
    return Part(
        "licences",
        "Licences that allow it",
        3,
        0.0 if grave else 0.5 if found else 1.0,
        f"{len(found)} of {len(evidence.counts.licences)} licences need a look",
        "nothing with a licence that is unknown or forbids this use, half with one to read up",
    )


def _coverage(evidence: Evidence) -> Part:
    coverage = evidence.coverage
    shown = [
        f"{part} of {there} {name}"
        for name, (part, there) in (
            ("actions", coverage.actions),
            ("argument values", coverage.arguments),
            ("articles", coverage.articles),
        )
        if there
    ]
    return Part(
        "coverage",
        "Everything the pack can do is shown",
        8,
        coverage.share,
        ", ".join(shown) or "a pack of talk alone",
        "mean of the shares of actions called, written-out argument values used and articles shown in "
        "training",
    )


def _proof(evidence: Evidence) -> Part:
    held = evidence.counts.splits["valid"] + evidence.counts.splits["test"]
    values = (
        _up_to(held, ENOUGH_HELD_OUT),
        _up_to(evidence.items, ENOUGH_ITEMS),
        _up_to(evidence.negatives, ENOUGH_NEGATIVES),
    )
    return Part(
        "proof",
        "Enough to prove it with",
        7,
        sum(values) / 3,
        f"{held} held-out conversations, {evidence.items} suite items, {evidence.negatives} negatives",
        f"mean of held-out conversations ÷ {ENOUGH_HELD_OUT}, suite items ÷ {ENOUGH_ITEMS} and negatives ÷ "
        f"{ENOUGH_NEGATIVES}, at most 1 each",
    )
