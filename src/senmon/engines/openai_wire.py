"""A request as OpenAI's chat API takes it, and its streamed answer put together."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import jsonschema

from senmon.engines.call_schema import AllowedCall
from senmon.engines.protocol import Sampling
from senmon.engines.stops import StopWatch
from senmon.errors import EngineError
from senmon.messages import FinishReason, Message, ToolCall, Usage
from senmon.rendering import CALL_END, CALL_START, parse_call

#: More text than this in one reply is not a reply.
MAX_REPLY = 1_000_000
_FINISHES = {"stop", "length", "tool_calls", "content_filter"}


class CallFaultError(EngineError):
    """The server asked for a call that isn't allowed. Retried once, by the engine."""


#: What chat templates take for the borders of turns and calls. A server encodes whole prompts, so that such
#: a marker typed by a visitor, or found in an action's result, would be one.
_MARKER = re.compile(
    r"<(?=[|｜]|/?(?:s|bos|eos|pad|unk|think|tool_\w{1,20}|(?:start|end)_of_turn)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_\w{1,20})\])"
)


def wire_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """OpenAI messages. A tool message that answers no call is folded into the user's message before it."""
    wired: list[dict[str, Any]] = []
    calls: set[str] = set()
    for message in (*messages[:1], *map(_disarmed, messages[1:])):
        if message.role != "tool":
            calls.update(call.id for call in message.tool_calls)
            wired.append({key: value for key, value in message.to_json().items() if key != "name"})
        elif message.tool_call_id in calls:
            wired.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content})
        else:
            _fold(wired, message)
    return wired


def _disarmed(message: Message) -> Message:
    """Everything but the pack's own prompt, which comes first."""
    return replace(message, content=_MARKER.sub(lambda found: f"{found[0]} ", message.content))


def _fold(wired: list[dict[str, Any]], message: Message) -> None:
    # The fence's mark depends on what it holds, so that a visitor can't type one that closes it.
    mark = hashlib.sha256(message.content.encode()).hexdigest()[:8]
    name = message.name or "context"
    block = f"<{name} {mark}>\n{message.content}\n</{name} {mark}>"
    if wired and wired[-1]["role"] == "user":
        wired[-1] = {**wired[-1], "content": f"{wired[-1]['content']}\n\n{block}"}
    else:
        wired.append({"role": "user", "content": block})


def wire_tools(calls: Sequence[AllowedCall]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": call.name,
                "description": call.description,
                "parameters": dict(call.parameters),
            },
        }
        for call in calls
    ]


def wire_sampling(sampling: Sampling, *, vllm: bool) -> dict[str, Any]:
    wired: dict[str, Any] = {
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }
    if sampling.temperature > 0:
        wired["top_p"] = sampling.top_p
        if vllm and sampling.top_k > 0:
            wired["top_k"] = sampling.top_k
    if sampling.stop:
        wired["stop"] = list(sampling.stop)
    return wired


@dataclass(slots=True)
class Answer:
    """A streamed answer as it grows. `add` gives the text to pass on."""

    finish: FinishReason | None = None
    usage: Usage = field(default_factory=Usage)
    _size: int = 0
    _names: dict[int, str] = field(default_factory=dict)
    _ids: dict[int, str] = field(default_factory=dict)
    _arguments: dict[int, str] = field(default_factory=dict)
    # A server without a tool parser writes calls as text.
    _watch: StopWatch = field(default_factory=lambda: StopWatch((CALL_START,)))
    _spelt: str | None = None

    def add(self, data: Mapping[str, Any]) -> str:
        """One chunk of the stream. Raises EngineError when it makes no sense."""
        try:
            return self._add(data)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise EngineError(f"the model server sent a chunk that is no chat chunk ({error!r})") from error

    def _add(self, data: Mapping[str, Any]) -> str:
        if usage := data.get("usage"):
            details = usage.get("prompt_tokens_details") or {}
            self.usage = Usage(
                int(usage.get("prompt_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
                int(details.get("cached_tokens") or 0),
            )
        text = ""
        for choice in data.get("choices") or ():
            delta = choice.get("delta") or {}
            text += self._take_text(delta.get("content") or "")
            for part in delta.get("tool_calls") or ():
                self._take_part(part)
            if finish := choice.get("finish_reason"):
                self.finish = cast(FinishReason, finish) if finish in _FINISHES else "stop"
        return text

    def _take_text(self, text: str) -> str:
        self._count(text)
        if self._spelt is not None:
            self._spelt += text
            return ""
        piece = self._watch.feed(text)
        if piece.found is not None:
            self._spelt = piece.rest
        return piece.text

    def _take_part(self, part: Mapping[str, Any]) -> None:
        index = int(part.get("index") or 0)
        function = part.get("function") or {}
        self._ids[index] = self._ids.get(index) or part.get("id") or ""
        self._names[index] = self._names.get(index, "") + (function.get("name") or "")
        self._arguments[index] = self._arguments.get(index, "") + (function.get("arguments") or "")
        self._count(function.get("arguments") or "")

    def _count(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_REPLY:
            raise EngineError("the model server does not stop writing")

    def rest(self) -> str:
        """Text that was held back, once the stream has ended."""
        return self._watch.flush()

    def call(self, allowed: Sequence[AllowedCall]) -> ToolCall | None:
        """The call that was asked for (the first one), checked against `allowed`. Raises CallFaultError."""
        if not allowed and not self._names:
            return None
        try:
            call = self._parsed()
        except (ValueError, RecursionError) as error:
            raise CallFaultError(f"its call is not valid JSON ({error})") from error
        if call is None:
            return None
        return checked_call(call, allowed)

    def _parsed(self) -> ToolCall | None:
        if self._names:
            first = min(self._names)
            body = {"name": self._names[first], "arguments": json.loads(self._arguments[first] or "{}")}
            return parse_call(json.dumps(body), id=self._ids[first])
        if self._spelt is not None:
            return parse_call(self._spelt.partition(CALL_END)[0])
        return None


def checked_call(call: ToolCall, allowed: Sequence[AllowedCall]) -> ToolCall:
    """`call`, if it is allowed. Raises CallFaultError."""
    schema = next((one.parameters for one in allowed if one.name == call.name), None)
    if schema is None:
        raise CallFaultError(f"it called {call.name[:64]!r}, which is not among the tools")
    fault = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(dict(call.arguments))
    )
    if fault is not None:
        raise CallFaultError(f"its call of {call.name} has wrong arguments: {fault.message[:300]}")
    return call
