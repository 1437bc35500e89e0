"""What to collect next: each suggestion with what it is worth, ranked, with requests to begin with.

The worth of a suggestion is what the readiness score gains when it is followed. The example requests are made
of the pack's own words (its requests, questions of its articles, its arguments' values), so that they are
beginnings to reword, not data to paste.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from senmon.dataset.example import Dataset, Example
from senmon.dataset.likeness import core
from senmon.packs.pack import Article, Pack
from senmon.readiness.coverage import FEW_REQUESTS, Uncovered
from senmon.readiness.findings import KINDS, shortened
from senmon.readiness.score import (
    ENOUGH_CLUSTERS,
    ENOUGH_HELD_OUT,
    ENOUGH_ITEMS,
    ENOUGH_NEGATIVES,
    ENOUGH_REQUESTS,
    Evidence,
    Score,
)
from senmon.readiness.words import split

EXAMPLES = 5
#: Conversations of several turns that a pack should have at least, as a share.
SEVERAL_TURNS = 0.15
#: Suggestions of one sort that are listed one by one.
EACH = 6
#: Shorter requests look silly in a frame.
FEW_WORDS = 4
#: A word that fewer requests have may be a slip of the pen.
COMMON_WORD = 3
_OPENING = re.compile(
    r"^(?:(?:hi there|hey there|hi|hello|hey|well|so|ok|okay|um|just wondering|quick question|one thing"
    r"|sorry)\b[\s,.:!–-]*)+",
    re.I,
)
_MOOD = re.compile(r"[!?.]{2}|!|[:;]-?[()]|[^\w\s.,;:?'’“”\"()/%€$£+*=-]")
_ASKING = re.compile(
    r"(?:what|when|where|which|who|whose|why|how|do|does|did|is|are|was|were|can|could|will|would|should|may|has"
    r"|have)\b",
    re.I,
)
#: A shorter description of an action says too little to ask for it.
FEWEST_WORDS = 3
#: Frames that any request can stand in: other beginnings, lengths, moods. None is a greeting or punctuation
#: alone, which would leave the request the same one to the report (`core`).
_FRAMES = (
    "{upper} I need this today.",
    "Not sure if I'm right here: {lower}",
    "{upper} I already looked on the website and found nothing.",
    "My sister asked me to find out: {lower}",
    "I am asking for a friend: {lower}",
)
_NEXT_DOOR = (
    "Write a poem about {}.",
    "Who invented the {}?",
    "What is the Spanish word for {}?",
    "Which company makes the best {}?",
    "How many people in the world own a {}?",
    "Can I become rich by trading {}?",
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to do, why, how many points it is worth, and requests to begin with."""

    title: str
    why: str
    points: float
    examples: tuple[str, ...] = ()
    kind: str = ""


def suggestions(
    pack: Pack, dataset: Dataset, evidence: Evidence, missing: Uncovered, score: Score
) -> tuple[Suggestion, ...]:
    """The most worthwhile first."""
    requests = Requests.of(dataset)
    found = (
        *_repairs(evidence, score),
        *_thin(requests, evidence, score),
        *_narrow(requests, evidence, score),
        *_blurred(evidence, score),
        *_uncovered(pack, dataset, evidence, missing, score),
        *_proof(pack, dataset, requests, evidence, score),
        *_follow_ups(dataset, evidence),
    )
    return tuple(sorted(found, key=lambda one: -one.points))


#: Part of the score → kinds of findings whose removal fills it.
_REPAIRS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "leaks": (("split_leak", "suite_leak"), "Take out of training what is held out or asked in the suites"),
    "consistency": (
        ("intent_conflict", "action_conflict", "reply_conflict"),
        "Settle what contradicts itself",
    ),
    "checks": (("check_failure",), "Rewrite the replies that the pack's own checks refuse"),
    "privacy": (("personal_data",), "Replace personal data with made-up values"),
    "licences": (("licence",), "Clear up the licences"),
    "repetition": (("exact_duplicate", "near_duplicate"), "Remove repetitions, or reword them"),
}


def _repairs(evidence: Evidence, score: Score) -> Iterator[Suggestion]:
    for name, (kinds, title) in _REPAIRS.items():
        part = next(part for part in score.parts if part.name == name)
        shown = [one for kind in kinds for one in evidence.findings.of_kind(kind) if one.severity != "note"]
        if part.value is not None and part.value < 1 and (shown or name == "repetition"):
            shown = shown or [one for kind in kinds for one in evidence.findings.of_kind(kind)]
            why = " ".join(KINDS[kind].meaning for kind in kinds if evidence.findings.counts.get(kind))
            examples = tuple(f"{one.place}: {one.what}" for one in shown[:EXAMPLES])
            yield Suggestion(title, why, _gain(score, name, 1 - part.value), examples, name)


def _gain(score: Score, part: str, share: float) -> float:
    return round(score.weight(part) * share, 2)


def _thin(known: Requests, evidence: Evidence, score: Score) -> Iterator[Suggestion]:
    wanting = {name: count for name, count in evidence.requests.items() if count < ENOUGH_REQUESTS}
    for name, count in sorted(wanting.items(), key=lambda pair: pair[1])[:EACH]:
        more = ENOUGH_REQUESTS - count
        share = (more / ENOUGH_REQUESTS) / len(evidence.requests)
        why = f"It has {count} different training requests; {ENOUGH_REQUESTS} are enough."
        if count < FEW_REQUESTS:
            why += " With fewer than 8 the router guesses."
        yield Suggestion(
            f"Collect {more} more different request{'s' if more > 1 else ''} for “{name}”",
            why,
            _gain(score, "volume", share),
            tuple(islice(reworded(known.plainest(name)), EXAMPLES)),
            "thin_intent",
        )


@dataclass(frozen=True, slots=True)
class Requests:
    """The training requests by intent, and in how many of them each word stands."""

    by_intent: Mapping[str, Mapping[str, str]]
    words: Mapping[str, int]

    @classmethod
    def of(cls, dataset: Dataset) -> Requests:
        groups: dict[str, dict[str, str]] = defaultdict(dict)
        words: Counter[str] = Counter()
        for example in dataset.split("train"):
            groups[example.intent][core(example.request)] = example.request
        for group in groups.values():
            for text in group.values():
                words.update(set(split(text)))
        return cls(groups, words)

    def plainest(self, intent: str) -> list[str]:
        """Different requests of an intent, those that take a frame best first: without slips (words that
        hardly any other request has), without moods, short."""
        texts = {" ".join(_OPENING.sub("", text).split()) for text in self.by_intent.get(intent, {}).values()}
        return sorted(filter(None, texts), key=self._order)

    def _order(self, text: str) -> tuple[bool, bool, int, int, str]:
        slips = self._slips(text)
        return slips > 0, len(text.split()) <= FEW_WORDS, slips, len(text), text

    def _slips(self, text: str) -> int:
        rare = sum(self.words.get(word, 0) < COMMON_WORD for word in set(split(text)) if word.isalpha())
        return rare + bool(_MOOD.search(text)) + text.isupper()


def reworded(requests: Sequence[str]) -> Iterator[str]:
    """Each request in a frame that it has not stood in."""
    for number, text in enumerate(requests):
        plain = " ".join(text.split())
        if len(plain.split()) <= FEW_WORDS:
            yield f"in other words than “{plain}”"
            continue
        plain = plain.lower() if plain.isupper() else plain
        mark = "?" if _ASKING.match(plain) else "."
        ended = plain if plain.endswith((".", "?", "!")) else f"{plain}{mark}"
        yield _FRAMES[number % len(_FRAMES)].format(
            lower=plain[:1].lower() + plain[1:], upper=ended[:1].upper() + ended[1:]
        )


def _narrow(known: Requests, evidence: Evidence, score: Score) -> Iterator[Suggestion]:
    """Intents with enough requests that all say much the same."""
    spreads = evidence.meaning.spreads if evidence.meaning else ()
    narrow = [one for one in spreads if one.clusters < ENOUGH_CLUSTERS and one.sampled >= FEW_REQUESTS]
    for one in sorted(narrow, key=lambda spread: spread.clusters)[:EACH]:
        share = (1 - one.clusters / ENOUGH_CLUSTERS) / len(spreads)
        yield Suggestion(
            f"Ask for “{one.intent}” in more different ways",
            f"Its {one.sampled} sampled requests are worth about {one.clusters:.1f} different ones: same "
            f"words, "
            "other values. Other situations and other kinds of people are missing.",
            _gain(score, "meaning", share),
            tuple(f"not like: {text}" for text in known.plainest(one.intent)[:3]),
            "narrow_intent",
        )


def _blurred(evidence: Evidence, score: Score) -> Iterator[Suggestion]:
    """One suggestion for all mixed-up pairs: what one pair is worth depends on the others."""
    meaning, part = evidence.meaning, next(part for part in score.parts if part.name == "separation")
    if meaning is None or part.value is None or part.value == 1:
        return
    worst = meaning.blurs[:EXAMPLES]
    yield Suggestion(
        "Make intents easier to tell apart: write what only one of them can mean, or join two that ask "
        "the same",
        f"{meaning.accuracy:.1%} of unseen requests get their own intent, judged on {meaning.sampled} "
        f"sampled ones, when about {meaning.learnt} of each intent were learnt. "
        "The pairs that are mixed up most, with their nearest requests:",
        _gain(score, "separation", 1 - part.value),
        tuple(
            f"{one.intent}: “{one.request}” – {one.taken_for}: “{one.alike}” ({one.count} of {one.of})"
            for one in worst
        ),
        "blurred_intents",
    )


def _uncovered(
    pack: Pack, dataset: Dataset, evidence: Evidence, missing: Uncovered, score: Score
) -> Iterator[Suggestion]:
    coverage = missing.coverage
    parts = sum(1 for _, there in (coverage.actions, coverage.arguments, coverage.articles) if there) or 1
    shown = {call.name for one in dataset.split("train") for m in one.messages for call in m.tool_calls}
    for name, spec in pack.actions.items():
        if name not in shown:
            yield Suggestion(
                f"Show how `{name}` is called",
                f"No training conversation does. Its description: “{spec.description}”",
                _gain(score, "coverage", 1 / coverage.actions[1] / parts),
                tuple(_for_action(_purpose(name, spec.description), list(spec.candidates.values()))),
                "uncovered_action",
            )
    yield from _for_values(dataset, missing, score, parts)
    yield from _for_articles(pack, evidence, missing, score, parts)


def _purpose(name: str, description: str) -> str:
    """What an action is for; its name in words where the description says too little."""
    said = description.split()
    if len(said) >= FEWEST_WORDS and said[0].lower() not in ("for", "after", "when"):
        return description
    return re.sub(r"[_\W]+", " ", name.removeprefix("action_")).strip() or name


def _for_action(description: str, patterns: Sequence[str]) -> Iterator[str]:
    wanted = description.rstrip(".")
    yield f"Can you help me with this: {wanted}?"
    yield f"I need the {wanted}." if not wanted.split()[0].endswith("s") else f"Please: {wanted}."
    values = [
        value
        for pattern in patterns
        for group in re.findall(r"\(\?:([^()]+)\)", pattern)
        for value in group.split("|")
    ]
    yield from (f"About {value}: {wanted}?" for value in values[:2] if re.fullmatch(r"[\w' -]+", value))


def _for_values(dataset: Dataset, missing: Uncovered, score: Score, parts: int) -> Iterator[Suggestion]:
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for action, argument, value in missing.arguments:
        grouped[action, argument].append(value)
    for (action, argument), values in grouped.items():
        yield Suggestion(
            f"Use the missing values of `{action}({argument})`: "
            f"{', '.join(values[:4])}{' …' if len(values) > 4 else ''}",
            f"{len(values)} allowed values are in no training call.",
            _gain(score, "coverage", len(values) / missing.coverage.arguments[1] / parts),
            tuple(islice(_with_values(dataset, action, argument, values), EXAMPLES)),
            "uncovered_argument",
        )


def _with_values(dataset: Dataset, action: str, argument: str, values: Sequence[str]) -> Iterator[str]:
    """A request that called the action with a value that it names, with the missing values instead."""
    for example in dataset.split("train"):
        for message in example.messages:
            for call in message.tool_calls:
                used = str(call.arguments.get(argument, ""))
                if call.name == action and len(used) > 1 and used.casefold() in example.request.casefold():
                    before, after = re.split(re.escape(used), example.request, maxsplit=1, flags=re.I)
                    yield from (f"{before}{value}{after}" for value in values)
                    return


def _for_articles(
    pack: Pack, evidence: Evidence, missing: Uncovered, score: Score, parts: int
) -> Iterator[Suggestion]:
    unused = [article for article in pack.articles if article.id in evidence.counts.unused_articles]
    for article in unused[:EACH]:
        points = _gain(score, "coverage", 1 / missing.coverage.articles[1] / parts)
        yield Suggestion(
            f"Ask what the article “{article.title}” answers",
            "No training conversation uses it.",
            points,
            _questions(article),
            "uncovered_article",
        )
    facts = [(name, fact) for name, fact in missing.facts if name not in {article.id for article in unused}]
    if facts:
        titles = {article.id: article for article in pack.articles}
        yield Suggestion(
            f"Let replies use the facts that none names: "
            f"{', '.join(f'[[article.{fact}]]' for _, fact in facts[:4])}",
            f"{len(facts)} facts of articles are in no reply.",
            0.0,
            tuple(question for name, _ in facts[:EXAMPLES] for question in _questions(titles[name])[:1]),
            "uncovered_fact",
        )


def _questions(article: Article) -> tuple[str, ...]:
    title = article.title.rstrip("?.! ")
    return (*article.questions[:EXAMPLES], f"What should I know about {title[:1].lower()}{title[1:]}?")[
        :EXAMPLES
    ]


def _proof(
    pack: Pack, dataset: Dataset, known: Requests, evidence: Evidence, score: Score
) -> Iterator[Suggestion]:
    held = evidence.counts.splits["valid"] + evidence.counts.splits["test"]
    fewest = sorted(evidence.requests, key=lambda name: evidence.requests[name])[:EXAMPLES]
    asked = tuple(text for name in fewest for text in known.plainest(name)[:1])
    if evidence.items < ENOUGH_ITEMS:
        yield Suggestion(
            f"Write {ENOUGH_ITEMS - evidence.items} more evaluation items",
            "They prove what the pack can do. Ask as somebody would who has never seen the training data.",
            _gain(score, "proof", (1 - evidence.items / ENOUGH_ITEMS) / 3),
            tuple(f"in other words than “{text}”" for text in asked),
            "no_suite",
        )
    if held < ENOUGH_HELD_OUT:
        yield Suggestion(
            f"Hold {ENOUGH_HELD_OUT - held} more conversations out",
            "The held-out loss decides whether a new adapter is better; with few it is noisy.",
            _gain(score, "proof", (1 - held / ENOUGH_HELD_OUT) / 3),
            (),
            "few_held_out",
        )
    if evidence.negatives < ENOUGH_NEGATIVES:
        near = evidence.meaning.near_negatives if evidence.meaning else None
        told = "" if near is None else f" {near} of those looked at are close to the pack's subject."
        yield Suggestion(
            f"Write {ENOUGH_NEGATIVES - evidence.negatives} requests that this pack must not get",
            "The router learns the border from them: use the pack's words for what it does not answer."
            + told,
            _gain(score, "proof", (1 - evidence.negatives / ENOUGH_NEGATIVES) / 3),
            tuple(_next_door(dataset)),
            "few_negatives",
        )


_COMMON = frozenset(
    split(
        "what when where which who how why have has had with from about does your there this that into after "
        "before still just only more much many long some them they then than also been being please thanks "
        "thank hello help want need tell know like make take give find look order_id each every total will "
        "were other another same first assistance trying using could would should "
    )
)


def _next_door(dataset: Dataset) -> Iterator[str]:
    """Questions about the pack's commonest things that it does not answer."""
    words: Counter[str] = Counter()
    for example in dataset.split("train"):
        words.update(
            {
                word
                for word in split(example.request)
                if len(word) > 3 and word.isalpha() and word not in _COMMON
            }
        )
    for frame, (word, _) in zip(_NEXT_DOOR, words.most_common(len(_NEXT_DOOR)), strict=False):
        yield frame.format(word)


def _follow_ups(dataset: Dataset, evidence: Evidence) -> Iterator[Suggestion]:
    counts = evidence.counts
    if counts.examples and counts.several_turns / counts.examples < SEVERAL_TURNS:
        firsts: dict[str, Example] = {}
        for example in dataset.split("train"):
            firsts.setdefault(example.intent, example)
        pairs = list(firsts.values())
        examples = [
            f"{shortened(one.request, 80)} → (reply) → {shortened(other.request, 80)}"
            for one, other in pairwise(pairs)
        ]
        yield Suggestion(
            "Collect conversations that go on after the first reply",
            f"{counts.several_turns} of {counts.examples} have a second request; people ask on and refer "
            f"back.",
            1.0,
            tuple(examples[:EXAMPLES]),
            "single_turn",
        )
