"""Everything that can be said of a pack's data without tuning on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from senmon.dataset.example import Dataset
from senmon.dataset.report import DatasetCounts, count_dataset
from senmon.embedding import Encoder
from senmon.evaluation.suite import SuiteItem
from senmon.packs.pack import Pack
from senmon.readiness.collect import Suggestion, suggestions
from senmon.readiness.contradiction import answer_findings, intent_findings
from senmon.readiness.coverage import Coverage, Uncovered, coverage_findings, distinct_requests, uncovered
from senmon.readiness.findings import Finding, Findings
from senmon.readiness.judged import judge_replies
from senmon.readiness.lengths import Lengths, measure_lengths
from senmon.readiness.meaning import Meaning, measure_meaning
from senmon.readiness.privacy import licence_findings, personal_findings
from senmon.readiness.repetition import ExamItem, repetition_findings, suite_leak_findings
from senmon.readiness.score import Evidence, Score, score
from senmon.readiness.words import Words, reply_words, request_words
from senmon.rendering import Renderer, prefix_message

#: Name of the step that begins.
OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Readiness:
    """The report. `meaning` is None without a sentence encoder; `requests` are different training
    requests."""

    pack: str
    label: str
    title: str
    licence: str
    digest: str
    counts: DatasetCounts
    requests: Mapping[str, int]
    coverage: Coverage
    lengths: Lengths
    request_words: Words
    reply_words: Words
    meaning: Meaning | None
    replies: int
    judged: int
    findings: Findings
    score: Score
    suggestions: tuple[Suggestion, ...]
    notes: tuple[str, ...] = ()


def assess(
    pack: Pack,
    dataset: Dataset,
    items: Sequence[SuiteItem],
    *,
    renderer: Renderer,
    context_tokens: int,
    encoder: Encoder | None = None,
    everything: bool = False,
    on_step: OnStep | None = None,
) -> Readiness:
    """Judge `dataset`, which `load_dataset(pack)` made, and `items`, which `load_suites(pack)` gave.

    `context_tokens` is what the base can read. `everything` judges every reply, however many there are.
    """
    step = on_step or (lambda _: None)
    exam = [ExamItem(item.source, item.messages) for item in items]
    step("counting")
    counts, requests = count_dataset(pack, dataset), distinct_requests(pack, dataset)
    missing = uncovered(pack, dataset, counts)
    step("measuring lengths")
    limit = min(pack.manifest.recipe.max_tokens, context_tokens)
    lengths, too_long = measure_lengths(prefix_message(pack), dataset, renderer, limit)
    step("running the pack's checks over its replies")
    judged = judge_replies(pack, dataset, everything=everything)
    meaning = None
    if encoder is not None:
        step("comparing what requests mean")
        meaning = measure_meaning(dataset, exam, pack.negatives, encoder)
    step("looking for repetition, leaks, contradictions and personal data")
    found = Findings.of(
        (
            *_data_findings(pack, dataset, exam),
            *judged.findings,
            *too_long,
            *(meaning.findings if meaning else ()),
            *coverage_findings(pack, counts, missing, requests, len(items)),
        )
    )
    evidence = Evidence(
        counts=counts,
        requests=requests,
        findings=found,
        judged=judged,
        words=request_words(dataset),
        coverage=missing.coverage,
        items=len(items),
        negatives=len(pack.negatives),
        meaning=meaning,
    )
    return _report(pack, dataset, evidence, missing, lengths)


def _data_findings(pack: Pack, dataset: Dataset, exam: Sequence[ExamItem]) -> Iterator[Finding]:
    yield from repetition_findings(dataset)
    yield from suite_leak_findings(dataset, exam)
    yield from intent_findings(dataset)
    yield from answer_findings(dataset)
    yield from personal_findings(pack, dataset)
    yield from licence_findings(pack, dataset)


def _report(
    pack: Pack, dataset: Dataset, evidence: Evidence, missing: Uncovered, lengths: Lengths
) -> Readiness:
    points, judged = score(evidence), evidence.judged
    return Readiness(
        pack=pack.name,
        label=pack.label,
        title=pack.manifest.title,
        licence=pack.manifest.licence,
        digest=pack.digest,
        counts=evidence.counts,
        requests=evidence.requests,
        coverage=evidence.coverage,
        lengths=lengths,
        request_words=evidence.words,
        reply_words=reply_words(dataset),
        meaning=evidence.meaning,
        replies=judged.replies,
        judged=judged.judged,
        findings=evidence.findings,
        score=points,
        suggestions=suggestions(pack, dataset, evidence, missing, points),
        notes=tuple(_notes(evidence.meaning, judged.replies, judged.judged, lengths, evidence.counts)),
    )


def _notes(
    meaning: Meaning | None, replies: int, judged: int, lengths: Lengths, counts: DatasetCounts
) -> list[str]:
    """What was looked at in part only, or not at all."""
    notes = []
    if meaning is None:
        notes.append(
            "There is no sentence encoder: meaning, intents that blur and reworded exam questions were "
            "not looked at. "
            "Install senmon[encoder] for them."
        )
    elif meaning.sampled < counts.splits["train"]:
        notes.append(
            f"Meaning was compared on {meaning.sampled} different training requests, evenly over intents."
        )
    if judged < replies:
        notes.append(f"The checks judged {judged} of {replies} replies; --full judges all.")
    if lengths.counted < counts.examples:
        notes.append(
            f"Lengths were counted on {lengths.counted} examples, and on all that might be too long."
        )
    return notes


def to_json(report: Readiness) -> dict[str, Any]:
    """Everything, as plain values."""
    data = asdict(report)
    data["findings"] = {
        "counts": dict(report.findings.counts),
        "errors": dict(report.findings.errors),
        "severities": dict(report.findings.severities),
        "shown": [asdict(one) for one in report.findings.shown],
    }
    if report.meaning is not None:
        del data["meaning"]["points"], data["meaning"]["findings"]
    return data
