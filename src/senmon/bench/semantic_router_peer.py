"""Run by the interpreter that has `semantic-router`: python semantic_router_peer.py INPUT.npz OUTPUT.json

The peer gets our encoder's vectors, so that only the routing differs, and is used as documented: one `Route`
per intent with its training examples as utterances, `IndexedRouter` over its local index. How many neighbours
count (`top_k`) and how their scores are put together (`aggregation`) is chosen on the validation split. Its
confidence is ranked as it comes, without a bar.

This file imports nothing of senmon: it runs elsewhere.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

GRID = [("mean", 5), ("max", 5), ("sum", 5), ("sum", 20)]


def main(source: str, target: str) -> None:
    import semantic_router
    from semantic_router import IndexedRouter, Route
    from semantic_router.encoders import DenseEncoder

    given = np.load(source, allow_pickle=False)
    asked = json.loads(str(given["meta"]))
    vectors = dict(zip(asked["texts"], given["vectors"], strict=True))

    class Handed(DenseEncoder):  # type: ignore[misc]
        """Our vectors, by text."""

        name: str = "handed"

        def __call__(self, docs: list[Any]) -> list[list[float]]:
            return [vectors[str(doc)].tolist() for doc in docs]

    def built(aggregation: str, top_k: int) -> Any:
        routes = [Route(name=name, utterances=mine) for name, mine in sorted(asked["train"].items())]
        return IndexedRouter(Handed(name="handed"), routes, aggregation=aggregation, top_k=top_k)

    def ask(router: Any, texts: list[str]) -> list[tuple[str, float]]:
        choices = [router(text) for text in texts]
        return [(choice.name or "", float(choice.confidence or 0.0)) for choice in choices]

    def right(router: Any) -> float:
        given_back = ask(router, [text for text, _ in asked["val"]])
        intents = [intent for _, intent in asked["val"]]
        return float(np.mean([name == one for (name, _), one in zip(given_back, intents, strict=True)]))

    routers = {one: built(*one) for one in GRID}
    best = max(GRID, key=lambda one: right(routers[one]))
    started = time.process_time()
    router = built(*best)
    seconds = time.process_time() - started
    inside, outside = ask(router, asked["test"]), ask(router, asked["strangers"])
    spent = []
    for text in asked["test"][:: max(1, len(asked["test"]) // 200)]:
        began = time.perf_counter()
        router(text)
        spent.append(1000 * (time.perf_counter() - began))
    meta = {
        "version": getattr(semantic_router, "__version__", ""),
        "setting": f"{best[0]} of {best[1]}",
        "seconds": seconds,
        "p50": float(np.quantile(spent, 0.5)),
        "p95": float(np.quantile(spent, 0.95)),
        "inside": inside,
        "outside": outside,
    }
    with open(target, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(meta, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
