"""Wilson's score interval of a share: the one that every room reports (Wilson, JASA 22, 1927)."""

from __future__ import annotations

import math

#: Two-sided 95 %.
Z95 = 1.959963984540054


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Low and high end of the interval of `hits / n`, both in 0..1. Raises ValueError for n = 0."""
    if n <= 0:
        raise ValueError("a share needs at least one case")
    share, scale = hits / n, 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / scale
    margin = z / scale * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - margin), min(1.0, centre + margin)
