"""Is a text much like one that is there? Exact Jaccard similarity of word pairs, found by their rarest ones.

Prefix filtering (Chaudhuri, Ganti, Kaushik 2006): two sets of similarity ≥ t share one of the first
n − ⌈t·n⌉ + 1 members in any common order; the order here is by hash, so that it never changes.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict

THRESHOLD = 0.8


class NearIndex:
    """Texts by name. `threshold` is the similarity (0 to 1) from which two are alike."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self._sets: list[frozenset[int]] = []
        self._names: list[str] = []
        self._places: dict[int, list[int]] = defaultdict(list)

    def add(self, text: str, name: str) -> None:
        """`text` in normal form."""
        pairs = _pairs(text)
        for value in self._first(pairs):
            self._places[value].append(len(self._sets))
        self._sets.append(pairs)
        self._names.append(name)

    def like(self, text: str, *, but: tuple[str, ...] = ()) -> str:
        """The name of a text that `text` is much like, other than `but`; empty when there is none."""
        pairs = _pairs(text)
        seen: set[int] = set()
        for value in self._first(pairs):
            for at in self._places.get(value, ()):
                if at in seen or self._names[at] in but:
                    continue
                seen.add(at)
                other = self._sets[at]
                if len(pairs & other) >= self.threshold * len(pairs | other):
                    return self._names[at]
        return ""

    def _first(self, pairs: frozenset[int]) -> list[int]:
        return sorted(pairs)[: len(pairs) - math.ceil(self.threshold * len(pairs)) + 1]


def _pairs(text: str) -> frozenset[int]:
    words = text.split()
    size = min(2, max(len(words), 1))
    grams = (" ".join(words[start : start + size]) for start in range(max(len(words) - size + 1, 1)))
    return frozenset(zlib.crc32(gram.encode("utf-8", "replace")) for gram in grams)
