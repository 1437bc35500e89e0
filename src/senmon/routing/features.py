"""What the router sees of a text: a sentence vector beside TF-IDF of its words and of its letters.

TF-IDF is our own few lines because it must be stored without a pickle and load without scikit-learn. Weights:
(1 + ln tf) · idf, idf = ln((1 + n) / (1 + df)) + 1, one L2 norm over words and letters together.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
#: One text's columns and weights.
Row: TypeAlias = tuple[NDArray[np.int32], Floats]

MAX_CHARACTERS = 1000
MAX_WORD_TERMS = 4000
MAX_LETTER_TERMS = 10000
#: Texts whose terms are kept (50 MB at most): a fit asks twice, and again when a pack is added.
REMEMBERED_TEXTS = 4096
WORD_GRAMS = (1, 2)
LETTER_GRAMS = (2, 3, 4, 5)
#: Terms times classes: the classifier's weights are this many at most (100 MB), with fewer terms if need be.
MAX_WEIGHTS = 25_000_000
#: Beside a sentence vector TF-IDF counts half; alone it needs a weaker penalty, which is a greater weight.
TFIDF_WEIGHT = 0.5
TFIDF_WEIGHT_ALONE = 2.0

_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"\d")


def plain(text: str) -> str:
    """Lower case, compatible forms, single spaces, bounded; every digit a 0: an id's shape is enough."""
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).lower()
    return _DIGIT.sub("0", " ".join(folded.split()))


@lru_cache(maxsize=REMEMBERED_TEXTS)
def terms(text: str, letters: bool = True) -> Counter[str]:
    """Words and word pairs (`w…`), letter groups of 2 to 5 within padded tokens (`c…`), with their counts."""
    clean = plain(text)
    words = _WORD.findall(clean)
    found = Counter(
        "w" + " ".join(words[at : at + size]) for size in WORD_GRAMS for at in range(len(words) - size + 1)
    )
    for token in clean.split() if letters else ():
        padded = f" {token} "
        found.update("c" + padded[at : at + n] for n in LETTER_GRAMS for at in range(len(padded) - n + 1))
    return found


@dataclass(frozen=True)
class Vocabulary:
    """The terms that count and their idf, float32 [terms]."""

    words: tuple[str, ...]
    idf: Floats

    @classmethod
    def learn(cls, texts: Sequence[str], *, classes: int = 1, letters: bool = True) -> Vocabulary:
        """The most widespread terms of `texts`; a term of a single text counts only where texts are few.
        The more `classes`, the fewer terms. Without `letters`, words and their pairs alone."""
        share = min(1.0, MAX_WEIGHTS / classes / (MAX_WORD_TERMS + MAX_LETTER_TERMS))
        spread: Counter[str] = Counter()
        for text in texts:
            spread.update(terms(text, letters).keys())
        least = 2 if len(texts) >= 50 else 1
        ranked = sorted(
            (item for item in spread.items() if item[1] >= least), key=lambda item: (-item[1], item[0])
        )
        words = [item for item in ranked if item[0][0] == "w"][: int(share * MAX_WORD_TERMS)]
        kept = words + [item for item in ranked if item[0][0] == "c"][: int(share * MAX_LETTER_TERMS)]
        idf = [math.log((1 + len(texts)) / (1 + count)) + 1 for _, count in kept]
        return cls(tuple(term for term, _ in kept), np.array(idf, dtype=np.float32))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {term: at for at, term in enumerate(self.words)}

    @cached_property
    def _letters(self) -> bool:
        return any(term[0] == "c" for term in self.words)

    def row(self, text: str) -> Row:
        """Columns and weights of one text; the weights have norm 1, or there are none."""
        found = terms(text, self._letters)
        known = [(self._index[term], count) for term, count in found.items() if term in self._index]
        known.sort()
        columns = np.array([column for column, _ in known], dtype=np.int32)
        counts = np.array([count for _, count in known], dtype=np.float32)
        weights = (1 + np.log(counts)) * self.idf[columns] if known else counts
        norm = float(np.linalg.norm(weights))
        return columns, (weights / norm if norm else weights).astype(np.float32)

    def matrix(self, texts: Sequence[str]) -> Any:
        """scipy CSR float32 [texts, terms]."""
        from scipy import sparse

        rows = [self.row(text) for text in texts]
        ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
        columns = np.concatenate([columns for columns, _ in rows]) if rows else np.zeros(0, dtype=np.int32)
        weights = np.concatenate([weights for _, weights in rows]) if rows else np.zeros(0, dtype=np.float32)
        return sparse.csr_matrix(
            (weights, columns, ends), shape=(len(rows), len(self.words)), dtype=np.float32
        )
