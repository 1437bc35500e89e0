# ruff: noqa: E501 -- one pattern a line reads best
"""Facts in a reply that nothing supports: a second implementation, for judging what the checks let through.

The text is read once, the most telling things first (links, ids, dates, times, amounts, shares), each blanked
out as it is read; what is left are numbers with their nouns, names, and what was done or is promised. Reply
and evidence are read by the same reader and compared as values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from senmon.evaluation.oracle.days import Day, clocks, days
from senmon.evaluation.oracle.deeds import groundless
from senmon.evaluation.oracle.evidence import Said
from senmon.evaluation.oracle.names import foreign_names
from senmon.evaluation.oracle.numbers import numbers

LINK = re.compile(
    r"(?i)\b(?:https?://|www\.)[^\s<>()\"']+|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b[\w-]+\.(?:com|org|net|example|io|shop|eu|co\.uk|de)\b[/\w.-]*|(?<![\w.])/[a-z][\w-]*(?:/[\w-]+)+"
)
ID = re.compile(
    r"\b[A-Z]{1,5}-?\d[\d-]{1,}\d?[A-Z]{0,2}\b|\b[A-Z]{2,3} \d{3,}(?: \d{2,})*\b|\b[a-z]\d{3,}\b|#\s?\d+"
    r"|\b(?=\w*\d)(?=\w*[A-Z])\w{6,}\b|(?<=ends in )\d{2,6}\b|(?<=ending in )\d{2,6}\b"
)
PHONE = re.compile(r"(?<!\w)\+?\d[\d ()/-]{7,}\d\b")
CURRENCY = r"(?:[€$£¥]|(?:eur|usd|gbp|chf)\b|(?:euros?|dollars?|pounds?|bucks?|quid|cents?|pence)\b)"
MEASURES = {
    "minute": 1, "min": 1, "hour": 60, "hr": 60, "h": 60, "day": 1440, "week": 10080, "fortnight": 20160,
    "month": 43800, "year": 525600,
}  # fmt: skip
OTHERS = {
    "km": ("length", 10**6), "m": ("length", 1000), "metre": ("length", 1000), "cm": ("length", 10),
    "mm": ("length", 1), "kg": ("weight", 1000), "g": ("weight", 1), "gram": ("weight", 1),
    "kilo": ("weight", 1000), "litre": ("volume", 1000), "liter": ("volume", 1000), "l": ("volume", 1000),
    "ml": ("volume", 1), "gb": ("data", 1024), "mb": ("data", 1), "mile": ("mile", 1), "star": ("star", 1),
    "point": ("point", 1), "person": ("person", 1), "people": ("person", 1), "seat": ("seat", 1),
    "°c": ("°c", 1), "degree": ("°c", 1), "night": ("night", 1), "season": ("season", 1),
    "country": ("country", 1), "countrie": ("country", 1),
}  # fmt: skip
#: Fields of results whose bare number is an amount.
AMOUNTS = (
    "total", "amount", "price", "cost", "balance", "refund", "fee", "sum", "value", "cents", "subtotal", "paid",
    "charge", "due", "discount", "credit", "deposit", "tax",
)  # fmt: skip
#: Numbers that count what the reply itself holds, or that mean nothing.
IDLE = re.compile(
    r"(?i)\b(?:one of|at once|one more|another one|this one|that one|the one|which one|no one|someone|one by one"
    r"|one moment|a second|one second|one thing|first of all|24/7|two things|three things|one or two|either one"
    r"|any one|one another|one(?= (?:you|that|i|we|is|was|which|please|do|for|has|with|in|on|of|to)\b)"
    r"|one(?=[.,!?]|$)|step \d|option \d|(?:two|three|2|3|a couple of) (?:options|ways|steps|questions))\b|^\s*\d{1,2}[.)]\s"
)  # fmt: skip
PER = re.compile(
    r"(?i)\b(within|in|after|for|takes?|about|every|per|once|under|less than|over|up to) (an?|per) (?=\w)"
)


@dataclass
class Reading:
    """The values in a text, and what is left of it."""

    links: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    days: list[Day] = field(default_factory=list)
    clocks: set[int] = field(default_factory=set)
    money: set[tuple[Fraction, str]] = field(default_factory=set)
    shares: set[Fraction] = field(default_factory=set)
    counts: set[tuple[Fraction, str]] = field(default_factory=set)
    rest: str = ""

    @property
    def bare(self) -> set[Fraction]:
        return {value for value, _ in self.counts}


def unsupported(reply: str, said: Said) -> tuple[str, ...]:
    """What the reply states and nothing in the evidence does, in words for a report."""
    if not reply.strip():
        return ()
    whole = said.all()
    evidence, claims = read(whole), read(reply, claims=True)
    known_days = evidence.days
    digits = _runs(whole)
    found = [f"link {one}" for one in sorted(claims.links) if not _linked(one, evidence.links)]
    found += [f"id {one}" for one in sorted(claims.ids) if not _identified(one, evidence, digits)]
    found += [
        f"date {reply[one.start : one.end]}"
        for one in claims.days
        if not any(one.agrees(other) for other in known_days)
    ]
    found += [f"time {one // 60}:{one % 60:02}" for one in sorted(claims.clocks) if not _timed(one, evidence)]
    found += [
        f"amount {float(one):g}" for one, sign in sorted(claims.money) if not _priced(one, sign, evidence)
    ]
    found += [f"share {float(one):g} %" for one in sorted(claims.shares) if not _shared(one, evidence)]
    found += [
        f"number {float(value):g} {noun}".strip()
        for value, noun in sorted(claims.counts)
        if not _counted(value, noun, evidence, whole, digits)
    ]
    found += foreign_names(claims.rest, whole)
    found += groundless(reply, said)
    return tuple(found)


def read(text: str, *, claims: bool = False) -> Reading:
    """The values of a text. With `claims`, idle counts are no values."""
    reading = Reading()
    if claims:
        text = IDLE.sub(_blank, text)
    text = _take(LINK, text, lambda match: reading.links.add(_link(match[0])))
    text = _take(ID, text, lambda match: reading.ids.add(_id(match[0])))
    text = _taken_days(text, reading)
    for start, end, minute in clocks(text):
        reading.clocks.add(minute)
        text = text[:start] + " " * (end - start) + text[end:]
    text = _take(PHONE, text, lambda match: reading.ids.add(_id(match[0])))
    for value, start, end, noun in _valued(text):
        if noun.startswith("money"):
            reading.money.add((value, noun.partition(" ")[2]))
        elif noun == "%":
            reading.shares.add(value)
        else:
            reading.counts.add((value, noun))
        text = text[:start] + "\x00" * (end - start) + text[end:]
    reading.rest = text
    return reading


def _taken_days(text: str, reading: Reading) -> str:
    for day in list(days(text)):
        reading.days.append(day)
        text = text[: day.start] + " " * (day.end - day.start) + text[day.end :]
    return text


def _valued(text: str) -> Iterator[tuple[Fraction, int, int, str]]:
    """Amounts, shares and counts with their noun; words such as `within a week` count one."""
    for match in PER.finditer(text):
        noun = _noun(text[match.end() :])
        if noun in MEASURES and match[2].lower() != "per":
            yield Fraction(1), match.start(2), match.end(2), noun
    for one in numbers(text):
        before, after = text[: one.start], text[one.end :]
        sign = re.search(rf"(?i){CURRENCY}\s?$", before) or re.match(rf"(?i)\s?{CURRENCY}", after)
        if sign:
            cents = re.match(r"(?i)\s?(?:cents?|pence)\b", after)
            yield (
                (one.value / 100 if cents else abs(one.value)),
                one.start,
                one.end,
                f"money {_currency(sign[0])}",
            )
        elif re.match(r"(?i)\s?(?:%|per ?cent\b)", after):
            yield one.value, one.start, one.end, "%"
        elif not (one.worded and one.value == 1 and _noun(after) not in MEASURES):
            yield one.value, one.start, one.end, _noun(after)


def _currency(text: str) -> str:
    low = text.strip().casefold()
    return "€" if low[:1] in "€e" else "£" if low.startswith(("£", "gbp", "pound", "quid", "pence")) else "$"


def _noun(after: str) -> str:
    """The word that a number counts, without its plural; adjectives before it are skipped."""
    after = re.sub(r"^[\s\u00a0-]*(?:(?:×|x)\s)?", "", after)
    after = re.sub(
        r"(?i)^(?:(?:full|more|whole|working|business|calendar|other|different|further|open)\s)+", "", after
    )
    match = re.match(r"[A-Za-z°%]+", after)
    word = match[0].lower() if match else ""
    word = word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word
    return {"mins": "minute", "hrs": "hour", "kilometre": "km", "kilometer": "km", "kilogram": "kg"}.get(
        word, word
    )


def _take(pattern: re.Pattern[str], text: str, keep: object) -> str:
    def taken(match: re.Match[str]) -> str:
        keep(match)  # type: ignore[operator]
        return _blank(match)

    return pattern.sub(taken, text)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _link(text: str) -> str:
    return re.sub(r"(?i)^https?://|^www\.", "", text).rstrip(".,;:!?)/").casefold()


def _id(text: str) -> str:
    return re.sub(r"\W", "", text).upper()


def _linked(link: str, known: set[str]) -> bool:
    return any(link == other or other.startswith(f"{link}/") or other.endswith(link) for other in known)


def _runs(text: str) -> set[str]:
    """All digit strings, also those with spaces or dashes in them."""
    found = set(re.findall(r"\d{2,}", text))
    found |= {re.sub(r"\D", "", each) for each in re.findall(r"\d[\d ()/-]{5,}\d", text)}
    return found


def _identified(id: str, evidence: Reading, runs: set[str]) -> bool:
    """The same id; the same digits where one side has no letters; the end of a long number."""
    if id in evidence.ids:
        return True
    number = re.sub(r"\D", "", id)
    if number != id:
        return False
    national = number.lstrip("0")
    return number in runs or any(
        len(run) >= 7 and (run.endswith(number) or (len(national) >= 7 and national.endswith(run.lstrip("0")))
                           or (len(national) >= 7 and run.endswith(national[-9:])))
        for run in runs
    )  # fmt: skip


def _timed(minute: int, evidence: Reading) -> bool:
    return minute in evidence.clocks


def _priced(value: Fraction, sign: str, evidence: Reading) -> bool:
    """The amount itself, in this currency where the evidence names one, or calculated from amounts."""
    amounts = {amount for amount, its in evidence.money if its == sign}
    amounts |= {
        abs(v)
        for v, noun in evidence.counts
        if noun not in MEASURES and noun not in OTHERS and v.denominator > 1
    }
    plain = {abs(v) for v, noun in evidence.counts if noun in ("", *AMOUNTS)}
    if value in amounts or (
        value in plain and not any(its != sign and v == value for v, its in evidence.money)
    ):
        return True
    times = {n for n in plain if n.denominator == 1 and 1 < n <= 20}
    if any(value in (one + other, abs(one - other)) for one in amounts for other in amounts):
        return True
    if any(value == one * count for one in amounts for count in times):
        return True
    parts = [f for share in evidence.shares for f in (share / 100, 1 - share / 100, 1 + share / 100)]
    return any(abs(value - one * part) < Fraction(1, 100) for one in amounts for part in parts)


def _shared(value: Fraction, evidence: Reading) -> bool:
    return value in evidence.shares or value / 100 in evidence.bare


def _counted(value: Fraction, noun: str, evidence: Reading, whole: str, runs: set[str]) -> bool:
    if noun in MEASURES:
        minutes = value * MEASURES[noun]
        return any(
            other * MEASURES[its] == minutes or _alike(other, its, value, noun)
            for other, its in evidence.counts
            if its in MEASURES
        )
    if noun in OTHERS:
        kind, factor = OTHERS[noun]
        return any(
            its in OTHERS and OTHERS[its][0] == kind and other * OTHERS[its][1] == value * factor
            for other, its in evidence.counts
        )
    spoken = {
        abs(other)
        for other, its in evidence.counts
        if not noun or (its not in MEASURES and its not in OTHERS)
    }
    if abs(value) in spoken or _listed(value, whole) or (value >= 1000 and str(value) in runs):
        return True
    years = {day.year for day in evidence.days}
    return not noun and (abs(value) in {v for v, _ in evidence.money} | evidence.shares or value in years)


def _alike(other: Fraction, its: str, value: Fraction, noun: str) -> bool:
    """A year is twelve months, whatever their days."""
    months = {"month": 1, "year": 12}
    return its in months and noun in months and other * months[its] == value * months[noun]


def _listed(value: Fraction, whole: str) -> bool:
    """Whether some line lists so many ids, or so many things with a comma between them."""
    for line in whole.splitlines():
        if value in (len(set(ID.findall(line))), line.count(",") + 1 if "," in line else 0):
            return True
    return False
