"""Phone numbers: by their country's numbering plan (phonenumbers), by how they are written, by the words
beside.

Order numbers, dates, prices and reference numbers have as many digits. So a run of digits is a phone number
when it has a country code; when it is written in groups the way its country does and its plan knows it; or
when the words beside it speak of phoning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import phonenumbers

from senmon.pii.spans import Span, after, before

FEWEST_DIGITS, MOST_DIGITS = 7, 15
DEFAULT_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "AU", "IN", "CH", "AT", "BE", "SE", "IE", "BR")
_CANDIDATE = re.compile(
    r"(?<![\w@#.,/:=€$£-])(?:\+|\(\+?|00)?\d(?:[ .\-/()]{0,3}\d){6,16}(?: ?(?:x|ext\.?) ?\d{1,5})?"
    r"(?![\w@€$£%]|[.,:]\d|-(?!(?i:fax|tel)\b|[A-Za-z]{4})\w)"
)
_EXTENSION = re.compile(r" ?(?:x|ext\.?) ?\d{1,5}$")
_PHONING = re.compile(
    r"\b(?:phones?|telephone|tel|mobile|cell(?:phone)?|fax|whatsapp|sms|handy|hotline|landline|call(?:ed|ing)?|ring|dial"
    r"|text (?:me|us|him|her|them)|reach(?:ed)?|answer(?:s|ed|ing)? (?:at|on|under)|contact(?:ed)?"
    r"|telefon\w*|rufnummer|téléphone|teléfono|móvil)\b"
)
#: As on a business card: the label behind the number, then the line or the part ends.
_LABEL_AFTER = re.compile(
    r"[ -]{0,2}\(?(?:office|home|work|mobile|cell|fax|tel|phone|direct|landline)\)?[ ]*(?:$|[\r\n,;|])", re.I
)
#: A part of a sum, or its result.
_SUM_BEFORE, _SUM_AFTER = re.compile(r"[=×÷*/+]\s*$|\d\s*[x-]\s*$"), re.compile(r"^\s*[=×÷*]")
_FRACTIONS = re.compile(r"[1-9]\d{0,3}/[1-9]\d{0,3}(?: ?- ?[1-9]\d{0,3}/[1-9]\d{0,3})+")
#: What the digits are when one of these stands right before them.
_OTHER = re.compile(
    r"\b(?:orders?|purchases?|bills?|invoices?|bookings?|tickets?|tracking|parcels?|packages?|shipments?|ref(?:erence)?|confirmation"
    r"|articles?|items?|products?|sku|isbn|ean|upc|gtin|serial|model|versions?|cases?|contracts?|polic(?:y|ies)"
    r"|vouchers?|coupons?|gift cards?|receipts?|accounts?|customers?|members?(?:hip)?|users?"
    r"|transactions?|ids?"
    r"|licen[cs]es?|license|passports?|zip|postcodes?|card|pin|code|barcode|bestellung|rechnung)\b[^\d+]{0,24}$"
)
_DATE = re.compile(
    r"(?:19|20)\d{2}[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:0?[1-9]|[12]\d|3[01])(?:[ T]\d{1,2})?"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./ ](?:0?[1-9]|[12]\d|3[01])[-./ ](?:(?:19|20)\d{2}|\d{2})(?: \d{1,2})?"
    r"|(?:19|20)\d{2} ?[-/] ?(?:19|20)\d{2}|(?:19|20)\d{6}"
)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:[ .]\d{3})+")
#: Written like a number of somebody: trunk zero, area code in brackets, or 3-3-4.
_WRITTEN = re.compile(
    r"\(?0\d.*[ .\-/()].*\d|\(\d{2,5}\).+|\d{3}[ .-]\d{3}[ .-]\d{4}|1[ .-]\d{3}[ .-]\d{3}[ .-]\d{4}", re.S
)
#: 555-0100 to 555-0199, kept for fiction in North America.
_FICTION = re.compile(r"(?:\+?1\D*)?\(?\d{3}\)?\D*555\D*01\d\d")
#: Ranges that Ofcom keeps for drama.
_DRAMA = ("+447700900", "+442079460", "+441632960", "+441134960", "+441614960")


def numbers(text: str, regions: Sequence[str] = DEFAULT_REGIONS) -> Iterator[Span]:
    """Phone numbers, `detail` the country calling code where it is known."""
    for match in _CANDIDATE.finditer(text):
        said = match[0]
        digits = sum(letter.isdigit() for letter in _EXTENSION.sub("", said))
        if not FEWEST_DIGITS <= digits <= MOST_DIGITS or said.count("(") != said.count(")"):
            continue
        if _FRACTIONS.fullmatch(said) or _DATE.fullmatch(said) or _ADDRESS.fullmatch(said):
            continue
        if _in_a_sum(text, match.start(), match.end()):
            continue
        found = _known(text, match.start(), match.end(), regions)
        if found is not None:
            made_up = bool(_FICTION.fullmatch(said)) or found.startswith(_DRAMA)
            yield Span(match.start(), match.end(), _calling_code(found), made_up)


def _in_a_sum(text: str, start: int, end: int) -> bool:
    return bool(_SUM_BEFORE.search(text[max(0, start - 4) : start]) or _SUM_AFTER.match(text[end : end + 4]))


def _known(text: str, start: int, end: int, regions: Sequence[str]) -> str | None:
    """E.164 of the number, an empty string for one that only its words tell, None for what is none."""
    said = text[start:end]
    if said.lstrip("(").startswith("+"):
        return _international(re.sub(r"\(0\)", "", said))
    ahead = before(text, start, 60)
    if said.startswith("00") and (found := _international("+" + re.sub(r"\(0\)", "", said)[2:])):
        return found
    other = _OTHER.search(ahead)
    if other and other.start() >= max((word.end() for word in _PHONING.finditer(ahead)), default=0):
        return None
    beside = bool(_PHONING.search(ahead[-16:]) or _LABEL_AFTER.match(text[end : end + 24]))
    phoning = bool(_PHONING.search(ahead) or _PHONING.search(after(text, end, 16)))
    written = bool(_WRITTEN.fullmatch(said))
    national = _national(said, regions) if phoning or written else None
    if written and national:
        return national
    return (national or "") if beside or (phoning and not _THOUSANDS.fullmatch(said)) else None


def _international(said: str) -> str | None:
    try:
        number = phonenumbers.parse(said, None)
    except phonenumbers.NumberParseException:
        return None
    return _e164(number) if phonenumbers.is_possible_number(number) else None


def _national(said: str, regions: Sequence[str]) -> str | None:
    for region in regions:
        try:
            number = phonenumbers.parse(said, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return _e164(number)
    return None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _calling_code(e164: str) -> str:
    return f"+{phonenumbers.parse(e164, None).country_code}" if e164 else ""
