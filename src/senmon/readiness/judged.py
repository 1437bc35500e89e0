"""Every reply of the examples through the pack's own checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from senmon.assistant.release import Splitter
from senmon.checks.protocol import Check, CheckContext
from senmon.checks.registry import build_checks
from senmon.dataset.example import Dataset, Example
from senmon.evaluation.scoring import context_of
from senmon.messages import CONTEXT
from senmon.packs.pack import Pack
from senmon.readiness.findings import Finding, finding, shortened
from senmon.rendering import fill_references

#: Replies judged without `everything`; beyond, evenly spread ones.
MOST_REPLIES = 6000


@dataclass(frozen=True, slots=True)
class Judged:
    """How many replies there are, how many were judged, how many failed."""

    replies: int
    judged: int
    findings: tuple[Finding, ...]


def judge_replies(pack: Pack, dataset: Dataset, *, everything: bool = False) -> Judged:
    checks = build_checks(pack.manifest.checks, system=pack.system)
    places = [(example, at) for example in dataset.examples for at in _replies(example)]
    step = 1 if everything else max(1, -(-len(places) // MOST_REPLIES))
    chosen = places[::step]
    failed = (fault for example, at in chosen if (fault := _judged(pack, checks, example, at)) is not None)
    return Judged(len(places), len(chosen), tuple(failed))


def _replies(example: Example) -> Iterator[int]:
    for at, message in enumerate(example.messages):
        if message.role == "assistant" and message.content.strip():
            yield at


def _judged(pack: Pack, checks: Sequence[Check], example: Example, at: int) -> Finding | None:
    text = example.messages[at].content.strip()
    context = context_of(_mentioned(pack, example), example.messages[:at])
    fault = first_failure(text, checks, context)
    if fault is None:
        return None
    check, reason = fault
    what = f"{check}: {reason}: “{shortened(text, 110)}”"
    return finding(
        "check_failure", "error", [example.source], what, "rewrite the reply so that the check passes"
    )


def _mentioned(pack: Pack, example: Example) -> Pack:
    """The pack with those articles alone whose title the example shows: looking for all of them takes
    its time."""
    shown = "\n".join(message.content for message in example.messages if message.name == CONTEXT)
    return replace(pack, articles=tuple(article for article in pack.articles if article.title in shown))


def first_failure(text: str, checks: Sequence[Check], context: CheckContext) -> tuple[str, str] | None:
    """(check, reason) of the first release unit that would not be released as it is."""
    splitter, said = Splitter(), ""
    for unit in [*splitter.feed(text), splitter.rest()]:
        candidate, missing = fill_references(unit, context.facts)
        if missing:
            return "references", f"no such fact: {', '.join(missing)}"
        for check in checks:
            verdict = check.judge(said, candidate, context)
            if verdict.outcome != "pass":
                return verdict.check, verdict.reason or verdict.outcome
        said += candidate
    return None
