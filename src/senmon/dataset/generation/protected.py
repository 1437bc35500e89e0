"""Which parts of a text must stay letter by letter: what calls copy, numbers, ids, names, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from senmon.checks.values import WORDS
from senmon.dataset.generation.candidate import Parent

Span = tuple[int, int]
_TOKENS = re.compile(
    r"\S*\d\S*|\S+@\S+|https?://\S+|www\.\S+|\[\[.*?\]\]|\S*[=+*/^<>\\_#€$£%]\S*|[\"“][^\"”]{1,80}[\"”]|"
    r"\b(?:"
    + "|".join(WORDS)
    + r"|hundred|thousand|half|third|quarter)s?\b|\b(?:not|no|never|none|nothing|without)\b|"
    r"\b\w+['’]\w+\b",
    re.I,
)
_NAME = re.compile(r"(?<=[a-z0-9,;:] )(?!I\b)[A-Z]\w+(?: [A-Z]\w+)*")
_LEAST_COPIED = 2


def protected_spans(text: str, copied: Iterable[str] = (), patterns: Iterable[str] = ()) -> tuple[Span, ...]:
    """Merged, sorted spans of `text`. `copied`: values that calls repeat; `patterns`: of arguments."""
    found = [match.span() for pattern in (_TOKENS, _NAME) for match in pattern.finditer(text)]
    for value in copied:
        if len(value) >= _LEAST_COPIED:
            found += [match.span() for match in re.finditer(re.escape(value), text, re.I)]
    for pattern in patterns:
        found += [match.span() for match in re.finditer(pattern, text)]
    return _merged(found)


def copied_values(parent: Parent) -> tuple[str, ...]:
    """Arguments of the parent's calls, and the values in results: replies and calls may repeat them."""
    values: set[str] = set()
    for message in parent.example.messages:
        for call in message.tool_calls:
            values |= set(_texts(call.arguments))
    return tuple(sorted(values, key=len, reverse=True))


def protected_texts(text: str, spans: Iterable[Span]) -> list[str]:
    """What stands in the spans, sorted: equal before and after a change that kept them."""
    return sorted(text[start:end].casefold() for start, end in spans)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
