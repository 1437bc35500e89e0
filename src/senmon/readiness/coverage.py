"""What the pack has and the training data doesn't show: intents, actions, arguments, articles, facts,
proof."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from senmon.dataset.example import Dataset
from senmon.dataset.likeness import core
from senmon.dataset.report import DatasetCounts
from senmon.packs.manifest import ActionSpec
from senmon.packs.pack import Pack
from senmon.readiness.findings import Finding, finding
from senmon.rendering import references

#: Distinct requests of an intent below which the router can't tell it.
FEW_REQUESTS = 8
FEW_HELD_OUT = 20
FEW_ITEMS = 30
FEW_NEGATIVES = 20
#: Values of one argument that are named in a finding.
NAMED = 12
#: A pattern of candidates that is a list of values: `(?i)\b(?:ridge tent|fell backpack)\b`.
_WRITTEN_OUT = re.compile(r"(?:\(\?i\))?(?:\\b)?\(\?:((?:[\w' -]+\|)+[\w' -]+)\)(?:\\b)?")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shown of what there is, each as (shown, all)."""

    actions: tuple[int, int]
    arguments: tuple[int, int]
    articles: tuple[int, int]
    facts: tuple[int, int]

    @property
    def share(self) -> float:
        """Mean of the shares; a part that the pack does not have is left out. 1 for a pack of talk alone."""
        shares = [shown / there for shown, there in (self.actions, self.arguments, self.articles) if there]
        return sum(shares) / len(shares) if shares else 1.0


@dataclass(frozen=True, slots=True)
class Uncovered:
    """`arguments`: (action, argument, value) that no training call shows; `facts`: (article, fact)."""

    coverage: Coverage
    arguments: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]


def uncovered(pack: Pack, dataset: Dataset, counts: DatasetCounts) -> Uncovered:
    used = _used_values(dataset)
    wanted = [
        (name, argument, value) for name, spec in pack.actions.items() for argument, value in values_of(spec)
    ]
    arguments = tuple(one for one in wanted if (one[0], one[1], one[2].casefold()) not in used)
    named = {
        name
        for example in dataset.split("train")
        for message in example.messages
        if message.role == "assistant"
        for name in references(message.content)
    }
    for article in pack.articles:
        if article.id not in counts.unused_articles:  # a reply that says its answer names the answer's facts
            named.update(references(article.answer))
    facts = [(article.id, fact) for article in pack.articles for fact in article.facts]
    missing = tuple((article, fact) for article, fact in facts if f"article.{fact}" not in named)
    coverage = Coverage(
        actions=(len(pack.actions) - len(counts.uncalled_actions), len(pack.actions)),
        arguments=(len(wanted) - len(arguments), len(wanted)),
        articles=(len(pack.articles) - len(counts.unused_articles), len(pack.articles)),
        facts=(len(facts) - len(missing), len(facts)),
    )
    return Uncovered(coverage, arguments, missing)


def values_of(spec: ActionSpec) -> Iterator[tuple[str, str]]:
    """(argument, value) where the values are written out: enums, booleans, alternatives of a pattern."""
    for name, schema in spec.parameters.get("properties", {}).items():
        if not isinstance(schema, Mapping):
            continue
        if isinstance(schema.get("enum"), list):
            yield from ((name, str(value)) for value in schema["enum"])
        elif schema.get("type") == "boolean":
            yield from ((name, value) for value in ("true", "false"))
    for name, pattern in spec.candidates.items():
        if listed := _WRITTEN_OUT.fullmatch(pattern):
            yield from ((name, value.strip()) for value in listed[1].split("|"))


def _used_values(dataset: Dataset) -> set[tuple[str, str, str]]:
    return {
        (call.name, argument, str(value).casefold())
        for example in dataset.split("train")
        for message in example.messages
        for call in message.tool_calls
        for argument, value in call.arguments.items()
    }


def distinct_requests(pack: Pack, dataset: Dataset) -> Mapping[str, int]:
    """Intent → training requests that differ in more than politeness, those for the router alone included."""
    cores: dict[str, set[str]] = {intent: set() for intent in dataset.intents()}
    for example in dataset.split("train"):
        cores[example.intent].add(core(example.request))
    for text, intent in pack.requests:
        cores.setdefault(intent, set()).add(core(text))
    return {intent: len(found) for intent, found in cores.items()}


def coverage_findings(
    pack: Pack, counts: DatasetCounts, missing: Uncovered, requests: Mapping[str, int], items: int
) -> Iterator[Finding]:
    yield from _thin(requests)
    for name in counts.uncalled_actions:
        yield finding(
            "uncovered_action", "warning", [name], f"no training conversation calls `{name}`", "show a few"
        )
    grouped: dict[tuple[str, str], list[str]] = {}
    for action, argument, value in missing.arguments:
        grouped.setdefault((action, argument), []).append(value)
    for (action, argument), values in grouped.items():
        what = f"`{action}({argument})` is never {_listed(values)}"
        yield finding("uncovered_argument", "note", [action], what, "ask for each of them once or twice")
    for article in counts.unused_articles:
        what = f"no training conversation shows the article `{article}`"
        yield finding("uncovered_article", "warning", [article], what, "ask what it answers")
    for article, fact in missing.facts:
        what = f"no reply names `[[article.{fact}]]`"
        yield finding("uncovered_fact", "note", [article], what, "answer with it once, or drop it")
    yield from _proof(pack, counts, items)


def _thin(requests: Mapping[str, int]) -> Iterator[Finding]:
    for intent, count in sorted(requests.items(), key=lambda pair: pair[1]):
        if count < FEW_REQUESTS:
            what = f"`{intent}` has {count} different training request{'s' if count != 1 else ''}"
            remedy = f"collect {FEW_REQUESTS} or more, in other people's words"
            yield finding("thin_intent", "warning", [intent], what, remedy)


def _listed(values: list[str]) -> str:
    more = f" and {len(values) - NAMED} more" if len(values) > NAMED else ""
    return ", ".join(f"“{value}”" for value in values[:NAMED]) + more


def _proof(pack: Pack, counts: DatasetCounts, items: int) -> Iterator[Finding]:
    if items < FEW_ITEMS:
        what = f"{items} evaluation items" if items else "there is no evaluation suite"
        yield finding(
            "no_suite", "warning", ["eval/"], what, f"write {FEW_ITEMS} or more: docs/packs.md says how"
        )
    held = counts.splits["valid"] + counts.splits["test"]
    if held < FEW_HELD_OUT:
        what = f"{held} conversations are held out"
        yield finding(
            "few_held_out",
            "warning",
            ["data/"],
            what,
            f"hold {FEW_HELD_OUT} or more out (data.valid_percent)",
        )
    if len(pack.negatives) < FEW_NEGATIVES:
        what = f"{len(pack.negatives)} negatives"
        yield finding(
            "few_negatives",
            "warning",
            ["routing.negatives"],
            what,
            f"write {FEW_NEGATIVES} or more requests that it must not get",
        )
    known = {*counts.intents, *(intent for _, intent in pack.requests)}
    for intent in sorted(set(pack.manifest.routing.always) - known):
        what = f"`routing.always` names `{intent}`, which no example has"
        yield finding("routing_name", "warning", ["pack.yaml"], what, "correct the name")
