"""Softmax regression from a situation to the next move, over sentence vectors and hashed words."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from senmon.embedding import Encoder
from senmon.policy.situation import Situation

Floats: TypeAlias = NDArray[np.float32]

#: From this probability on one move is named, below it the best two.
SURE = 0.8
BUCKETS = 4096
MAX_CHARACTERS = 1000
#: Weights of the parts: a vector's entries are small beside an indicator of 1.
TEXT, BEFORE = 3.0, 2.0
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[^\w\s]")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Policy:
    """`dense` [moves, 2·dim + actions + 1] and `words` [moves, BUCKETS] with `bias` [moves]; `encoder` made
    the vectors. Immutable, safe to share between threads."""

    moves: tuple[str, ...]
    actions: tuple[str, ...]
    dense: Floats
    words: Floats
    bias: Floats
    encoder: Encoder

    def probabilities(self, situation: Situation) -> dict[str, float]:
        """Move → probability."""
        row = dense_rows([situation], self.actions, self.encoder)[0]
        logits = self.dense @ row + self.bias
        buckets, weights = word_row(situation)
        logits = logits + self.words[:, buckets] @ weights
        shifted = np.exp(logits - logits.max())
        return dict(zip(self.moves, (shifted / shifted.sum()).tolist(), strict=True))

    def likely(self, situation: Situation) -> tuple[str, ...]:
        """One move, or two where none is clear."""
        return named(self.probabilities(situation))


def named(probabilities: dict[str, float], sure: float = SURE) -> tuple[str, ...]:
    """The move that is told where its share is `sure`, or the two likeliest, the first one first."""
    best = sorted(probabilities.items(), key=lambda item: (-item[1], item[0]))[:2]
    return tuple(name for name, _ in best[: 1 if best[0][1] >= sure else 2])


def shape(text: str) -> str:
    """Lower case, every digit a 0: an id's shape is enough."""
    return _DIGIT.sub("0", unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).lower())


def dense_rows(situations: Sequence[Situation], actions: Sequence[str], encoder: Encoder) -> Floats:
    """float32 [n, 2·dim + actions + 1]: the message, the reply before, the last action, whether it opens."""
    texts = TEXT * encoder.encode([each.text for each in situations])
    before = BEFORE * encoder.encode([each.before or "-" for each in situations])
    flags = np.zeros((len(situations), len(actions) + 1), dtype=np.float32)
    for at, each in enumerate(situations):
        if not each.before:
            before[at] = 0.0
            flags[at, -1] = 1.0
        if each.action in actions:
            flags[at, list(actions).index(each.action)] = 1.0
    return np.hstack([texts, before, flags]).astype(np.float32)


def word_row(situation: Situation) -> tuple[NDArray[np.int64], Floats]:
    """Buckets and weights (norm 1) of the message's words and word pairs."""
    words = _WORD.findall(shape(situation.text))
    grams = {*words, *(f"{one} {two}" for one, two in pairwise(words))}
    buckets = sorted({zlib.crc32(gram.encode()) % BUCKETS for gram in grams})
    weight = 1.0 / np.sqrt(max(1, len(buckets)))
    return np.array(buckets, dtype=np.int64), np.full(len(buckets), weight, dtype=np.float32)


def word_rows(situations: Sequence[Situation]) -> Any:
    """scipy CSR float32 [n, BUCKETS]."""
    from scipy import sparse

    rows = [word_row(each) for each in situations]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in rows)])
    columns = np.concatenate([buckets for buckets, _ in rows])
    weights = np.concatenate([weights for _, weights in rows])
    return sparse.csr_matrix((weights, columns, ends), shape=(len(rows), BUCKETS), dtype=np.float32)
