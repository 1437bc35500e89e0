"""Card, bank account and social security numbers, told from other long numbers by their check digits."""

from __future__ import annotations

import re

_CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
#: Issuer prefixes and lengths (ISO/IEC 7812): Visa, Mastercard, Amex, Discover, JCB, Diners, Maestro.
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|(?:50|5[6-9]|"
    r"6\d)\d{14}"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![a-z0-9])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")


def personal_numbers(text: str) -> list[tuple[str, str]]:
    """(kind, number without separators) for each; kinds: card number, IBAN, social security number."""
    found = [("card number", digits) for digits in map(_bare, _CARD.findall(text)) if is_card(digits)]
    found += [("IBAN", iban) for match in _IBAN.findall(text) if (iban := _iban(_bare(match)))]
    found += [("social security number", _bare(match)) for match in _SSN.findall(text)]
    return found


def is_card(digits: str) -> bool:
    """An issuer's prefix and length, and a Luhn check digit (ISO/IEC 7812-1 annex B)."""
    if not _ISSUERS.fullmatch(digits):
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """ISO 13616: 15 to 34 characters, remainder 1 modulo 97."""
    if not 15 <= len(text) <= 34:
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def _iban(text: str) -> str:
    """The IBAN at the start of `text`: capital words may have stuck to its end."""
    return next((text[:size] for size in range(min(len(text), 34), 14, -1) if is_iban(text[:size])), "")


def _bare(text: str) -> str:
    return re.sub(r"[ -]", "", text)
