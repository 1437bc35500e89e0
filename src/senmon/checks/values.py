"""Checkable values in a text: links, addresses, dates, times, money, ids, quantities, numbers.

Each extractor blanks what it took, so that the next one doesn't read the same characters as something else.
English spellings; numbers in English and in continental notation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from senmon.checks import dates

Kind = Literal[
    "email",
    "link",
    "phone",
    "date",
    "weekday",
    "time",
    "money",
    "percent",
    "quantity",
    "id",
    "counted",
    "number",
]
MAX_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Value:
    """One value. `text` is how it was written; `keys` are its normal forms, any of which identifies it.

    `unit` is a currency, a canonical unit, or the counted noun. `start` is where it begins in its text.
    """

    kind: Kind
    text: str
    keys: tuple[str, ...]
    unit: str = ""
    start: int = 0


Extractor = Callable[[str], Iterator[tuple[int, int, Value]]]

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_TEENS = "seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
WORDS = {word: number for number, word in enumerate(f"{_SMALL} {_TEENS}".split())}
WORDS |= {word: 10 * (number + 2) for number, word in enumerate(_TENS.split())}
_ORDINALS = {
    "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11,
    "twelfth": 12,
}  # fmt: skip
_WORD_NUMBER = rf"(?:(?:{_TENS.replace(' ', '|')})[- ](?:one|two|three|four|five|six|seven|eight|nine)|" + (
    rf"(?:{'|'.join(sorted(WORDS, key=len, reverse=True))}))"
)
_DIGITS = r"(?:\d{1,3}(?:\.\d{3})+,\d{1,2}|\d{1,6},\d{2}(?![\d,])|"
_DIGITS += r"\d{1,3}(?:[,\u202f']\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
NUMBER = rf"(?<![\w.])(?:{_DIGITS}|(?i:\b{_WORD_NUMBER}\b))"

_MONEY_NAMES = {
    "USD": "$ us$ usd dollar dollars buck bucks",
    "EUR": "€ eur euro euros",
    "GBP": "£ gbp pound pounds quid",
    "JPY": "¥ jpy yen",
    "INR": "₹ inr rupee rupees",
    "CHF": "chf francs",
    "CAD": "c$ cad",
    "AUD": "a$ aud",
}
_CURRENCIES = {name: code for code, names in _MONEY_NAMES.items() for name in names.split()}
_CENTS = {"cent": "USD", "cents": "USD", "pence": "GBP", "¢": "USD"}
_SCALES = {"k": 1000, "thousand": 1000, "m": 10**6, "million": 10**6, "bn": 10**9, "billion": 10**9}

#: Unit → (canonical unit, factor).
_UNITS: dict[str, tuple[str, Decimal]] = {}


def _units(canonical: str, factor: str, names: str) -> None:
    _UNITS.update({name: (canonical, Decimal(factor)) for name in names.split()})


_units("hour", "1", "hour hours hr hrs h")
_units("hour", "24", "day days")
_units("hour", "168", "week weeks wk wks")
_units("minute", "1", "minute minutes min mins")
_units("second", "1", "second seconds sec secs")
_units("month", "1", "month months")
_units("month", "12", "year years yr yrs")
_units("workday", "1", "workday workdays")
_units("gram", "1", "g gram grams")
_units("gram", "1000", "kg kgs kilo kilos kilogram kilograms")
_units("lb", "1", "lb lbs")
_units("oz", "1", "oz ounce ounces")
_units("metre", "1", "metre metres meter meters")
_units("metre", "1000", "km kms kilometre kilometres kilometer kilometers")
_units("metre", "0.01", "cm centimetre centimetres centimeter centimeters")
_units("metre", "0.001", "mm")
_units("mile", "1", "mile miles")
_units("inch", "1", "inch inches")
_units("foot", "1", "ft feet foot")
_units("litre", "1", "litre litres liter liters l")
_units("litre", "0.001", "ml")
_units("byte", "1", "gb")
_units("byte", "1000", "tb")
_units("byte", "0.001", "mb")
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_WORKING = r"(?:business|working|week)[- ]"
_BETWEEN = r"\s*(?:-|–|—|to|or|and)\s*"
_AFTER = """
and or but to of in on at by for from with is are was were be has have had will would can as if than then per
please it that this the you your we our i he she they not which who when so also until till before after since
only more less each off away left total plus minus times now today tomorrow
"""
#: Words after a number that are not what it counts.
_NO_NOUN = frozenset(_AFTER.split())


@lru_cache(maxsize=512)
def values(text: str) -> tuple[Value, ...]:
    """All values of `text` (its first 20,000 characters), in the order in which they are written."""
    rest = text[:MAX_CHARACTERS]
    found: list[Value] = []
    for extract in _EXTRACTORS:
        for start, end, value in list(extract(rest)):
            found.append(value)
            rest = rest[:start] + "\x00" * (end - start) + rest[end:]
    return tuple(sorted(found, key=lambda value: value.start))


def unit_named(name: str) -> str:
    """The unit that a field such as `return_days` or `discount_percent` tells; empty when it tells none."""
    last = re.split(r"[._\s-]", name.lower())[-1]
    return "%" if last in ("percent", "pct") else last if last in _UNITS and len(last) > 1 else ""


def number(text: str) -> Decimal:
    """The value of a number written in digits or as an English word."""
    clean = text.strip().lower()
    if clean[:1].isalpha():
        return Decimal(sum(WORDS[part] for part in re.split(r"[- ]", clean)))
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d{1,2}|\d+,\d{2}", clean):
        clean = clean.replace(".", "").replace(",", ".")
    return Decimal(re.sub(r"[,\u202f']", "", clean))


def plain(amount: Decimal) -> str:
    """One spelling per amount: 1000, 25, 0.5."""
    shown = format(amount.normalize(), "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_TLD = (
    "com|org|net|io|co|uk|de|fr|es|it|nl|eu|us|ca|au|in|jp|ch|at|info|shop|store|app|dev|edu|gov|example|test"
)
_LINK = re.compile(
    rf"(?:https?://|www\.)[^\s<>()\[\]\"'`]+|(?<![\w@.-])(?:[a-z0-9-]+\.)+(?:{_TLD})\b(?:/[^\s<>()\[\]\"'`]*)?",
    re.I,
)


def _emails(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _EMAIL.finditer(text):
        shown = match[0].rstrip(".-")
        end = match.start() + len(shown)
        yield match.start(), end, Value("email", shown, (shown.lower(),), "", match.start())


def _links(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _LINK.finditer(text):
        shown = match[0].rstrip(".,;:!?*_")
        key = re.sub(r"^(?:https?://)?(?:www\.)?", "", shown.lower()).rstrip("/")
        yield match.start(), match.start() + len(shown), Value("link", shown, (key,), "", match.start())


def _dates(text: str) -> Iterator[tuple[int, int, Value]]:
    for found in dates.dates(text):
        yield found.start, found.end, Value("date", found.text, found.keys, "", found.start)


def _times(text: str) -> Iterator[tuple[int, int, Value]]:
    for found in dates.times(text):
        yield found.start, found.end, Value("time", found.text, found.keys, "", found.start)


def _weekdays(text: str) -> Iterator[tuple[int, int, Value]]:
    for found in dates.weekdays(text):
        yield found.start, found.end, Value("weekday", found.text, found.keys, "", found.start)


_PHONE = re.compile(r"(?<![\w#.,-])\+?\(?\d{1,5}\)?(?:[ .\-/]?\(?\d{2,5}\)?){1,5}(?![\w%]|[.,]\d)")
_YEARS = re.compile(r"(?:19|20)\d\d\D+(?:19|20)\d\d")


def _phones(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        spaced = match[0][0] == "+" or re.search(r"\d[ .\-/()]+\d", match[0])
        if 7 <= len(digits) <= 15 and spaced and not _YEARS.fullmatch(match[0]):
            yield (
                match.start(),
                match.end(),
                Value("phone", match[0], (digits.lstrip("0"),), "", match.start()),
            )


_SYMBOL = r"(?:us\$|a\$|c\$|[$€£¥₹])"
_CODE = r"(?:usd|eur|gbp|jpy|inr|chf|cad|aud)"
_NAME = "|".join(sorted((name for name in [*_CURRENCIES, *_CENTS] if name.isalpha()), key=len, reverse=True))
_SCALE = r"(?:\s?(?P<scale>k|m|bn|thousand|million|billion)\b)?"
_MONEY = re.compile(
    rf"(?P<before>{_SYMBOL}|\b{_CODE}\b)\s?(?P<first>{_DIGITS}){_SCALE}(?:{_BETWEEN}(?P<last>{_DIGITS})(?![\w%]))?"
    rf"|(?P<low>{NUMBER}){_BETWEEN}(?={NUMBER}\s?-?(?:{_SYMBOL}|\b(?:{_NAME})\b))"
    rf"|(?P<amount>{NUMBER})(?:\s?(?P<big>k|thousand|million|billion)\b)?\s?-?(?P<after>[$€£¥₹¢]|"
    rf"\b(?:{_NAME})\b)",
    re.I,
)


def _money(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _MONEY.finditer(text):
        if match["low"]:
            low = plain(number(match["low"]))
            yield (
                match.start("low"),
                match.end("low"),
                Value("money", match["low"], (low,), "", match.start()),
            )
            continue
        name = (match["before"] or match["after"]).lower()
        scale = _SCALES.get((match["scale"] or match["big"] or "").lower(), 1)
        factor = Decimal("0.01") if name in _CENTS else Decimal(scale)
        currency = _CURRENCIES.get(name) or _CENTS[name]
        key = plain(number(match["first"] or match["amount"]) * factor)
        end = match.end("last") if match["last"] else match.end()
        yield match.start(), end, Value("money", match[0].strip(), (key,), currency, match.start())
        if match["last"]:
            top = plain(number(match["last"]))
            yield end, end, Value("money", match["last"], (top,), currency, match.start("last"))


_PERCENT = re.compile(rf"(?P<n>{NUMBER})(?:{_BETWEEN}(?P<m>{NUMBER}))?\s?(?:%|per ?cent\b|percent\b)", re.I)


def _percents(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _PERCENT.finditer(text):
        key = plain(number(match["n"]))
        yield match.start(), match.end(), Value("percent", match[0], (key,), "%", match.start())
        if match["m"]:
            top = plain(number(match["m"]))
            yield match.end(), match.end(), Value("percent", match[0], (top,), "%", match.start("m"))


_QUANTITY = re.compile(
    rf"(?P<n>{NUMBER})(?:{_BETWEEN}(?P<m>{NUMBER}))?(?:\s|-)?"
    rf"(?P<kind>{_WORKING}|calendar[- ]|full[- ])?(?P<unit>{_UNIT})\b(?!\w)",
    re.I,
)
_A_UNIT = re.compile(rf"\b(?:a|an)\s(?P<kind>{_WORKING})?(?P<unit>{_UNIT})\b", re.I)


def _quantities(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _QUANTITY.finditer(text):
        unit, factor = _canonical(match["kind"] or "", match["unit"])
        key = plain(number(match["n"]) * factor)
        yield match.start(), match.end(), Value("quantity", match[0], (key,), unit, match.start())
        if match["m"]:
            top = plain(number(match["m"]) * factor)
            yield match.end(), match.end(), Value("quantity", match[0], (top,), unit, match.start("m"))


def _canonical(kind: str, unit: str) -> tuple[str, Decimal]:
    canonical, factor = _UNITS[unit.lower()]
    if kind and kind.lower().startswith(("business", "working", "week")) and unit.lower().startswith("day"):
        return "workday", Decimal(1)
    return canonical, factor


def single_units(text: str) -> Iterator[Value]:
    """`a day`, `an hour`: evidence of one, though never a claim that needs it."""
    for match in _A_UNIT.finditer(text[:MAX_CHARACTERS]):
        unit, factor = _canonical(match["kind"] or "", match["unit"])
        yield Value("quantity", match[0], (plain(factor),), unit, match.start())


_ORDINAL = re.compile(rf"(?<![\w.])(?:(\d+)(?:st|nd|rd|th)|({'|'.join(_ORDINALS)}))\b", re.I)
_DECADE = re.compile(r"(?<![\w.])(\d{4})s\b")
_ID = re.compile(
    r"(?<![\w#])(?:#[A-Za-z0-9][\w-]*|(?=[\w/-]*\d)(?=[\w/-]*[A-Za-z])[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*"
    r"|\d+(?:\.\d+){2,}|\d+/\d+|\d{2,}(?:-\d{2,}){1,4}|\d{4}(?: \d{4}){3})(?!\w)",
    re.ASCII,
)
_PLAIN_WORD = re.compile(r"[a-z]{3,}-(\d+)s?")
_TERMS = "2fa 3d 4k 2d a4 a5 b2b b2c mp3 mp4 h2o co2 p2p 4g 5g 3g i18n w3c covid-19 utf-8"
_COMMON = frozenset(_TERMS.split())


def _ordinals(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _ORDINAL.finditer(text):
        key = match[1] or str(_ORDINALS[match[2].lower()])
        yield match.start(), match.end(), Value("number", match[0], (key,), "", match.start())
    for match in _DECADE.finditer(text):
        yield match.start(), match.end(), Value("number", match[0], (match[1],), "", match.start())


def _ids(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _ID.finditer(text):
        shown = match[0]
        if shown.lower() in _COMMON:
            yield match.start(), match.end(), Value("id", shown, (), "common", match.start())
        elif word := _PLAIN_WORD.fullmatch(shown):
            yield (
                match.start(),
                match.end(),
                Value("number", shown, (word[1], shown.upper()), "", match.start()),
            )
        elif any(letter.isdigit() for letter in shown):
            keys = (re.sub(r"[#_ -]", "", shown).upper(),)
            yield match.start(), match.end(), Value("id", shown, keys, "", match.start())


_PLAIN = re.compile(rf"(?P<n>{NUMBER})(?P<tail>\s+(?P<noun>[A-Za-z]{{3,}}))?")


def _numbers(text: str) -> Iterator[tuple[int, int, Value]]:
    for match in _PLAIN.finditer(text):
        noun = (match["noun"] or "").lower()
        counted = bool(noun) and noun not in _NO_NOUN and noun not in WORDS
        kind: Kind = "counted" if counted else "number"
        padded = re.fullmatch(r"0\d+", match["n"])  # `0042` is a code, not 42
        key = match["n"] if padded else plain(number(match["n"]))
        yield match.start("n"), match.end("n"), Value(kind, match["n"], (key,), noun, match.start())


_EXTRACTORS: tuple[Extractor, ...] = (
    _emails, _links, _dates, _times, _phones, _money, _percents, _quantities, _ordinals, _ids, _weekdays,
    _numbers,
)  # fmt: skip
