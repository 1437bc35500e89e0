"""The fitted router as values: what it learnt, and the evidence it finds in a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.embedding import Encoder
from senmon.routing.classifier import Classifier, pool
from senmon.routing.features import Floats, Vocabulary

#: Index of the class *none*.
NONE = 0
#: Nearness is looked up for the likeliest packs only; the others' probability is below 1/32 and counts as 0.
CANDIDATES = 32
_BLOCK = 512
#: Up to so many texts are judged one by one.
FEW = 8


@dataclass(frozen=True, slots=True)
class Evidence:
    """One text: `scores` [packs] = p(pack) · nearness, `none` = p(none), `intents` [classes] = p(intent)."""

    scores: Floats
    none: float
    intents: Floats


@dataclass(frozen=True)
class RouterModel:
    """`intents[class]` = (pack index, intent), class 0 = (−1, ""). `vectors` [n, dim] of the examples (n, 0
    without encoder), `tfidf` their CSR matrix [n, terms] (without encoder only), `owner` [n] their packs, in
    ascending order."""

    packs: tuple[str, ...]
    intents: tuple[tuple[int, str], ...]
    vocabulary: Vocabulary
    classifier: Classifier
    vectors: Floats
    tfidf: Any
    owner: NDArray[np.int32]
    thresholds: tuple[float, ...]

    def evidence(self, texts: Sequence[str], encoder: Encoder | None) -> list[Evidence]:
        """What each text speaks for. `encoder`: the one that the model was fitted with (None: none)."""
        return self.evidence_of(texts, encode(encoder, texts, wide=self.classifier.kernel is not None))

    def evidence_of(self, texts: Sequence[str], vectors: Floats) -> list[Evidence]:
        """What texts with these sentence vectors (`encode`) speak for."""
        if len(texts) > FEW:
            return [
                one
                for at in range(0, len(texts), _BLOCK)
                for one in self._many(texts[at : at + _BLOCK], vectors[at : at + _BLOCK])
            ]
        found = []
        for text, vector in zip(texts, vectors, strict=True):
            row = self.vocabulary.row(text)
            intents = self.classifier.probability(vector, row)
            shares = pool(intents[None], self.owners, len(self.packs))[0]
            found.append(Evidence(self._near(shares, vector, row), float(intents[NONE]), intents))
        return found

    def _many(self, texts: Sequence[str], vectors: Floats) -> list[Evidence]:
        """The same, together: several times faster for a benchmark's thousands."""
        rows = self.vocabulary.matrix(texts)
        intents = self.classifier.probabilities(vectors, rows)
        shares = pool(intents, self.owners, len(self.packs))
        if self.tfidf is None:
            near = nearest(vectors[:, : self.vectors.shape[1]], self.vectors, self.owner, len(self.packs))
        else:
            near = nearest(rows, self.tfidf, self.owner, len(self.packs))
        if len(self.packs) > CANDIDATES:
            last = np.sort(shares, axis=1)[:, [-CANDIDATES]]
            shares = np.where(shares >= last, shares, 0.0)
        return [
            Evidence(share * one, float(each[NONE]), each)
            for share, one, each in zip(shares, near, intents, strict=True)
        ]

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """The pack of each class, −1 for *none*."""
        return np.array([pack for pack, _ in self.intents], dtype=np.int64)

    @cached_property
    def _bounds(self) -> NDArray[np.int64]:
        return np.searchsorted(self.owner, np.arange(len(self.packs) + 1))

    def _near(self, shares: Floats, vector: Floats, row: tuple[NDArray[np.int32], Floats]) -> Floats:
        """p(pack) · greatest cosine with the pack's examples."""
        scores = np.zeros(len(shares), dtype=np.float32)
        likely = np.argsort(-shares, kind="stable")[:CANDIDATES]
        dense = None if self.tfidf is None else _dense(row, len(self.vocabulary.words))
        last = vector[: self.vectors.shape[1]]
        for pack in likely:
            start, end = self._bounds[pack], self._bounds[pack + 1]
            if start < end:
                cosines = self.vectors[start:end] @ last if dense is None else self.tfidf[start:end] @ dense
                scores[pack] = shares[pack] * np.clip(cosines.max(), 0.0, 1.0)
        return scores


def _dense(row: tuple[NDArray[np.int32], Floats], terms: int) -> Floats:
    columns, weights = row
    dense = np.zeros(terms, dtype=np.float32)
    dense[columns] = weights
    return dense


def encode(encoder: Encoder | None, texts: Sequence[str], *, wide: bool) -> Floats:
    """Sentence vectors, `wide` of several layers (`Encoder.layers`), or [n, 0] without an encoder."""
    if encoder is None:
        return np.zeros((len(texts), 0), dtype=np.float32)
    return encoder.layers(texts) if wide else encoder.encode(texts)


def nearest(texts: Any, examples: Any, owner: NDArray[np.int32], packs: int) -> Floats:
    """Unit rows [n, d] and [examples, d] (arrays or CSR) → [n, packs]: each pack's greatest cosine, in 0..1.

    `owner` [examples] ascends.
    """
    best = np.zeros((texts.shape[0], packs), dtype=np.float32)
    bounds = np.searchsorted(owner, np.arange(packs + 1))
    for start in range(0, texts.shape[0], _BLOCK):
        cosines = texts[start : start + _BLOCK] @ examples.T
        cosines = cosines if isinstance(cosines, np.ndarray) else cosines.toarray()
        for pack in range(packs):
            if bounds[pack] < bounds[pack + 1]:
                mine = cosines[:, bounds[pack] : bounds[pack + 1]]
                best[start : start + _BLOCK, pack] = mine.max(axis=1)
    return np.clip(best, 0.0, 1.0)
