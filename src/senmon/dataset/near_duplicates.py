"""Near-duplicates: MinHash with banding finds candidates, exact Jaccard similarity decides.

Broder 1997; Leskovec, Rajaraman, Ullman, *Mining of Massive Datasets*, ch. 3. 96 hashes in 24 bands of 4:
a pair of similarity 0.8 shares no band three times in a million. Within a band's bucket each member is
compared with the first and with the one before it, so that a bucket of n costs 2n comparisons, not n².
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.8
SHINGLE = 2
BANDS, ROWS = 24, 4
_PRIME = np.uint64((1 << 31) - 1)

Shingles = NDArray[np.uint64]


def near_duplicates(texts: Sequence[str], *, threshold: float = THRESHOLD) -> tuple[tuple[int, ...], ...]:
    """Groups of indices whose texts are alike (Jaccard of word pairs ≥ `threshold`, taken transitively).

    Each group has at least two members, in order; groups are ordered by their first member.
    """
    shingles = [_shingles(text) for text in texts]
    roots = list(range(len(texts)))
    for first, second in _candidates(shingles):
        left, right = _root(roots, first), _root(roots, second)
        if left != right and _jaccard(shingles[first], shingles[second]) >= threshold:
            roots[max(left, right)] = min(left, right)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(texts)):
        groups[_root(roots, index)].append(index)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _shingles(text: str) -> Shingles:
    """Distinct hashes (31 bits) of the text's word pairs; of its one word when there are none."""
    words = text.split()
    size = min(SHINGLE, max(len(words), 1))
    grams = {" ".join(words[start : start + size]) for start in range(max(len(words) - size + 1, 1))}
    hashes = {zlib.crc32(gram.encode("utf-8", "replace")) & 0x7FFFFFFF for gram in grams}
    return np.fromiter(sorted(hashes), dtype=np.uint64, count=len(hashes))


def _signatures(shingles: Sequence[Shingles]) -> NDArray[np.uint64]:
    random = np.random.default_rng(0)
    scale = random.integers(1, int(_PRIME), size=(BANDS * ROWS, 1), dtype=np.uint64)
    shift = random.integers(0, int(_PRIME), size=(BANDS * ROWS, 1), dtype=np.uint64)
    return np.stack([((scale * values + shift) % _PRIME).min(axis=1) for values in shingles])


def _candidates(shingles: Sequence[Shingles]) -> Iterator[tuple[int, int]]:
    if len(shingles) < 2:
        return
    signatures = _signatures(shingles)
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        first: dict[bytes, int] = {}
        last: dict[bytes, int] = {}
        for index, key in enumerate(row.tobytes() for row in part):
            if key in first:
                yield first[key], index
                if last[key] != first[key]:
                    yield last[key], index
            first.setdefault(key, index)
            last[key] = index


def _jaccard(left: Shingles, right: Shingles) -> float:
    common = np.intersect1d(left, right, assume_unique=True).size
    return float(common / (left.size + right.size - common))


def _root(roots: list[int], index: int) -> int:
    while roots[index] != index:
        roots[index] = roots[roots[index]]
        index = roots[index]
    return index
