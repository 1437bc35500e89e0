"""Card, bank account and social security numbers in a reply: what `senmon.pii` finds, in the words of a
verdict."""

from __future__ import annotations

import re

from senmon.pii import find_personal
from senmon.pii.banking import card_issuer, is_iban

__all__ = ["is_card", "is_iban", "personal_numbers"]

_NAMES = {"card": "card number", "iban": "IBAN"}
_SSN = "US social security number"


def personal_numbers(text: str) -> list[tuple[str, str]]:
    """(kind, number without separators) for each; kinds: card number, IBAN, social security number."""
    found = []
    for one in find_personal(text):
        name = "social security number" if one.detail == _SSN else _NAMES.get(one.kind)
        if name:
            found.append((name, re.sub(r"[ -]", "", one.text).upper()))
    return found


def is_card(digits: str) -> bool:
    """An issuer's prefix and length, and a Luhn check digit (ISO/IEC 7812-1 annex B)."""
    return bool(card_issuer(digits))
