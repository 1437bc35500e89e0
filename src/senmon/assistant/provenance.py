"""Which pack, adapter and evidence stand behind a reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from senmon.assistant.catalog import ServedPack
from senmon.messages import Passage, Verdict
from senmon.routing.router import RouteChoice


def provenance(
    served: ServedPack | None,
    choice: RouteChoice | None,
    passages: Sequence[Passage],
    ran: Sequence[str],
    verdicts: Sequence[Verdict],
    confidence: float | None = None,
) -> dict[str, Any]:
    return {
        "pack": served.pack.label if served else None,
        "adapter": served.adapter.version[:12] if served and served.adapter else None,
        "dataset_digest": served.dataset_digest[:12] if served else None,
        "prefix_digest": served.prefix_digest[:12] if served else None,
        "stale": list(served.stale) if served else [],
        "route_score": round(choice.score, 4) if choice else None,
        "route_margin": round(choice.margin, 4) if choice else None,
        "confidence": None if confidence is None else round(confidence, 4),
        "passages": [passage.id for passage in passages],
        "actions": list(ran),
        "verdicts": [{"check": verdict.check, "outcome": verdict.outcome} for verdict in verdicts],
    }
