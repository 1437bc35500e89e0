"""Writes a conversation turn by turn, in the product's own shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from senmon.messages import Passage, ToolCall
from senmon.pretraining.dialogues.desk import Desk
from senmon.rendering import call_text, context_message, fill_references, flatten_facts, result_message


class Script:
    """The messages so far. References are written out where the desk wants plain values."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.messages: list[dict[str, str]] = []
        self._facts: dict[str, str] = {}
        self._call = ToolCall("", "", {})
        if prefix := desk.prefix():
            self._add("system", prefix)

    def _add(self, role: str, content: str) -> None:
        self.messages.append({"role": role, "content": content})

    def user(self, text: str) -> None:
        self._add("user", text)

    def context(
        self, passages: Iterable[Passage], customer: str | None = None, today: str | None = None
    ) -> None:
        shown = tuple(passages)
        message = context_message(shown, customer=customer, today=today)
        if message:
            self._add("tool", message.content)
            self._facts.update(flatten_facts({}, shown))

    def call(self, name: str, arguments: Mapping[str, Any]) -> None:
        self._call = ToolCall("", name, dict(arguments))
        self._add("assistant", call_text(self._call))

    def result(self, result: Mapping[str, Any]) -> None:
        self._add("tool", result_message(self._call, result).content)
        self._facts.update(flatten_facts(result))

    def say(self, text: str) -> None:
        self._add("assistant", fill_references(text, self._facts)[0] if self.desk.plain else text)

    def document(self, source: str) -> dict[str, Any]:
        return {"messages": self.messages, "source": source}


def maybe_context(rng: Random, script: Script, passages: Iterable[Passage]) -> None:
    """A turn's context that does not matter: other articles, who is there, which day it is."""
    customer = "verified" if rng.random() < 0.15 else None
    today = f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}" if rng.random() < 0.1 else None
    script.context(passages, customer, today)
