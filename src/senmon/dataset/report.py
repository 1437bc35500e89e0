"""Is this dataset ready to learn from, and if not, what should be collected next?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from senmon.dataset.example import SPLITS, Dataset, Example
from senmon.dataset.hygiene import Conflict, Leak, alike, conflicts, exact_duplicates, suite_leaks
from senmon.packs.pack import Pack

#: Rules of thumb for advice only; no count depends on them but `thin_intents`.
FEW_PER_INTENT = 8
FEW_EXAMPLES = 100
FEW_HELD_OUT = 20
NAMED = 5


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """Counts of a dataset. Near-duplicates are found by MinHash: very few may be missed, none is invented.

    `duplicates` and `near_duplicates` count the examples beyond the first of each group; near-duplicates
    exclude exact ones. `near_leaks` counts held-out examples that share a group of near-duplicates with a
    training example.
    """

    examples: int
    splits: Mapping[str, int]
    intents: Mapping[str, int]
    messages: int
    turns: int
    calls: int
    duplicates: int
    near_duplicates: int
    near_leaks: int
    leaks: tuple[Leak, ...]
    conflicts: tuple[Conflict, ...]
    thin_intents: Mapping[str, int]
    uncalled_actions: tuple[str, ...]
    unused_articles: tuple[str, ...]
    licences: Mapping[str, int]
    advice: tuple[str, ...] = ()


def readiness(pack: Pack, dataset: Dataset) -> ReadinessReport:
    """The report of `dataset`, which `load_dataset(pack)` made."""
    examples = dataset.examples
    exact = sum(len(group) - 1 for group in exact_duplicates(dataset))
    groups = alike(dataset)
    bare = ReadinessReport(
        examples=len(examples),
        splits={name: len(dataset.split(name)) for name in SPLITS},
        intents=dataset.intents(),
        messages=sum(len(example.messages) for example in examples),
        turns=sum(message.role == "user" for example in examples for message in example.messages),
        calls=sum(len(message.tool_calls) for example in examples for message in example.messages),
        duplicates=exact,
        near_duplicates=sum(len(group) - 1 for group in groups) - exact,
        near_leaks=sum(map(_held_out_beside_training, groups)),
        leaks=suite_leaks(dataset, pack.suite_files),
        conflicts=conflicts(dataset),
        thin_intents=_thin(dataset),
        uncalled_actions=_uncalled(pack, dataset),
        unused_articles=_unused(pack, dataset),
        licences=dict(Counter(example.licence for example in examples)),
    )
    return _advised(bare, pack)


def _held_out_beside_training(group: tuple[Example, ...]) -> int:
    held = sum(example.split != "train" for example in group)
    return held if held < len(group) else 0


def _thin(dataset: Dataset) -> Mapping[str, int]:
    """Intents with fewer distinct training requests than the router needs."""
    requests: dict[str, set[str]] = {intent: set() for intent in dataset.intents()}
    for example in dataset.split("train"):
        requests[example.intent].add(example.request)
    return {intent: len(texts) for intent, texts in sorted(requests.items()) if len(texts) < FEW_PER_INTENT}


def _uncalled(pack: Pack, dataset: Dataset) -> tuple[str, ...]:
    train = dataset.split("train")
    called = {call.name for example in train for message in example.messages for call in message.tool_calls}
    return tuple(name for name in pack.actions if name not in called)


def _unused(pack: Pack, dataset: Dataset) -> tuple[str, ...]:
    """Articles that no training conversation shows."""
    shown = {
        message.content
        for example in dataset.split("train")
        for message in example.messages
        if message.role == "tool"
    }
    text = "\n".join(shown)
    return tuple(article.id for article in pack.articles if article.text.strip() not in text)


def _advised(report: ReadinessReport, pack: Pack) -> ReadinessReport:
    return replace(report, advice=tuple(_advice(report, pack)))


def _advice(report: ReadinessReport, pack: Pack) -> Iterator[str]:
    if report.examples < FEW_EXAMPLES:
        yield f"Collect more conversations: {report.examples} are few, aim at {FEW_EXAMPLES} or more."
    if report.thin_intents:
        yield f"Collect at least {FEW_PER_INTENT} different requests for: {_named(report.thin_intents)}."
    if report.conflicts:
        first = report.conflicts[0]
        yield (
            f"Decide on one intent for {len(report.conflicts)} request(s) that have several, such as "
            f"“{first.request}” ({', '.join(first.intents)}; {', '.join(first.sources[:3])})."
        )
    if report.uncalled_actions:
        yield f"Show how these actions are called: {', '.join(report.uncalled_actions)}."
    if report.unused_articles:
        yield f"Add conversations that use these articles: {', '.join(report.unused_articles[:NAMED])}."
    if report.leaks:
        first_leak = report.leaks[0]
        yield (
            f"Remove {len(report.leaks)} training example(s) that repeat evaluation items, such as "
            f"{first_leak.source} ({first_leak.item})."
        )
    yield from _repetition_advice(report)
    if not pack.suite_files:
        yield "Write an evaluation suite in eval/: held-out cases are what proves the pack."
    known = {*report.intents, *(intent for _, intent in pack.requests)}
    unknown = sorted(set(pack.manifest.routing.always) - known)
    if unknown:
        yield f"routing.always names intents that no example has: {', '.join(unknown)}."
    if any(licence.startswith("LicenseRef-unknown") for licence in report.licences):
        yield "Find out under which licence the data is and name it in pack.yaml before you publish anything."


def _repetition_advice(report: ReadinessReport) -> Iterator[str]:
    if report.splits["valid"] < FEW_HELD_OUT:
        yield f"Only {report.splits['valid']} example(s) are held out: the validation loss is noisy."
    if report.duplicates:
        yield f"Remove {report.duplicates} exact duplicate(s): they teach nothing new."
    if report.near_leaks:
        yield f"{report.near_leaks} held-out example(s) have a near-duplicate in training: scores flatter."


def _named(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:NAMED])
    return f"{shown} and {len(counts) - NAMED} more" if len(counts) > NAMED else shown
