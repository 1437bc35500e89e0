"""The only values that an id-like argument may take: those that occur in the conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import regex

from senmon.messages import CONTEXT, Message
from senmon.packs.manifest import ActionSpec

MOST = 32
#: A pattern that takes longer on one message (hostile text, careless pattern) gives what it found by then.
SECONDS = 0.25


def candidates(tools: Sequence[ActionSpec], messages: Sequence[Message]) -> Mapping[str, tuple[str, ...]]:
    """Per argument, the matches of its pattern in the user's words and in results, newest first; those of the
    user's latest message alone where the action says so (`latest`) and there are any."""
    patterns: dict[str, dict[str, None]] = {}
    latest = {argument for spec in tools for argument in spec.latest}
    for spec in tools:
        for argument, pattern in spec.candidates.items():
            patterns.setdefault(argument, {})[pattern] = None
    newest = [message for message in messages if message.role == "user"][-1:]
    return {
        argument: (_all_matches(tuple(found), newest) if argument in latest else ())
        or _all_matches(tuple(found), messages)
        for argument, found in patterns.items()
    }


def matches_in(pattern: str, text: str) -> tuple[str, ...]:
    """The matches of an argument's pattern in one text."""
    return _matches(pattern, (Message("user", text),))


def _all_matches(patterns: Sequence[str], messages: Sequence[Message]) -> tuple[str, ...]:
    """Actions may share an argument's name: then the matches of each one's pattern."""
    found = {value: None for pattern in patterns for value in _matches(pattern, messages)}
    return tuple(found)[:MOST]


def _matches(pattern: str, messages: Sequence[Message]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in _sources(messages):
        with suppress(TimeoutError):
            # `regex` and not `re`: it can be stopped, and lets other threads run meanwhile.
            for match in regex.finditer(pattern, text, timeout=SECONDS, concurrent=True):
                if value := match.group(0).strip():
                    found.setdefault(value)
                if len(found) >= MOST:
                    return tuple(found)
    return tuple(found)


def _sources(messages: Sequence[Message]) -> Iterator[str]:
    for message in reversed(messages):
        if message.role == "user" or (message.role == "tool" and message.name != CONTEXT):
            yield message.content
