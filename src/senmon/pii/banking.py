"""Payment cards and bank accounts: issuer and length, then the check digit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban as stdnum_iban
from stdnum import luhn

from senmon.pii.spans import Span

_CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){11,18}(?![\w-])")
#: Issuer → prefixes and lengths (ISO/IEC 7812-1; the schemes' published ranges).
_ISSUERS = {
    "Visa": re.compile(r"4(?:\d{12}|\d{15}|\d{18})"),
    "Mastercard": re.compile(r"5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"),
    "American Express": re.compile(r"3[47]\d{13}"),
    "Discover": re.compile(r"6(?:011|5\d\d|4[4-9]\d)\d{12}"),
    "JCB": re.compile(r"35\d{14}|(?:2131|1800)\d{11}"),
    "Diners Club": re.compile(r"3(?:0[0-5]|[689]\d)\d{11}"),
    "UnionPay": re.compile(r"62\d{14,17}"),
    "Maestro": re.compile(r"(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"),
}
#: What the schemes publish for trying a payment out.
_TEST_CARDS = frozenset(
    [
        "4111111111111111",
        "4012888888881881",
        "4242424242424242",
        "4000056655665556",
        "5555555555554444",
        "5105105105105100",
        "2223003122003222",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "6011000990139424",
        "3530111333300000",
        "3566002020360505",
        "30569309025904",
        "38520000023237",
        "4222222222222",
    ]
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![a-z0-9])", re.I)
#: In half of all manuals; belongs to nobody.
_TEST_IBANS = frozenset(("DE89370400440532013000", "GB82WEST12345698765432", "GB29NWBK60161331926819"))


def cards(text: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        issuer = card_issuer(digits)
        if issuer:
            yield Span(match.start(), match.end(), issuer, digits in _TEST_CARDS)


def card_issuer(digits: str) -> str:
    """The scheme whose prefix and length this is, with a right Luhn digit; else empty."""
    if len(set(digits)) < 2 or not luhn.is_valid(digits):
        return ""
    return next((name for name, shape in _ISSUERS.items() if shape.fullmatch(digits)), "")


def ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        end = _iban_end(match[0])
        if end:
            plain = re.sub(r"[ -]", "", match[0][:end]).upper()
            yield Span(match.start(), match.start() + end, plain[:2], plain in _TEST_IBANS)


def is_iban(text: str) -> bool:
    """ISO 13616: a known country's length and shape, remainder 1 modulo 97."""
    plain = re.sub(r"[ -]", "", text)
    if not 15 <= len(plain) <= 34 or not plain.isascii() or not plain.isalnum():
        return False
    if int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 != 1:
        return False  # before the registry is asked, which takes its time
    # The countries' own check digits inside are not asked for: many banks' systems don't either.
    return bool(stdnum_iban.is_valid(text, check_country=False))


def _iban_end(text: str) -> int:
    """Where the IBAN at the start of `text` ends (words may have stuck to it); 0 when there is none."""
    for end in range(len(text), 14, -1):
        if text[end - 1].isalnum() and is_iban(text[:end]):
            return end
    return 0
