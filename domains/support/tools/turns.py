"""The messages that conversations are made of."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from seeds import IDS, Message

HAND_OVER = "I'm passing this on to a person. They see our conversation and will answer you here."
RELATED = {
    "order": ["tracking", "delivery-time", "missing-parcel", "change-address", "cancel-order", "express"],
    "list": ["guest-order", "tracking", "invoice-copy", "change-order"],
    "stock": ["delivery-cost", "spare-parts", "price-drop", "clothing-size", "tent-care", "boot-size"],
    "person": ["phone", "showroom", "damaged"],
    "complaint": ["damaged", "wrong-item", "missing-parcel", "phone", "warranty"],
    "injection": ["privacy", "discount-code", "delete-account"],
    "smalltalk": ["phone", "showroom"],
}


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def context(*articles: str) -> Message:
    return {"role": "tool", "name": "context", "passages": list(articles)}


def maybe(rng: Random, group: str, share: float) -> list[Message]:
    """The context message that retrieval would add although the article is not what is asked for."""
    if rng.random() >= share:
        return []
    pool = RELATED.get(group, IDS) if rng.random() < 0.8 else IDS
    return [context(*rng.sample(pool, rng.choice((1, 2))))]


def call(name: str, arguments: dict[str, str], result: dict[str, Any]) -> list[Message]:
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    asked = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}
    content = json.dumps(result, ensure_ascii=False)
    return [asked, {"role": "tool", "name": name, "content": content}]


def person(reason: str) -> list[Message]:
    return [*call("request_person", {"reason": reason}, {"handoff": reason}), says(HAND_OVER)]
