"""What the policy looks at: a message, what was said before it, and what was done last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from senmon.messages import Message, ToolCall
from senmon.packs.manifest import ActionSpec

ANSWER, REPLY = "answer", "reply"
_ANSWER = re.compile(r"\[\[answer\.\d+\]\]")


@dataclass(frozen=True, slots=True)
class Situation:
    """A user's message, the reply before it ("" at the start) and the action called last ("" for none)."""

    text: str
    before: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A situation at `messages[at]` and the move that followed it."""

    at: int
    situation: Situation
    move: str


def situation(messages: Sequence[Message]) -> Situation:
    """Of a conversation whose last user message is the one to answer. Raises ValueError without one."""
    at = max((at for at, each in enumerate(messages) if each.role == "user"), default=-1)
    if at < 0:
        raise ValueError("there is no user message")
    said = [each for each in messages[:at] if each.role == "assistant"]
    before = next((each.content for each in reversed(said) if each.content.strip()), "")
    action = next((each.tool_calls[-1].name for each in reversed(said) if each.tool_calls), "")
    return Situation(messages[at].content, before, action)


def points(messages: Sequence[Message], actions: Mapping[str, ActionSpec]) -> Iterator[Point]:
    """Every user message that an assistant message answers, with the move it began with."""
    for at, message in enumerate(messages):
        if message.role == "user" and (reply := _answering(messages, at)) is not None:
            yield Point(at, situation(messages[: at + 1]), move(reply, actions))


def _answering(messages: Sequence[Message], at: int) -> Message | None:
    for message in messages[at + 1 :]:
        if message.role != "tool":
            return message if message.role == "assistant" else None
    return None


def move(reply: Message, actions: Mapping[str, ActionSpec]) -> str:
    """`name` of the action called, with its enumerated arguments; `answer` for an article's answer by
    reference; else `reply`."""
    if reply.tool_calls:
        return _called(reply.tool_calls[0], actions)
    return ANSWER if _ANSWER.search(reply.content) else REPLY


def _called(call: ToolCall, actions: Mapping[str, ActionSpec]) -> str:
    known = actions[call.name].parameters.get("properties", {}) if call.name in actions else {}
    enumerated = [name for name, schema in known.items() if isinstance(schema, Mapping) and "enum" in schema]
    chosen = (str(call.arguments[name]) for name in enumerated if name in call.arguments)
    return " ".join([call.name, *chosen])
