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


@dataclass(frozen=True, slots=True)
class Evidence:
    """One text: `scores` [packs] = p(pack) · nearness, `none` = p(none), `intents` [classes] = p(intent)."""

    scores: Floats
    none: float
    intents: Floats


@dataclass(frozen=True)
class RouterModel:
    """`intents[class]` = (pack index, intent), class 0 = (−1, ""). `vectors` [n, dim] of the examples (n, 0
    without encoder), `tfidf` their CSR matrix [n, terms] (without encoder only), `owner` [n] their packs."""

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
        vectors = encode(encoder, texts)
        found = []
        for text, vector in zip(texts, vectors, strict=True):
            row = self.vocabulary.row(text)
            intents = self.classifier.probability(vector, row)
            near = self._nearness(vector, row)
            pooled = pool(intents[None], self._owners, len(self.packs))[0]
            found.append(Evidence(pooled * near, float(intents[NONE]), intents))
        return found

    @cached_property
    def _owners(self) -> tuple[int, ...]:
        return tuple(pack for pack, _ in self.intents)

    def _nearness(self, vector: Floats, row: tuple[NDArray[np.int32], Floats]) -> Floats:
        if self.tfidf is None:
            return nearest((self.vectors @ vector)[None], self.owner, len(self.packs)).ravel()
        columns, weights = row
        dense = np.zeros(len(self.vocabulary.words), dtype=np.float32)
        dense[columns] = weights
        return nearest((self.tfidf @ dense)[None], self.owner, len(self.packs)).ravel()


def encode(encoder: Encoder | None, texts: Sequence[str]) -> Floats:
    """Sentence vectors, or [n, 0] without an encoder."""
    return encoder.encode(texts) if encoder is not None else np.zeros((len(texts), 0), dtype=np.float32)


def nearest(similarity: Floats, owner: NDArray[np.int32], packs: int) -> Floats:
    """[n, examples] cosines → [n, packs]: the greatest one per pack, within 0..1."""
    best = np.zeros((len(similarity), packs), dtype=np.float32)
    for pack in range(packs):
        mine = similarity[:, owner == pack]
        if mine.shape[1]:
            best[:, pack] = mine.max(axis=1)
    return np.clip(best, 0.0, 1.0)
