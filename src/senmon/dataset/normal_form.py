"""The normal form of a text: two texts that differ in case, spacing or punctuation are the same.

Operators and numbers stay, so that `3 + 4` and `3 - 4` differ.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from senmon.messages import CONTEXT, Message
from senmon.rendering import call_text

_QUOTES = re.compile(r"[\"'’‘“”„`´«»]")
_MARKS = re.compile(r"[!?;…¿¡()\[\]{}]|(?<!\d)[.,:]|[.,:](?!\d)")
_IDS = re.compile(r"\d{4,}")


def normalised(text: str) -> str:
    """Case-folded NFKC without quotes and sentence punctuation, single spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_MARKS.sub(" ", _QUOTES.sub("", plain)).split())


def request_key(text: str) -> str:
    """Like `normalised`, with long numbers (order ids, phone numbers) made equal."""
    return _IDS.sub("0000", normalised(text))


def conversation_key(messages: Iterable[Message]) -> str:
    """The normal form of what was said and called; context messages and results are left out."""
    said = (
        message for message in messages if message.role in ("user", "assistant") and message.name != CONTEXT
    )
    return "\n".join(f"{message.role}: {_spoken(message)}" for message in said)


def _spoken(message: Message) -> str:
    return " ".join([normalised(message.content), *map(call_text, message.tool_calls)])
