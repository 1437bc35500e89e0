"""A request to vLLM's `/v1/completions` in token ids, and its streamed answer put together.

The prompt is rendered here, as it was for tuning: what a visitor typed can't become a control token, and the
server's chat template plays no part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from senmon.engines.call_schema import AllowedCall
from senmon.engines.openai_wire import MAX_REPLY
from senmon.engines.protocol import Sampling
from senmon.errors import EngineError
from senmon.messages import FinishReason, Usage
from senmon.rendering import CALL_START, Renderer

#: As `json.dumps` writes the calls of the training data (vLLM's guidance back end reads this).
_STYLE = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
#: Added to the logits of tokens that a reply must not contain.
_NEVER = -100.0


def words_body(
    ids: Sequence[int], sampling: Sampling, room: int, renderer: Renderer, *, calls: bool
) -> dict[str, Any]:
    """Asks for words. They end with the reply, and where a call begins if `calls`."""
    never = {*renderer.forbidden_ids, *_known(renderer.tool_end)}
    stops = sorted(renderer.stop_ids)
    if calls:
        stops += _known(renderer.tool_start)
    else:
        never |= {*_known(renderer.tool_start)}
    body = _body(ids, sampling, room)
    body |= {"stop_token_ids": stops}
    # A reply never shows the marker, spelt in ordinary tokens or not.
    body["stop"] = [*sampling.stop, CALL_START]
    return body | ({"logit_bias": {str(id): _NEVER for id in sorted(never)}} if never else {})


def call_body(
    ids: Sequence[int], sampling: Sampling, room: int, calls: Sequence[AllowedCall]
) -> dict[str, Any]:
    """Asks for a call and nothing else; `ids` end with the marker that begins it."""
    schema = {"anyOf": [call.call_schema() for call in calls], "x-guidance": _STYLE}
    return _body(ids, sampling, room) | {"structured_outputs": {"json": schema}}


def _body(ids: Sequence[int], sampling: Sampling, room: int) -> dict[str, Any]:
    # Everything is said: the server fills gaps from the model's generation_config.json.
    sampled = sampling.temperature > 0
    return {
        "prompt": list(ids),
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p if sampled else 1.0,
        "top_k": sampling.top_k if sampled and sampling.top_k > 0 else -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": sampling.seed,
        "max_tokens": min(sampling.max_tokens, room),
    }


def _known(id: int | None) -> list[int]:
    return [] if id is None else [id]


@dataclass(slots=True)
class Words:
    """A streamed completion as it grows. `add` gives the text to pass on."""

    ids: list[int] = field(default_factory=list)
    text: str = ""
    usage: Usage = field(default_factory=Usage)
    finish: FinishReason | None = None
    stopped_by: int | str | None = None

    def add(self, data: Mapping[str, Any]) -> str:
        """One chunk. Raises EngineError for nonsense."""
        try:
            return self._add(data)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise EngineError(f"the model server sent a chunk that is no completion ({error!r})") from error

    def _add(self, data: Mapping[str, Any]) -> str:
        if usage := data.get("usage"):
            details = usage.get("prompt_tokens_details") or {}
            self.usage = Usage(
                int(usage.get("prompt_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
                int(details.get("cached_tokens") or 0),
            )
        passed = ""
        for choice in data.get("choices") or ():
            text = str(choice.get("text") or "")
            self.ids += [int(id) for id in choice.get("token_ids") or ()]
            passed += text
            self.text += text
            if reason := choice.get("finish_reason"):
                self.finish = "length" if reason == "length" else "stop"
                self.stopped_by = choice.get("stop_reason")
        if len(self.text) > MAX_REPLY:
            raise EngineError("the model server does not stop writing")
        return passed

    def begins_call(self, tool_start: int | None) -> bool:
        """Whether it ended because a call begins."""
        return self.stopped_by == CALL_START or (tool_start is not None and self.stopped_by == tool_start)


def plus(first: Usage, second: Usage) -> Usage:
    """The usage of a reply that took two requests: the prompt counts once."""
    written = first.completion_tokens + second.completion_tokens
    return Usage(first.prompt_tokens or second.prompt_tokens, written, first.cached_tokens)
