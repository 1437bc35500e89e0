"""Groups that have learnt what they hold: drawn no more once their held-out bits per byte keep rising."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any


def rising(curve: Sequence[Mapping[str, Any]], groups: Iterable[str], times: int) -> frozenset[str]:
    """Groups whose bits per byte rose at each of the last `times` evaluations. None for `times` 0.

    `curve` holds `{"valid": {group: bits per byte}}` per evaluation, oldest first. A group that is not
    measured never stops.
    """
    if times < 1:
        return frozenset()
    return frozenset(group for group in groups if _rises(curve, group, times))


def _rises(curve: Sequence[Mapping[str, Any]], group: str, times: int) -> bool:
    values = [record["valid"][group] for record in curve if group in record["valid"]]
    last = values[-times - 1 :]
    return len(last) == times + 1 and all(b > a for a, b in pairwise(last))
