"""Examples as one JSON object a line: OpenAI's chat format, and ShareGPT's as LLaMA-Factory reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from senmon.dataset.example import Example
from senmon.messages import CONTEXT, Message
from senmon.packs.manifest import ActionSpec

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every conversation: the system text, the tools. `metadata`: also say intent, split,
    licence and tags of each."""

    system: str = ""
    actions: Sequence[ActionSpec] = ()
    metadata: bool = True

    def tools(self) -> list[dict[str, Any]]:
        """The actions as OpenAI's tool definitions."""
        return [{"type": "function", "function": _function(spec)} for spec in self.actions]


def openai_line(example: Example, frame: Frame) -> Line:
    """`messages`, `tools`, `metadata`. A context message becomes a system message named `context`."""
    system = [{"role": "system", "content": frame.system}] if frame.system else []
    line: dict[str, Any] = {"messages": [*system, *map(_openai, example.messages)]}
    if frame.actions:
        line["tools"] = frame.tools()
    return {**line, **_metadata(example, frame)}


def sharegpt_line(example: Example, frame: Frame) -> Line:
    """`conversations` of human, gpt, function_call and observation; `system`; `tools` as JSON text."""
    turns = [turn for message in example.messages for turn in _turns(message)]
    line: dict[str, Any] = {"conversations": turns}
    if frame.system:
        line["system"] = frame.system
    if frame.actions:
        line["tools"] = json.dumps([_function(spec) for spec in frame.actions], ensure_ascii=False)
    return {**line, **_metadata(example, frame)}


def _function(spec: ActionSpec) -> dict[str, Any]:
    return {"name": spec.name, "description": spec.description, "parameters": spec.parameters}


def _metadata(example: Example, frame: Frame) -> dict[str, Any]:
    if not frame.metadata:
        return {}
    said = {"intent": example.intent, "split": example.split, "licence": example.licence}
    tags = {"tags": list(example.tags)} if example.tags else {}
    return {"metadata": {**said, **tags}}


def _openai(message: Message) -> dict[str, Any]:
    if message.role == "tool" and message.name == CONTEXT:
        return {"role": "system", "name": CONTEXT, "content": message.content}
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content}
    if message.tool_calls:
        calls = [call.to_json() for call in message.tool_calls]
        return {"role": "assistant", "content": message.content or None, "tool_calls": calls}
    return {"role": message.role, "content": message.content}


def _turns(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool" and message.name == CONTEXT:
        yield {"from": "system", "name": CONTEXT, "value": message.content}
    elif message.role == "tool":
        yield {"from": "observation", "value": message.content, "tool_call_id": message.tool_call_id}
    elif message.role == "user":
        yield {"from": "human", "value": message.content}
    else:
        if message.content:
            yield {"from": "gpt", "value": message.content}
        if message.tool_calls:
            yield {"from": "function_call", "value": _call_text(message)}


def _call_text(message: Message) -> str:
    calls = [
        {"name": call.name, "arguments": dict(call.arguments), "id": call.id} for call in message.tool_calls
    ]
    return json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
