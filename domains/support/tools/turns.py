"""The messages that conversations are made of."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from seeds import IDS, Message

HAND_OVER = "I'm passing this on to a person. They see our conversation and will answer you here."
#: What retrieval brings beside messages that no article answers: how often, and which (measured with the
#: sentence encoder at the pack's `min_score`).
RELATED: dict[str, tuple[float, str]] = {
    "order": (
        0.75,
        "missing-parcel wrong-item change-order cancel-order tracking delivery-time returns damaged",
    ),
    "list": (0.95, "change-order wrong-item bulk guest-order showroom phone cancel-order damaged"),
    "stock": (
        0.85,
        "spare-parts change-order used-items sleeping-bag-care returns boot-size damaged showroom",
    ),
    "greeting": (0.25, "password phone payment-failed gift-wrap points showroom"),
    "about": (0.4, "phone showroom privacy points password"),
    "person": (0.45, "phone repairs change-order payment-methods password gift-wrap"),
    "complaint": (0.4, "showroom repairs price-drop missing-parcel password warranty phone refund-time"),
    "unknown": (0.75, "showroom bulk spare-parts used-items gift-wrap student privacy price-drop express"),
    "injection": (0.45, "bulk wrong-item returns price-drop instalments return-cost password phone"),
    "signed_in": (0.8, "password guest-order"),
    "price": (0.8, "delivery-cost price-drop"),
    "items": (0.5, "wrong-item change-order"),
    "tracking": (0.8, "tracking phone"),
}


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def context(*articles: str) -> Message:
    return {"role": "tool", "name": "context", "passages": list(articles)}


def maybe(rng: Random, group: str) -> list[Message]:
    """The context message that retrieval would add although no article is asked for."""
    share, names = RELATED.get(group, (0.0, ""))
    if rng.random() >= share:
        return []
    pool = names.split() if rng.random() < 0.8 else IDS
    return [context(*rng.sample(pool, rng.choice((1, 2, 2, 2))))]


def call(name: str, arguments: dict[str, str], result: dict[str, Any]) -> list[Message]:
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    asked = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}
    content = json.dumps(result, ensure_ascii=False)
    return [asked, {"role": "tool", "name": name, "content": content}]


def person(reason: str) -> list[Message]:
    return [*call("request_person", {"reason": reason}, {"handoff": reason}), says(HAND_OVER)]
