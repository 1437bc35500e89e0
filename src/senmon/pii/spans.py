"""A place in a text, and the words around it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open, in characters."""

    start: int
    end: int
    detail: str = ""
    made_up: bool = False


def before(text: str, start: int, most: int) -> str:
    """Up to `most` characters before `start`, in lower case, from the last sentence end on."""
    return re.split(r"[.!?\n](?=\s)", text[max(0, start - most) : start].lower())[-1]


def after(text: str, end: int, most: int) -> str:
    """Up to `most` characters after `end`, in lower case, to the next sentence end."""
    return re.split(r"[.!?\n](?:\s|$)", text[end : end + most].lower())[0]
