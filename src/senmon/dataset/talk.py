"""The messages of one example: their shapes, their order, and what replies may refer to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from senmon.dataset.call_rules import Fault, PackRules, call_faults, read_call
from senmon.messages import CONTEXT, Conversation, Message, ToolCall
from senmon.packs.jsonl import parse_object
from senmon.rendering import (
    NOT_SIGNED_IN,
    VERIFIED,
    context_message,
    flatten_facts,
    references,
    result_message,
)

MAX_MESSAGES = 200
REFERENCE = re.compile(r"\[\[[a-z_][a-z0-9_.]*\]\]")
_FIELDS = {
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls"},
    "context": {"role", "name", "content", "passages", "customer", "today"},
    "result": {"role", "name", "content", "tool_call_id"},
}
_NAMES = {
    "user": "a user message",
    "assistant": "a reply",
    "context": "a context message",
    "result": "a result",
}


def read_messages(raw: Any, rules: PackRules) -> tuple[tuple[Message, ...], tuple[Fault, ...]]:
    """The messages of a data line, and every fault in them."""
    if not isinstance(raw, list) or not raw:
        return (), (
            ("messages", "must be a list of messages", 'write [{"role": "user", "content": "…"}, …]'),
        )
    if len(raw) > MAX_MESSAGES:
        return (), (("messages", f"has more than {MAX_MESSAGES} messages", "divide the conversation"),)
    talk = _Talk(rules)
    for index, item in enumerate(raw):
        talk.read(f"messages.{index}", item)
    talk.close()
    return tuple(talk.messages), tuple(talk.faults)


class _Talk:
    """Reads messages in order. `expected` holds the kinds that may come next.

    Once a context message or result is faulty, the facts are not `certain` and references aren't judged.
    """

    def __init__(self, rules: PackRules) -> None:
        self.rules = rules
        self.messages: list[Message] = []
        self.faults: list[Fault] = []
        self.expected: tuple[str, ...] = ("user",)
        self.pending: dict[str, ToolCall] = {}
        self.state = Conversation()
        self.calls = 0
        self.ids: set[str] = set()
        self.certain = True
        self.place = ""

    @property
    def facts(self) -> Mapping[str, str]:
        """What a reply may refer to here, by the fold that serves."""
        return self.state.facts

    def fault(self, field: str, why: str, remedy: str) -> None:
        self.faults.append((f"{self.place}.{field}" if field else self.place, why, remedy))

    def read(self, place: str, item: Any) -> None:
        self.place = place
        kind = _kind(item)
        if kind is None:
            remedy = "leave it out; the pack's system.md is put first" if _is_system(item) else _KIND_REMEDY
            self.fault("role", "is not a user, assistant or tool message", remedy)
            return
        if kind not in self.expected:
            wanted = " or ".join(_NAMES[name] for name in self.expected)
            self.fault("role", f"{_NAMES[kind]} can't stand here", f"expected here: {wanted}")
        for name in sorted(set(item) - _FIELDS[kind]):
            self.fault(name, "unknown field", f"known: {', '.join(sorted(_FIELDS[kind]))}")
        if message := getattr(self, f"_{kind}")(item):
            self.messages.append(message)
        self.certain = self.certain and not (self.faults and item["role"] == "tool")

    def close(self) -> None:
        self.place = "messages"
        if not self.messages or self.messages[-1].role != "assistant":
            self.fault("", "does not end with a reply", "end with an assistant message")

    def _text(self, item: Mapping[str, Any], needed: bool = True) -> str:
        content = item.get("content")
        if content is None and not needed:
            return ""
        if not isinstance(content, str):
            self.fault("content", "is not text", "write the message as one text")
        elif needed and not content.strip():
            self.fault("content", "is empty", "write the message, or remove the example")
        return content if isinstance(content, str) else ""

    def _user(self, item: Mapping[str, Any]) -> Message:
        self.expected = ("assistant", "context")
        self.state = self.state.without_answers()
        return Message("user", self._text(item))

    def _assistant(self, item: Mapping[str, Any]) -> Message:
        raw = item.get("tool_calls") or []
        if not isinstance(raw, list):
            self.fault("tool_calls", "is not a list", "write a list of calls")
            raw = []
        text = self._text(item, needed=not raw)
        self._references(text)
        calls = tuple(call for index, value in enumerate(raw) if (call := self._call(index, value)))
        self.pending = {call.id: call for call in calls}
        self.expected = ("result",) if raw else ("user",)
        return Message("assistant", text, tool_calls=calls)

    def _call(self, index: int, raw: Any) -> ToolCall | None:
        self.calls += 1
        try:
            call = read_call(raw, f"call_{self.calls}")
        except ValueError as error:
            self.fault(f"tool_calls.{index}", str(error), "correct the call")
            return None
        if call.id in self.ids:
            self.fault(f"tool_calls.{index}.id", f"id `{call.id}` is used twice", "give each call its own id")
        self.ids.add(call.id)
        for field, why, remedy in call_faults(call, self.rules, self.messages):
            self.fault(f"tool_calls.{index}.{field}", why, remedy)
        return call

    def _references(self, text: str) -> None:
        if "[[" in REFERENCE.sub("", text) or "]]" in REFERENCE.sub("", text):
            self.fault(
                "content", "has a malformed reference", "write [[name]] or [[name.field]] in lower case"
            )
        for name in references(text):
            if self.certain and REFERENCE.fullmatch(f"[[{name}]]") and name not in self.facts:
                known = ", ".join(list(self.facts)[:12]) or "none"
                self.fault("content", f"[[{name}]] refers to nothing before it", f"known here: {known}")

    def _context(self, item: Mapping[str, Any]) -> Message | None:
        self.expected = ("assistant",)
        if item.get("name", CONTEXT) != CONTEXT:
            self.fault("name", "a message with passages is a context message", f'write "name": "{CONTEXT}"')
        expands = [name for name in ("passages", "customer", "today") if name in item]
        if not expands:
            text = self._text(item)
            self.state = self.state.with_facts(dict.fromkeys(references(text), ""))
            return Message("tool", text, name=CONTEXT)
        if "content" in item:
            self.fault("content", "stands beside passages", "keep one of the two")
        return self._expanded(item)

    def _expanded(self, item: Mapping[str, Any]) -> Message | None:
        ids = item.get("passages", [])
        if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
            self.fault("passages", "is not a list of article ids", 'write ["article-id"]')
            return None
        for name in ids:
            if name not in self.rules.passages:
                known = ", ".join(sorted(self.rules.passages)[:20]) or "none"
                self.fault("passages", f"unknown article `{name}`", f"articles of this pack: {known}")
        if item.get("customer") not in (None, VERIFIED, NOT_SIGNED_IN):
            self.fault("customer", "is not a known state", f"write `{VERIFIED}` or `{NOT_SIGNED_IN}`")
            return None
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(item.get("today") or "2000-01-01")):
            self.fault("today", "is not a date", "write it as 2026-12-31")
            return None
        passages = [self.rules.passages[name] for name in ids if name in self.rules.passages]
        self.state = self.state.with_facts(flatten_facts({}, passages))
        message = context_message(passages, customer=item.get("customer"), today=item.get("today"))
        if message is None and all(name in self.rules.passages for name in ids):
            self.fault("passages", "holds nothing to tell", "name an article, or remove the message")
        return message

    def _result(self, item: Mapping[str, Any]) -> Message | None:
        call = self._answered(item)
        if call is not None:
            self.pending.pop(call.id, None)
        verbatim = call is not None and self._is_verbatim(call)
        self.expected = ("result",) if self.pending else ("assistant", "user") if verbatim else ("assistant",)
        result = self._result_object(item.get("content"))
        if call is None or result is None:
            return None
        self.state = self.state.with_facts(flatten_facts(result))
        return result_message(call, result)

    def _is_verbatim(self, call: ToolCall) -> bool:
        spec = self.rules.actions.get(call.name)
        return spec is not None and spec.reply == "verbatim"

    def _answered(self, item: Mapping[str, Any]) -> ToolCall | None:
        """The call that this result answers: by its id, or the only one."""
        given = item.get("tool_call_id")
        call = self.pending.get(str(given)) if given else next(iter(self.pending.values()), None)
        if call is None and self.pending:
            self.fault("tool_call_id", "answers no call", f"open calls: {', '.join(self.pending)}")
        if call is not None and item.get("name", call.name) != call.name:
            self.fault("name", f"the call was `{call.name}`", f'write "name": "{call.name}"')
        return call

    def _result_object(self, content: Any) -> dict[str, Any] | None:
        try:
            return content if isinstance(content, dict) else parse_object(content)
        except (ValueError, TypeError):
            self.fault(
                "content", "is not the JSON object of a result", 'write for example {"order": {"eta": "…"}}'
            )
            return None


_KIND_REMEDY = 'write {"role": "user" | "assistant" | "tool", "content": "…"}'


def _is_system(item: Any) -> bool:
    return isinstance(item, dict) and item.get("role") in ("system", "developer")


def _kind(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    role = item.get("role")
    if role == "tool":
        return "context" if item.get("name") == CONTEXT or "passages" in item else "result"
    return role if role in ("user", "assistant") else None
