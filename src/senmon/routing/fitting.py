"""From packs' examples to a fitted, calibrated router model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.embedding import Encoder
from senmon.routing.calibration import PROMISE, thresholds
from senmon.routing.classifier import Classifier, pool
from senmon.routing.features import Floats, Vocabulary
from senmon.routing.model import NONE, RouterModel, encode, nearest
from senmon.routing.out_of_scope import NEAR, NEAR_TFIDF, foreign, outside
from senmon.routing.routes import PackRoutes
from senmon.routing.selection import Labelled, held_out, select

#: Up to here calibration scores come from five fits, each blind to a fifth; above, from one held-out split.
CROSS_FIT_UP_TO = 1500
FOLDS = 5
MAX_NONE = 1000


@dataclass(frozen=True)
class _Rows:
    """Encoded texts with their classes and packs (−1: none)."""

    vectors: Floats
    tfidf: Any
    labels: NDArray[np.int64]
    owner: NDArray[np.int32]

    def take(self, chosen: NDArray[np.bool_]) -> _Rows:
        return _Rows(self.vectors[chosen], self.tfidf[chosen], self.labels[chosen], self.owner[chosen])


def fit_model(routes: Sequence[PackRoutes], encoder: Encoder | None, promise: float = PROMISE) -> RouterModel:
    """Fit and calibrate. Deterministic: neither the order of packs nor that of examples matters."""
    routes = sorted(routes, key=lambda one: one.pack)
    intents = _intents(routes)
    chosen = select(_texts(routes, intents))
    vocabulary = Vocabulary.learn([one.text for one in chosen])
    known = _rows([one.text for one in chosen], [one.label for one in chosen], intents, vocabulary, encoder)
    none = _negatives(routes, known, intents, vocabulary, encoder)
    classifier, scores = _calibrated(chosen, known, none, intents, len(routes))
    return RouterModel(
        packs=tuple(one.pack for one in routes),
        intents=intents,
        vocabulary=vocabulary,
        classifier=classifier,
        vectors=known.vectors.astype(np.float16).astype(np.float32),
        tfidf=None if encoder is not None else known.tfidf,
        owner=known.owner,
        thresholds=thresholds(scores, promise),
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


def _rows(
    texts: Sequence[str],
    labels: Sequence[int],
    intents: Sequence[tuple[int, str]],
    vocabulary: Vocabulary,
    encoder: Encoder | None,
) -> _Rows:
    owner = np.array([intents[label][0] for label in labels], dtype=np.int32)
    vectors = encode(encoder, texts)
    return _Rows(vectors, vocabulary.matrix(texts), np.array(labels, dtype=np.int64), owner)


def _negatives(
    routes: Sequence[PackRoutes],
    known: _Rows,
    intents: Sequence[tuple[int, str]],
    vocabulary: Vocabulary,
    encoder: Encoder | None,
) -> _Rows:
    """The class *none*: built-in messages and the packs' negatives, less what looks in-domain."""

    def nearness(texts: Sequence[str]) -> Floats:
        if encoder is not None:
            similarity = encode(encoder, texts) @ known.vectors.T
        else:
            similarity = (vocabulary.matrix(texts) @ known.tfidf.T).toarray()
        return nearest(similarity, known.owner, len(routes))

    near = NEAR if encoder is not None else NEAR_TFIDF
    texts = set(outside(nearness, near))
    for at, one in enumerate(routes):
        texts.update(foreign(one.negatives, at, nearness, near))
    ordered = (
        [one.text for one in select({NONE: sorted(texts)}, each=MAX_NONE, limit=MAX_NONE)] if texts else []
    )
    return _rows(ordered, [NONE] * len(ordered), intents, vocabulary, encoder)


def _calibrated(
    chosen: Sequence[Labelled], known: _Rows, none: _Rows, intents: Sequence[tuple[int, str]], packs: int
) -> tuple[Classifier, list[Floats]]:
    """The classifier, and per pack the scores of messages that it did not see."""
    if len(chosen) > CROSS_FIT_UP_TO:
        out = np.array(held_out(chosen))
        classifier = _fit(known.take(~out), none, intents)
        scores = _scores(classifier, known.take(~out), known.take(out), intents, packs)
        return classifier, _per_pack(scores, known.take(out).owner, packs)
    return _fit(known, none, intents), _cross_fitted(chosen, known, none, intents, packs)


def _cross_fitted(
    chosen: Sequence[Labelled], known: _Rows, none: _Rows, intents: Sequence[tuple[int, str]], packs: int
) -> list[Floats]:
    fold = np.array([(one.rank + one.label) % FOLDS for one in chosen])
    scores = np.full(len(chosen), np.nan, dtype=np.float32)
    for number in range(FOLDS):
        out, rest = fold == number, known.labels[fold != number]
        out &= np.isin(known.labels, rest)  # an intent's only example says nothing of unseen ones
        if out.any():
            seen = known.take(fold != number)
            scores[out] = _scores(_fit(seen, none, intents), seen, known.take(out), intents, packs)
    judged = ~np.isnan(scores)
    return _per_pack(scores[judged], known.owner[judged], packs)


def _fit(known: _Rows, none: _Rows, intents: Sequence[tuple[int, str]]) -> Classifier:
    from scipy import sparse

    vectors = np.concatenate([known.vectors, none.vectors])
    tfidf = sparse.vstack([known.tfidf, none.tfidf]).tocsr()
    return Classifier.fit(vectors, tfidf, np.concatenate([known.labels, none.labels]), len(intents))


def _scores(
    classifier: Classifier, seen: _Rows, unseen: _Rows, intents: Sequence[tuple[int, str]], packs: int
) -> Floats:
    """Each unseen message's score for its own pack."""
    probabilities = pool(
        classifier.probabilities(unseen.vectors, unseen.tfidf), [pack for pack, _ in intents], packs
    )
    if unseen.vectors.shape[1]:
        similarity = unseen.vectors @ seen.vectors.T
    else:
        similarity = (unseen.tfidf @ seen.tfidf.T).toarray()
    scores = probabilities * nearest(similarity, seen.owner, packs)
    own: Floats = scores[np.arange(len(scores)), unseen.owner]
    return own


def _per_pack(scores: Floats, owner: NDArray[np.int32], packs: int) -> list[Floats]:
    return [scores[owner == pack] for pack in range(packs)]
