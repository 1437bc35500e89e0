"""What the sentence encoder sees: how far requests spread, which intents blur, which exam items were seen.

Works on a sample of distinct requests, evenly over intents, because encoding is the costly part.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from senmon.dataset.example import Dataset, Example
from senmon.dataset.likeness import core, overlap, user_turns, words_of
from senmon.embedding import Encoder
from senmon.readiness.findings import Finding, finding, shortened
from senmon.readiness.repetition import ExamItem
from senmon.routing.classifier import Classifier
from senmon.routing.features import Vocabulary
from senmon.routing.layers import Layers

#: Distinct training requests that are encoded: so many of each intent, between these bounds. Intents can't be
#: told apart by a dozen requests each, so with many intents a small sample would blame the data.
EACH_INTENT = 45
LEAST_REQUESTS, MOST_REQUESTS = 600, 1500
#: Exam items beside them.
MOST_ITEMS = 200
FOLDS = 3
#: Fewer examples of an intent can't be cross-validated.
FEWEST_FOLDED = 3
#: Of requests with different intents, this share lies below the threshold of sameness.
CALIBRATION = 0.95
LEAST_SAME, MOST_SAME = 0.75, 0.97
#: Words in common from which two requests with different cores are one sentence with another thing in it, and
#: the thing is what matters: a tent in place of a stove.
ONE_SENTENCE = 0.5
PAIRS = 12

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spread:
    """One intent: sampled requests, mean cosine distance to the nearest other, effective number of clusters.

    `clusters` is the Vendi score (Friedman & Dieng 2023, arXiv 2210.02410): the exponential of the entropy of
    the similarity matrix' eigenvalues. 1: all the same; n: n that have nothing in common.
    """

    intent: str
    sampled: int
    nearest: float
    clusters: float


@dataclass(frozen=True, slots=True)
class Blur:
    """Requests of `intent` that the router takes for `taken_for`, cross-validated; with the closest pair."""

    intent: str
    taken_for: str
    count: int
    of: int
    request: str
    alike: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """`threshold` is the cosine from which two requests count as the same, calibrated on this pack."""

    sampled: int
    threshold: float
    spreads: tuple[Spread, ...]
    accuracy: float | None
    blurs: tuple[Blur, ...]
    findings: tuple[Finding, ...]
    near_negatives: int | None = None
    points: tuple[tuple[str, float, float], ...] = field(default=())

    @property
    def learnt(self) -> int:
        """Requests of an intent that the cross-validated classifier has seen, on average."""
        return round(self.sampled * (FOLDS - 1) / FOLDS / max(1, len(self.spreads)))


@dataclass(frozen=True)
class _Sample:
    """`wide` are what the router reads, `vectors` their part of the encoder's last layer."""

    examples: tuple[Example, ...]
    wide: Vectors
    vectors: Vectors

    @property
    def intents(self) -> tuple[str, ...]:
        return tuple(example.intent for example in self.examples)


def measure_meaning(
    dataset: Dataset, items: Sequence[ExamItem], negatives: Sequence[str], encoder: Encoder
) -> Meaning:
    train = dataset.split("train")
    wanted = EACH_INTENT * len({example.intent for example in train})
    chosen = sample(train, min(MOST_REQUESTS, max(LEAST_REQUESTS, wanted)))
    asked = [item for item in items if len(user_turns(item.messages)) == 1][:MOST_ITEMS]
    beside = list(negatives)[: MOST_ITEMS // 2]
    texts = [*(one.request for one in chosen), *(user_turns(item.messages)[0] for item in asked), *beside]
    wide = encoder.layers(texts)
    vectors = np.ascontiguousarray(wide[:, : encoder.dim])
    own, rest = vectors[: len(chosen)], vectors[len(chosen) :]
    known = _Sample(tuple(chosen), wide[: len(chosen)], own)
    threshold = calibrated(known)
    accuracy, blurs = confusion(known)
    found = (
        *_likely_conflicts(known, threshold),
        *_reworded_items(known, asked, rest[: len(asked)], threshold),
    )
    near = rest[len(asked) :] @ own.T if len(own) and beside else None
    return Meaning(
        sampled=len(chosen),
        threshold=threshold,
        spreads=tuple(_spreads(known)),
        accuracy=accuracy,
        blurs=blurs,
        findings=found,
        near_negatives=None if near is None else int((near.max(axis=1) >= NEAR_NEGATIVE).sum()),
        points=_map(known),
    )


#: Chosen on CLINC150's validation requests (`docs/readiness.md`).
ALONE, MARGIN = 0.65, 0.2
#: A negative that is at least so close to some request of the pack comes from next door.
NEAR_NEGATIVE = 0.35


def sample(examples: Sequence[Example], most: int) -> list[Example]:
    """Requests with different cores, evenly over intents, in the order of the data."""
    groups: dict[str, dict[str, Example]] = defaultdict(dict)
    for example in examples:
        groups[example.intent].setdefault(core(example.request), example)
    waiting = sorted((list(group.values()) for group in groups.values()), key=len)
    chosen: list[Example] = []
    for at, group in enumerate(waiting):
        share = max(1, (most - len(chosen)) // (len(waiting) - at))
        step = len(group) / min(share, len(group))
        chosen += [group[int(number * step)] for number in range(min(share, len(group)))]
    return chosen[:most]


def calibrated(known: _Sample) -> float:
    """The cosine that 95 % of the requests don't reach with any request of another intent in other words."""
    if len(set(known.intents)) < 2:
        return 0.85
    labels = np.unique(known.intents, return_inverse=True)[1]
    similarity = known.vectors @ known.vectors.T
    similarity[labels[:, None] == labels[None, :]] = -1.0
    highest = [
        float(row[at])
        for one, row, at in zip(known.examples, similarity, similarity.argmax(axis=1), strict=True)
        if not _one_sentence(one.request, known.examples[at].request)
    ]
    return float(np.clip(np.quantile(highest, CALIBRATION), LEAST_SAME, MOST_SAME)) if highest else 0.85


def _one_sentence(one: str, other: str) -> bool:
    return overlap(words_of(one), words_of(other)) >= ONE_SENTENCE


def _spreads(known: _Sample) -> Iterator[Spread]:
    rows: dict[str, list[int]] = defaultdict(list)
    for at, intent in enumerate(known.intents):
        rows[intent].append(at)
    for intent, chosen in sorted(rows.items()):
        vectors = known.vectors[chosen].astype(np.float64)
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -1.0)
        nearest = float(1 - similarity.max(axis=1).mean()) if len(chosen) > 1 else 0.0
        yield Spread(intent, len(chosen), nearest, vendi(vectors))


def vendi(vectors: NDArray[np.float64]) -> float:
    """The Vendi score of unit vectors [n, dim] under the cosine kernel."""
    n, dim = vectors.shape
    if not n:
        return 0.0
    kernel = vectors @ vectors.T if n <= dim else vectors.T @ vectors
    values = np.linalg.eigvalsh(kernel / n)
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def confusion(known: _Sample) -> tuple[float | None, tuple[Blur, ...]]:
    """The router's own classifier, cross-validated: accuracy over intents, and the pairs that it mixes up."""
    counts = Counter(known.intents)
    names = sorted(name for name, count in counts.items() if count >= FEWEST_FOLDED)
    if len(names) < 2:
        return None, ()
    rows = np.array([at for at, intent in enumerate(known.intents) if intent in set(names)])
    texts = [known.examples[at].request for at in rows]
    labels = np.array([names.index(known.intents[at]) for at in rows])
    folds = _folds(labels)
    matrix = Vocabulary.learn(texts, letters=False).matrix(texts)
    guessed = np.zeros(len(rows), dtype=np.int64)
    owners = [-1, *[0] * len(names)]  # one pack; class 0 is *none*, of which there are no examples
    wide = known.wide[rows]
    for fold in range(FOLDS):
        out = folds == fold
        layers = Layers.learn(wide[~out], known.vectors.shape[1])
        model = Classifier.fit(wide[~out], matrix[~out], labels[~out] + 1, owners, layers)
        guessed[out] = model.probabilities(wide[out], matrix[out])[:, 1:].argmax(axis=1)
    wrong = Counter(zip(labels[guessed != labels].tolist(), guessed[guessed != labels].tolist(), strict=True))
    vectors = known.vectors[rows]
    blurs = (_blur(names, texts, vectors, labels, pair, count) for pair, count in wrong.most_common(PAIRS))
    return float((guessed == labels).mean()), tuple(blurs)


def _folds(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each intent's requests dealt out in turn."""
    folds = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        folds[places] = np.arange(len(places)) % FOLDS
    return folds


def _blur(
    names: Sequence[str],
    texts: Sequence[str],
    vectors: Vectors,
    labels: NDArray[np.int64],
    pair: tuple[int, int],
    count: int,
) -> Blur:
    mine, others = np.flatnonzero(labels == pair[0]), np.flatnonzero(labels == pair[1])
    similarity = vectors[mine] @ vectors[others].T
    row, column = np.unravel_index(int(similarity.argmax()), similarity.shape)
    request, alike = texts[mine[row]], texts[others[column]]
    return Blur(names[pair[0]], names[pair[1]], count, len(mine), request, alike)


def _likely_conflicts(known: _Sample, threshold: float) -> Iterator[Finding]:
    """Pairs of other intents that mean nearly the same; equal cores are told elsewhere. Signs without a word,
    such as two emoji, have one vector for all: they say nothing here."""
    similarity = np.triu(known.vectors @ known.vectors.T, 1)
    told: set[int] = set()
    pairs = np.argwhere(similarity >= threshold)
    for row, column in sorted(pairs.tolist(), key=lambda at: -float(similarity[at[0], at[1]])):
        one, other = known.examples[row], known.examples[column]
        if one.intent == other.intent or row in told or column in told:
            continue
        if not (_speaks(one.request) and _speaks(other.request)) or differ(one.request, other.request):
            continue
        told.update((row, column))
        said = [f"“{shortened(each.request, 80)}” is {each.intent}" for each in (one, other)]
        yield finding(
            "intent_conflict_likely",
            "note",
            [one.source, other.source],
            ", ".join(said),
            "if they ask the same, give them one intent",
            float(similarity[row, column]),
        )


def _speaks(text: str) -> bool:
    return any(map(str.isalnum, text))


def _reworded_items(
    known: _Sample, items: Sequence[ExamItem], vectors: Vectors, threshold: float
) -> Iterator[Finding]:
    """Items that mean what a sampled training request means, though the words differ: nearer than the
    threshold, or near and much nearer than to any request of another intent."""
    if not len(known.examples) or not items:
        return
    similarity = vectors @ known.vectors.T
    intents = np.array(known.intents)
    for item, row in zip(items, similarity, strict=True):
        at = int(row.argmax())
        others = float(row[intents != intents[at]].max(initial=0.0))
        alone = row[at] >= ALONE and row[at] - others >= MARGIN
        nearest = known.examples[at]
        asked = user_turns(item.messages)[0]
        if not (row[at] >= threshold or alone) or differ(asked, nearest.request):
            continue
        yield finding(
            "suite_leak_reworded",
            "note",
            [item.source, nearest.source],
            f"“{shortened(asked, 90)}” is close to the training request “{shortened(nearest.request, 90)}”",
            "fine if the suite has others; reword the one or the other if it does not",
            float(row[at]),
        )


_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATIONS = re.compile(
    r"\b(?:not|no|never|without|cannot|\w+n['’]t|(?:do|does|did|is|are|was|wo|would|could|should|have|has)nt|cant)\b",
    re.I,
)


def differ(one: str, other: str) -> bool:
    """Whether numbers, negations or one thing in place of another tell two requests apart, which a sentence
    vector hardly sees. Equal cores are told elsewhere."""
    if _one_sentence(one, other):
        return True
    if sorted(_NUMBERS.findall(core(one))) != sorted(_NUMBERS.findall(core(other))):
        return True
    return bool(_NEGATIONS.search(one)) != bool(_NEGATIONS.search(other))


def _map(known: _Sample) -> tuple[tuple[str, float, float], ...]:
    """(intent, x, y): the first two principal components, for the picture."""
    if len(known.examples) < 3:
        return ()
    centred = known.vectors.astype(np.float64) - known.vectors.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    flat = centred @ axes[:, np.argsort(values)[::-1][:2]]
    return tuple((intent, float(x), float(y)) for intent, (x, y) in zip(known.intents, flat, strict=True))
