"""From packs' examples to a fitted, calibrated router model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.embedding import Encoder
from senmon.routing.calibration import thresholds
from senmon.routing.classifier import Classifier, by_kernel, pool
from senmon.routing.descent import TOGETHER
from senmon.routing.features import Floats, Vocabulary
from senmon.routing.layers import Layers
from senmon.routing.model import NONE, RouterModel, encode, nearest
from senmon.routing.out_of_scope import NEAR, NEAR_TFIDF, foreign, outside
from senmon.routing.routes import PackRoutes
from senmon.routing.selection import Labelled, held_out, select

#: Up to here calibration scores come from five fits, each blind to a fifth; above, from one held-out split.
CROSS_FIT_UP_TO = 1500
FOLDS = 5
MAX_NONE = 1000
#: From this cosine on an example is a copy of a held-out one, and calibration does without it.
COPY = 0.9
#: A correction counts as much as so many examples.
CORRECTED = 4.0


@dataclass(frozen=True)
class _Rows:
    """Encoded texts (`dim`: length of one layer's vector), their classes, packs (−1: none) and weights."""

    dim: int
    vectors: Floats
    tfidf: Any
    labels: NDArray[np.int64]
    owner: NDArray[np.int32]
    emphasis: Floats

    @property
    def nearness_rows(self) -> Any:
        """What cosines are taken of."""
        return self.vectors[:, : self.dim] if self.vectors.shape[1] else self.tfidf

    def take(self, chosen: NDArray[np.bool_]) -> _Rows:
        return _Rows(
            self.dim,
            self.vectors[chosen],
            self.tfidf[chosen],
            self.labels[chosen],
            self.owner[chosen],
            self.emphasis[chosen],
        )


@dataclass(frozen=True)
class _Reading:
    """How texts become rows: the classes they are labelled with, the terms that count, the encoder."""

    intents: tuple[tuple[int, str], ...]
    packs: int
    vocabulary: Vocabulary
    encoder: Encoder | None

    def rows(self, texts: Sequence[str], labels: Sequence[int]) -> _Rows:
        owner = np.array([self.intents[label][0] for label in labels], dtype=np.int32)
        return _Rows(
            self.dim,
            encode(self.encoder, texts, wide=len(self.intents) <= TOGETHER),
            self.vocabulary.matrix(texts),
            np.array(labels, dtype=np.int64),
            owner,
            np.ones(len(texts), dtype=np.float32),
        )

    @property
    def owners(self) -> list[int]:
        return [pack for pack, _ in self.intents]

    @property
    def dim(self) -> int:
        return self.encoder.dim if self.encoder is not None else 0

    @property
    def near(self) -> float:
        return NEAR if self.encoder is not None else NEAR_TFIDF


def fit_model(routes: Sequence[PackRoutes], encoder: Encoder | None) -> RouterModel:
    """Fit and calibrate. Deterministic: neither the order of packs nor that of examples matters."""
    routes = sorted(routes, key=lambda one: one.pack)
    intents = _intents(routes)
    chosen = select(_texts(routes, intents))
    letters = not by_kernel(len(intents), encoder.width if encoder is not None else 0)
    vocabulary = Vocabulary.learn([one.text for one in chosen], classes=len(intents), letters=letters)
    reading = _Reading(intents, len(routes), vocabulary, encoder)
    known = reading.rows([one.text for one in chosen], [one.label for one in chosen])
    known = _with_corrections(known, routes, reading)
    none = _negatives(routes, known, reading)
    layers = Layers.learn(known.vectors, reading.dim)
    scores = _calibration_scores(chosen, known, none, reading, layers)
    return RouterModel(
        packs=tuple(one.pack for one in routes),
        intents=intents,
        vocabulary=vocabulary,
        classifier=_fit(known, none, reading, layers),
        vectors=known.vectors[:, : reading.dim].astype(np.float16).astype(np.float32),
        tfidf=None if encoder is not None else known.tfidf,
        owner=known.owner,
        thresholds=thresholds(scores, [one.promise for one in routes]),
    )


def _intents(routes: Sequence[PackRoutes]) -> tuple[tuple[int, str], ...]:
    found = {(at, intent) for at, one in enumerate(routes) for _, intent in one.examples}
    return ((-1, ""), *sorted(found))


def _texts(routes: Sequence[PackRoutes], intents: Sequence[tuple[int, str]]) -> dict[int, list[str]]:
    label = {intent: at for at, intent in enumerate(intents)}
    texts: dict[int, list[str]] = {}
    for at, one in enumerate(routes):
        for text, intent in one.examples:
            texts.setdefault(label[at, intent], []).append(text)
    return texts


def _with_corrections(known: _Rows, routes: Sequence[PackRoutes], reading: _Reading) -> _Rows:
    """Messages that people moved to a pack: examples of the intent whose example is nearest to each."""
    from scipy import sparse

    for at, one in enumerate(routes):
        mine = known.owner == at
        if not one.corrections or not mine.any():
            continue
        rows = reading.rows(one.corrections, [NONE] * len(one.corrections))
        cosines = rows.nearness_rows @ known.take(mine).nearness_rows.T
        cosines = cosines if isinstance(cosines, np.ndarray) else cosines.toarray()
        labels = known.labels[mine][cosines.argmax(axis=1)]
        place = int(np.flatnonzero(mine)[-1]) + 1  # owners must go on ascending
        count = len(one.corrections)
        known = _Rows(
            known.dim,
            np.concatenate([known.vectors[:place], rows.vectors, known.vectors[place:]]),
            sparse.vstack([known.tfidf[:place], rows.tfidf, known.tfidf[place:]]).tocsr(),
            np.concatenate([known.labels[:place], labels, known.labels[place:]]),
            np.concatenate([known.owner[:place], np.full(count, at, np.int32), known.owner[place:]]),
            np.concatenate(
                [known.emphasis[:place], np.full(count, CORRECTED, np.float32), known.emphasis[place:]]
            ),
        )
    return known


def _negatives(routes: Sequence[PackRoutes], known: _Rows, reading: _Reading) -> _Rows:
    """The class *none*: built-in messages and the packs' negatives, less what looks in-domain."""

    def nearness(texts: Sequence[str]) -> Floats:
        rows = reading.rows(texts, [NONE] * len(texts))
        return nearest(rows.nearness_rows, known.nearness_rows, known.owner, reading.packs)

    texts = set(outside(nearness, reading.near))
    for at, one in enumerate(routes):
        texts.update(foreign(one.negatives, at, nearness, reading.near))
    ordered = (
        [one.text for one in select({NONE: sorted(texts)}, each=MAX_NONE, limit=MAX_NONE)] if texts else []
    )
    rows = reading.rows(ordered, [NONE] * len(ordered))
    return _with_refusals(rows, sorted({text for one in routes for text in one.refusals}), reading)


def _with_refusals(none: _Rows, refusals: Sequence[str], reading: _Reading) -> _Rows:
    """*none* and what people said belongs to no pack."""
    from scipy import sparse

    if not refusals:
        return none
    rows = reading.rows(refusals, [NONE] * len(refusals))
    return _Rows(
        none.dim,
        np.concatenate([none.vectors, rows.vectors]),
        sparse.vstack([none.tfidf, rows.tfidf]).tocsr(),
        np.concatenate([none.labels, rows.labels]),
        np.concatenate([none.owner, rows.owner]),
        np.concatenate([none.emphasis, CORRECTED * rows.emphasis]),
    )


def _calibration_scores(
    chosen: Sequence[Labelled], known: _Rows, none: _Rows, reading: _Reading, layers: Layers
) -> list[Floats]:
    """Per pack the scores of its messages, each by a classifier that did not see it.

    `known` may hold corrections beside `chosen`; they are always seen and never judged.
    """
    out = _folds(chosen, known)
    scores = np.full(len(out), np.nan, dtype=np.float32)
    for number in range(int(out.max(initial=-1)) + 1):
        learnt = (out != number) & ~_copies(known, out == number)
        unseen = (out == number) & np.isin(known.labels, known.labels[learnt])
        if unseen.any():  # an intent's only example says nothing of unseen ones
            seen = known.take(learnt)
            scores[unseen] = _scores(_fit(seen, none, reading, layers), seen, known.take(unseen), reading)
    return [scores[(known.owner == pack) & ~np.isnan(scores)] for pack in range(reading.packs)]


def _copies(known: _Rows, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Examples of the same intent that say what a held-out one says: people's own words are never so near."""
    copies = np.zeros(len(known.labels), dtype=np.bool_)
    for label in np.unique(known.labels[held]):
        mine = known.labels == label
        cosines = known.take(mine).nearness_rows @ known.take(mine & held).nearness_rows.T
        cosines = cosines if isinstance(cosines, np.ndarray) else cosines.toarray()
        copies[mine] = (cosines >= COPY).any(axis=1)
    return copies


def _folds(chosen: Sequence[Labelled], known: _Rows) -> NDArray[np.int64]:
    """The turn in which a row is held out, −1 for never."""
    if len(chosen) > CROSS_FIT_UP_TO:
        turns = np.where(held_out(chosen), 0, -1).tolist()
    else:
        turns = [(one.rank + one.label) % FOLDS for one in chosen]
    folds = np.full(len(known.labels), -1, dtype=np.int64)
    folds[known.emphasis != CORRECTED] = turns
    return folds


def _fit(known: _Rows, none: _Rows, reading: _Reading, layers: Layers) -> Classifier:
    from scipy import sparse

    return Classifier.fit(
        np.concatenate([known.vectors, none.vectors]),
        sparse.vstack([known.tfidf, none.tfidf]).tocsr(),
        np.concatenate([known.labels, none.labels]),
        reading.owners,
        layers,
        np.concatenate([known.emphasis, none.emphasis]),
    )


def _scores(classifier: Classifier, seen: _Rows, unseen: _Rows, reading: _Reading) -> Floats:
    """Each unseen message's score for its own pack."""
    own = np.zeros(len(unseen.labels), dtype=np.float32)
    for pack in np.unique(unseen.owner):
        mine = unseen.take(unseen.owner == pack)
        shares = pool(classifier.probabilities(mine.vectors, mine.tfidf), reading.owners, reading.packs)
        there = seen.take(seen.owner == pack).nearness_rows
        near = nearest(mine.nearness_rows, there, np.zeros(there.shape[0], dtype=np.int32), 1)
        own[unseen.owner == pack] = shares[:, pack] * near[:, 0]
    return own
