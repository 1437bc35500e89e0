"""What a chat message may be made of."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from senmon.errors import RequestInvalid

_ALLOWED_CONTROLS = frozenset("\n\t")
_MAX_ODD_SHARE = 0.1
_MIN_ODD = 4


def clean(text: str) -> str:
    """With Unix line ends. ValueError for what no person typed: control characters, bytes, surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    odd = 0
    for place, letter in enumerate(text):
        category = unicodedata.category(letter) if letter not in _ALLOWED_CONTROLS else "Zs"
        if category == "Cc":
            raise ValueError(f"contains a control character (U+{ord(letter):04X} at {place})")
        if category == "Cs":
            raise ValueError(f"contains half a surrogate pair (U+{ord(letter):04X} at {place})")
        odd += category in ("Cn", "Co") or letter == "\ufffd"
    if odd >= _MIN_ODD and odd > _MAX_ODD_SHARE * len(text):
        raise ValueError("looks like binary data, not like text in UTF-8")
    return text


def _spoken(text: str) -> str:
    text = clean(text)
    if not any(letter.isprintable() and not letter.isspace() for letter in text):
        raise ValueError("is empty")
    return text


#: Text that somebody says: cleaned, not blank.
SpokenText = Annotated[str, AfterValidator(_spoken), Field(min_length=1)]
#: Text that may be empty.
CleanText = Annotated[str, AfterValidator(clean)]


def check_length(text: str, limit: int, param: str) -> None:
    """Raises RequestInvalid when `text` has more than `limit` characters."""
    if len(text) > limit:
        raise RequestInvalid(
            f"{param} has {len(text)} characters, at most {limit} are allowed",
            param=param,
            remedy="send a shorter one",
        )
