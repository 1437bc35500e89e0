"""The messages that conversations are made of."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from seeds import REPLIES, RETRIEVED, TALK, Message
from surface import brief, surface

HAND_OVER = "I'm passing this on to a person. They see our conversation and will answer you here."


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def found(template: str) -> list[str]:
    """The articles that retrieval brings for these words (`retrieve.py` wrote them down)."""
    if template not in RETRIEVED:
        raise KeyError(f"{template!r} is new: run retrieve.py first")
    return RETRIEVED[template]


def shown(template: str) -> list[Message]:
    """The context message of this turn, if serving would add one."""
    names = found(template)
    return [{"role": "tool", "name": "context", "passages": names}] if names else []


def asks(rng: Random, template: str, text: str = "") -> list[Message]:
    """A user message, and what retrieval adds to it."""
    return [user(text or surface(rng, template)), *shown(template)]


def small_talk(rng: Random, template: str) -> list[Message]:
    return [user(brief(rng, template)), *shown(template)]


def called(name: str, arguments: dict[str, str], result: dict[str, Any], before: str = "") -> list[Message]:
    """A call and its result; `before` is what the assistant says first."""
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    call = {
        "role": "assistant",
        "content": before,
        "tool_calls": [{"type": "function", "function": function}],
    }
    content = json.dumps(result, ensure_ascii=False)
    return [call, {"role": "tool", "name": name, "content": content}]


def person(reason: str) -> list[Message]:
    return [*called("request_person", {"reason": reason}, {"handoff": reason}), says(HAND_OVER)]


def closing(rng: Random) -> list[Message]:
    kind = rng.choice(("thanks", "goodbye"))
    template = rng.choice(TALK[kind]["user"])
    return [*small_talk(rng, template), says(rng.choice(TALK[kind]["reply"]))]


def off_topic(rng: Random, kind: str = "") -> list[Message]:
    """A question that is not the shop's, or a try to break its rules, in the middle of a conversation."""
    kind = kind or rng.choice(("off_topic", "off_topic", "injection"))
    return [*asks(rng, rng.choice(TALK[kind]["user"])), says(rng.choice(TALK[kind]["reply"]))]


def offer_taken(rng: Random, reason: str, share: float = 0.5) -> list[Message]:
    """What the visitor makes of the offer of a person."""
    if rng.random() > share:
        return []
    answers = TALK["complaint"]
    if rng.random() < 0.75:
        return [*small_talk(rng, rng.choice(answers["accept"])), *person(reason)]
    return [*small_talk(rng, rng.choice(answers["decline"])), says(rng.choice(answers["declined"]))]


def worded(rng: Random, action: str, result: dict[str, Any], angry: bool = False) -> str:
    """The reply to a result."""
    order = result.get("order", {})
    if "error" in result:
        kind = result["error"]
        text = rng.choice(REPLIES["too_late"][action] if kind == "too_late" else REPLIES["errors"][kind])
    elif "refund" in result:
        text = rng.choice(REPLIES["refund"][result["refund"]["state"]])
    elif (kind := next((name for name in ("ask", "done", "missing") if name in result), "")) != "":
        text = rng.choice(REPLIES[kind][result[kind]])
    elif "choose" in result:
        text = rng.choice(REPLIES["choose"])
    elif "orders" in result:
        text = rng.choice(REPLIES["listed" if result["orders"]["count"] else "none_listed"])
    else:
        return str(rng.choice(REPLIES["order_status_angry" if angry else "order_status"][order["status"]]))
    return f"{REPLIES['sorry']} {text}" if angry else str(text)
