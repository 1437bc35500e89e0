"""How many examples which intent needs: the thin ones first."""

from __future__ import annotations

import heapq
from collections.abc import Mapping


def shortages(counts: Mapping[str, int], *, per_intent: int | None, count: int | None) -> dict[str, int]:
    """Intent → how many to make. Up to `per_intent` each; of `count` in total, the thinnest get first."""
    if per_intent is not None:
        needs = {intent: max(0, per_intent - have) for intent, have in counts.items()}
        total = sum(needs.values()) if count is None else min(count, sum(needs.values()))
    else:
        needs, total = {}, count or 0
    heap = [(have, intent) for intent, have in counts.items()]
    heapq.heapify(heap)
    given = dict.fromkeys(counts, 0)
    while total > 0 and heap:
        have, intent = heapq.heappop(heap)
        if per_intent is not None and given[intent] >= needs[intent]:
            continue
        given[intent] += 1
        total -= 1
        heapq.heappush(heap, (have + 1, intent))
    return {intent: number for intent, number in given.items() if number}
