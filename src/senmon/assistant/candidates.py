"""The only values that an id-like argument may take: those that occur in the conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from senmon.messages import CONTEXT, Message
from senmon.packs.manifest import ActionSpec

MOST = 32


def candidates(tools: Sequence[ActionSpec], messages: Sequence[Message]) -> Mapping[str, tuple[str, ...]]:
    """Per argument, the matches of its pattern in the user's words and in results, newest first."""
    patterns = {argument: pattern for spec in tools for argument, pattern in spec.candidates.items()}
    return {argument: _matches(pattern, messages) for argument, pattern in patterns.items()}


def _matches(pattern: str, messages: Sequence[Message]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in _sources(messages):
        for match in re.finditer(pattern, text):
            if value := match.group(0).strip():
                found.setdefault(value)
            if len(found) >= MOST:
                return tuple(found)
    return tuple(found)


def _sources(messages: Sequence[Message]) -> Iterator[str]:
    for message in reversed(messages):
        if message.role == "user" or (message.role == "tool" and message.name != CONTEXT):
            yield message.content
