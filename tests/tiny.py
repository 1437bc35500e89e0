"""A tiny random base and a small valid pack, made on the fly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from senmon.bench.tiny_base import make_tiny_base as make_tiny_base

MANIFEST: dict[str, Any] = {
    "name": "shop",
    "title": "Corner shop",
    "description": "Questions to a small shop.",
    "licence": "Apache-2.0",
    "context": {"passages": 1},
    "actions": {
        "specs": [
            {
                "name": "order_status",
                "description": "look an order up",
                "parameters": {
                    "type": "object",
                    "properties": {"order_id": {"type": "string"}},
                    "required": ["order_id"],
                    "additionalProperties": False,
                },
                "candidates": {"order_id": r"\b[A-Z]\d{4}\b"},
                "identity": "customer",
            }
        ]
    },
    "checks": [{"name": "references"}, {"name": "grounded"}],
    "routing": {"negatives": "negatives.jsonl"},
}

ACTIONS = """
from rasa_sdk import Action


class OrderStatus(Action):
    def name(self):
        return "order_status"

    def run(self, dispatcher, tracker, domain):
        wanted = tracker.get_slot("order_id")
        owner = tracker.get_slot("customer_id")
        if wanted == "A1001" and owner == "demo":
            order = {"id": wanted, "status": "shipped", "eta": "Friday"}
            dispatcher.utter_message(json_message={"order": order})
        else:
            dispatcher.utter_message(json_message={"error": "not_found"})
        return []
"""

HOURS = ("when do you open", "what are your hours", "are you open on sunday", "opening times please")
RETURNS = ("can I send it back", "how do returns work", "return policy?", "i want to return a shirt")
ORDERS = ("where is order A1001", "status of A1001 please", "A1001 has not come", "track A1001 for me")


def write_pack(folder: Path, **overrides: Any) -> Path:
    """Write a small valid pack into `folder`, whose name becomes the pack's. Overrides replace keys."""
    manifest = {**MANIFEST, "name": folder.name, **overrides}
    for sub in ("data", "knowledge", "eval"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    _write(folder / "pack.yaml", yaml.safe_dump(manifest, sort_keys=False))
    _write(folder / "system.md", "You are the assistant of a corner shop. Answer in one short sentence.\n")
    _write(folder / "actions.py", ACTIONS)
    _write(folder / "knowledge/returns.md", RETURNS_ARTICLE)
    _write(folder / "knowledge/hours.md", HOURS_ARTICLE)
    _write_lines(
        folder / "data/train.jsonl", [*_talks(HOURS, "hours"), *_talks(RETURNS, "returns"), *_orders()]
    )
    _write_lines(folder / "negatives.jsonl", [{"text": "what is the weather"}, {"text": "solve 3x = 9"}])
    return folder


RETURNS_ARTICLE = """---
title: Returns
url: https://shop.example/returns
facts:
  return_days: 30 days
questions: ["How long can I return an item?"]
---
You can send an item back within 30 days of delivery.
"""
HOURS_ARTICLE = """---
title: Opening hours
facts: {opening: 9 am, closing: 6 pm}
---
We open at 9 am and close at 6 pm, Monday to Saturday.
"""
REPLIES = {
    "hours": "We open at [[article.opening]] and close at [[article.closing]].",
    "returns": "You can send it back within [[article.return_days]].",
}


def _talks(requests: tuple[str, ...], intent: str) -> list[Mapping[str, Any]]:
    variants = [text for request in requests for text in (request, f"hi, {request}")]
    return [
        {
            "intent": intent,
            "messages": [
                {"role": "user", "content": text},
                {"role": "tool", "name": "context", "passages": [intent]},
                {"role": "assistant", "content": REPLIES[intent]},
            ],
        }
        for text in variants
    ]


def _orders() -> list[Mapping[str, Any]]:
    call = {"id": "call_1", "type": "function"}
    call["function"] = {"name": "order_status", "arguments": '{"order_id": "A1001"}'}  # type: ignore[assignment]
    result = '{"order": {"id": "A1001", "status": "shipped", "eta": "Friday"}}'
    return [
        {
            "intent": "order_status",
            "messages": [
                {"role": "user", "content": text},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "name": "order_status", "tool_call_id": "call_1", "content": result},
                {"role": "assistant", "content": "It should arrive on [[order.eta]]."},
            ],
        }
        for request in ORDERS
        for text in (request, f"hello, {request}")
    ]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_lines(path: Path, records: list[Mapping[str, Any]] | list[dict[str, str]]) -> None:
    _write(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
