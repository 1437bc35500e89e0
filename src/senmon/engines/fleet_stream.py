"""A streamed answer is whole, or a fault: one that was cut never passes for a short one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from senmon.errors import EngineUnavailable

#: vLLM's words for an answer that it did not finish.
_GIVEN_UP = ("abort", "error")


async def whole(source: AsyncGenerator[Mapping[str, Any], None]) -> AsyncGenerator[Mapping[str, Any], None]:
    """As `source`. Raises EngineUnavailable when it ends without a reason, or with one that is none."""
    ended = False
    async with contextlib.aclosing(source) as objects:
        async for data in objects:
            reasons = [choice.get("finish_reason") for choice in _choices(data)]
            if any(reason in _GIVEN_UP for reason in reasons):
                raise EngineUnavailable("the model server gave the answer up")
            ended = ended or any(reasons)
            yield data
    if not ended:
        raise EngineUnavailable("the model server broke off its answer")


def speaks(data: Mapping[str, Any]) -> bool:
    """Whether a piece of the reply is in it: words, or a part of a call."""
    for choice in _choices(data):
        delta = choice.get("delta")
        if choice.get("text") or choice.get("token_ids"):
            return True
        if isinstance(delta, Mapping) and (delta.get("content") or delta.get("tool_calls")):
            return True
    return False


def _choices(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = data.get("choices")
    return [choice for choice in choices if isinstance(choice, Mapping)] if isinstance(choices, list) else []
