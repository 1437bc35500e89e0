"""Where candidates come from without a model: templates, paraphrases, noise."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from senmon.dataset.generation.candidate import Candidate, Method, Parent, with_request
from senmon.dataset.generation.noise import noisy
from senmon.dataset.generation.paraphrase import paraphrases
from senmon.dataset.generation.protected import copied_values, protected_spans
from senmon.dataset.generation.templates import NamedTemplate, filled
from senmon.packs.pack import Pack

#: Candidates offered per template and per noisy parent, before an intent is given up.
TEMPLATE_TRIES = 60
NOISE_TRIES = 4
PARAPHRASES = 4
#: A word that occurs less often in requests and articles is probably a slip.
KNOWN = 3
_WORDS = re.compile(r"[a-z]{3,}")


class RuleSources:
    """Candidates per method and intent, in an order that depends on the seed alone."""

    def __init__(
        self, pack: Pack, parents: Sequence[Parent], templates: Sequence[NamedTemplate], seed: int
    ) -> None:
        self._seed = seed
        self._patterns = tuple(
            pattern for spec in pack.actions.values() for pattern in spec.candidates.values()
        )
        self._templates: dict[str, list[NamedTemplate]] = defaultdict(list)
        for template in templates:
            self._templates[template.template.intent].append(template)
        self._parents = _distinct(parents)
        self._vocabulary = _vocabulary(pack, parents)

    def intents(self, methods: Sequence[Method]) -> tuple[str, ...]:
        """Those that these methods can make examples of."""
        others = [] if set(methods) == {"templates"} else list(self._parents)
        return tuple(sorted({*others, *self._templates}))

    def offers(self, method: Method, intent: str) -> Iterator[Candidate]:
        """Candidates, in bounded number."""
        random = Random(f"{self._seed}:{method}:{intent}")
        if method == "templates":
            yield from self._from_templates(intent, random)
        elif method == "paraphrase":
            yield from self._paraphrased(intent, random)
        elif method == "noise":
            yield from self._noisy(intent, random)

    def _from_templates(self, intent: str, random: Random) -> Iterator[Candidate]:
        for _ in range(TEMPLATE_TRIES):
            for template in self._templates.get(intent, ()):
                yield filled(template, random, self._seed)

    def _paraphrased(self, intent: str, random: Random) -> Iterator[Candidate]:
        """The first way of every parent, then the second of every parent: variety before number."""
        found = [
            (parent, paraphrases(text, spans, random)[:PARAPHRASES])
            for parent, text, spans in self._shuffled(intent, random)
            if self._fluent(text)
        ]
        for round in range(PARAPHRASES):
            for parent, ways in found:
                if round < len(ways):
                    yield with_request(parent, ways[round], "paraphrase", self._seed)

    def _noisy(self, intent: str, random: Random) -> Iterator[Candidate]:
        every = list(self._shuffled(intent, random))
        parents = [one for one in every if self._fluent(one[1])] or every
        for _ in range(NOISE_TRIES):
            for parent, text, spans in parents:
                if changed := noisy(text, spans, random):
                    yield with_request(parent, changed, "noise", self._seed)

    def _shuffled(
        self, intent: str, random: Random
    ) -> Iterator[tuple[Parent, str, tuple[tuple[int, int], ...]]]:
        parents = list(self._parents.get(intent, ()))
        random.shuffle(parents)
        for parent in parents:
            text = parent.example.request
            yield parent, text, protected_spans(text, copied_values(parent), self._patterns)

    def _fluent(self, text: str) -> bool:
        """Whether its words are known: a typing error must not be copied as if it were English."""
        return all(self._vocabulary[word] >= KNOWN for word in _WORDS.findall(text.lower()))


def _distinct(parents: Sequence[Parent]) -> Mapping[str, list[Parent]]:
    """Intent → parents with different requests."""
    found: dict[str, dict[str, Parent]] = defaultdict(dict)
    for parent in parents:
        found[parent.example.intent].setdefault(parent.example.request, parent)
    return {intent: list(texts.values()) for intent, texts in found.items()}


def _vocabulary(pack: Pack, parents: Sequence[Parent]) -> Counter[str]:
    """How often each word occurs in different requests; those that people edited for print count as known."""
    counts: Counter[str] = Counter()
    texts = {parent.example.request.lower() for parent in parents}
    for text in texts:
        counts.update(set(_WORDS.findall(text)))
    if len(texts) < 200:  # too few to tell slips from rare words
        counts.update({word: KNOWN for text in texts for word in _WORDS.findall(text)})
    replies = [
        message.content for parent in parents for message in parent.example.messages if message.role != "user"
    ]
    for text in {*replies, *(f"{article.title} {article.text}" for article in pack.articles)}:
        counts.update(dict.fromkeys(_WORDS.findall(text.lower()), KNOWN))
    return counts
