"""Generates examples for review: which intents need them, from where, and what the sieve lets through."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from senmon.dataset.example import Dataset
from senmon.dataset.generation.candidate import Candidate, Method, Parent, training_parents
from senmon.dataset.generation.review_file import Entry, read_entries, write_entries
from senmon.dataset.generation.rule_sources import RuleSources
from senmon.dataset.generation.self_instruct import WANTED, Ask, written
from senmon.dataset.generation.shortage import shortages
from senmon.dataset.generation.sieve import Judge, Sieve
from senmon.dataset.generation.templates import load_templates
from senmon.errors import ConfigError, EngineError
from senmon.packs.atomic import locked_folder
from senmon.packs.pack import Pack

#: Rounds of asking a model about one intent, before it is given up.
MOST_ROUNDS = 12
PER_ROUND = 4
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to make. `per_intent` fills intents up to so many training examples (those that wait included);
    `count` is the total at most."""

    methods: tuple[Method, ...]
    per_intent: int | None = None
    count: int | None = None
    seed: int = 0
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class GenerationReport:
    """`made` are new entries, in order. `refused` counts candidates by reason; `short` says how many an
    intent still lacks. `notes` tell what went wrong on the way."""

    made: tuple[Entry, ...]
    waiting: int
    refused: Mapping[str, int]
    short: Mapping[str, int]
    notes: tuple[str, ...]
    dry_run: bool

    def by_intent(self) -> Mapping[str, Counter[str]]:
        """Intent → method → how many were made."""
        table: dict[str, Counter[str]] = {}
        for entry in self.made:
            table.setdefault(entry.intent, Counter())[entry.method] += 1
        return table


@dataclass(slots=True)
class _Work:
    sieve: Sieve
    needs: dict[str, int]
    progress: Progress | None
    total: int = 0
    made: list[Entry] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def consider(self, candidate: Candidate) -> bool:
        """Whether it was taken."""
        if candidate.id in self.seen:
            return False
        self.seen.add(candidate.id)
        if why := self.sieve.refusal(candidate):
            self.refused[_kind(why)] += 1
            return False
        entry = Entry(candidate.record())
        self.made.append(entry)
        self.sieve.know(entry.request, entry.id)
        self.needs[candidate.intent] -= 1
        if self.progress:
            self.progress(len(self.made), self.total)
        return True


async def generate(
    pack: Pack,
    dataset: Dataset,
    wish: Wish,
    judge: Judge,
    *,
    ask: Ask | None = None,
    on_progress: Progress | None = None,
) -> GenerationReport:
    """Makes examples and adds them to the pack's review file; the same seed on the same pack makes the same.

    `ask` is the model of `self-instruct`. When it fails half-way, what was made stays and a note says so.
    Raises PackInvalid for broken templates, DataInvalid for a broken review file, ConfigError when there is
    nothing to generate from, EngineError when the model fails at once. Nothing is written then.
    """
    templates = load_templates(pack) if "templates" in wish.methods else ()
    if "templates" in wish.methods and not templates:
        raise ConfigError(
            f"{pack.name} has no templates", remedy="write generate/orders.yaml (see docs/generating.md)"
        )
    known = read_entries(pack.path)
    parents = training_parents(pack, dataset)
    sources = RuleSources(pack, parents, templates, wish.seed)
    work = _work(pack, dataset, judge, wish, known, sources.intents(wish.methods), on_progress)
    for intent, wanted in list(work.needs.items()):
        _by_rule(work, sources, intent, wanted, wish.methods)
    notes: list[str] = []
    if "self-instruct" in wish.methods and ask is not None:
        notes = await _by_model(work, parents, ask, wish)
    if work.made and not wish.dry_run:
        known = _add(pack, work.made)
    waiting = sum(entry.status == "waiting" for entry in (*known, *(work.made if wish.dry_run else ())))
    short = {intent: need for intent, need in work.needs.items() if need > 0}
    return GenerationReport(
        tuple(work.made), waiting, dict(work.refused.most_common()), short, tuple(notes), wish.dry_run
    )


def _add(pack: Pack, made: Sequence[Entry]) -> tuple[Entry, ...]:
    """The review file with what was made; decisions that fell meanwhile stay."""
    with locked_folder(pack.path):
        known = read_entries(pack.path)
        ids = {entry.id for entry in known}
        entries = (*known, *(entry for entry in made if entry.id not in ids))
        write_entries(pack.path, entries)
    return entries


def _work(
    pack: Pack,
    dataset: Dataset,
    judge: Judge,
    wish: Wish,
    known: Sequence[Entry],
    intents: Iterable[str],
    progress: Progress | None,
) -> _Work:
    sieve = Sieve(pack, dataset, judge)
    taken = {example.id for example in dataset.examples}
    for entry in known:
        if entry.id not in taken:
            sieve.know(entry.request, entry.id)
    counts = Counter(dict.fromkeys(intents, 0))
    have = [example.intent for example in dataset.split("train")]
    have += [entry.intent for entry in known if entry.status == "waiting"]
    counts.update(intent for intent in have if intent in counts)
    needs = shortages(counts, per_intent=wish.per_intent, count=wish.count)
    work = _Work(sieve, needs, progress, sum(needs.values()))
    work.seen = {entry.id for entry in known} | taken
    return work


def _by_rule(work: _Work, sources: RuleSources, intent: str, wanted: int, methods: Sequence[Method]) -> None:
    """The methods share an intent; what one can't make, the next may. A model's share is left to it."""
    streams = {
        method: iter(sources.offers(method, intent)) for method in methods if method != "self-instruct"
    }
    share = math.ceil(wanted / len(methods))
    left = wanted - share if "self-instruct" in methods else wanted
    while streams and left > 0:
        for method in list(streams):
            for candidate in streams[method]:
                if work.consider(candidate):
                    left -= 1
                    break
            else:
                del streams[method]
            if left == 0:
                break


async def _by_model(work: _Work, parents: Sequence[Parent], ask: Ask, wish: Wish) -> list[str]:
    """Asks until each intent has enough, or the model brings nothing new."""
    by_intent: dict[str, list[Parent]] = {}
    for parent in parents:
        by_intent.setdefault(parent.example.intent, []).append(parent)
    for intent, need in list(work.needs.items()):
        for start in range(MOST_ROUNDS):
            if work.needs[intent] <= 0 or intent not in by_intent:
                break
            rounds = range(PER_ROUND * start, PER_ROUND * start + min(PER_ROUND, math.ceil(need / WANTED)))
            try:
                answers = await written(by_intent[intent], rounds, ask, wish.seed)
            except EngineError as error:
                if not work.made:
                    raise
                return [f"the model failed after {len(work.made)} examples, which are kept: {error}"]
            before = len(work.made)
            for candidate in (candidate for answer in answers for candidate in answer):
                if work.needs[intent] > 0:
                    work.consider(candidate)
            if len(work.made) == before:
                break
    return []


def _kind(why: str) -> str:
    """The reason without names and places, to count by."""
    for start in ("is the same request", "is almost the same request", "would leak"):
        if why.startswith(start):
            return start
    return why[:100]
