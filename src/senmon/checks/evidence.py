"""What a reply may say: the values in passages, facts, the user's words and action results."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

from senmon.checks import dates
from senmon.checks.protocol import CheckContext
from senmon.checks.values import Kind, Value, plain, single_units, unit_named, values

#: Digits of an id or a telephone number that may be said by themselves.
_RUN = re.compile(r"\d{4,}")
#: A number in JSON, with its field: the field may name its unit.
_FIELD = re.compile(r'"(\w{1,64})":\s*"?-?\d+(?:\.\d+)?(?![\w.:-])')
#: Together no more than this much text is read: the newest messages first.
MAX_CHARACTERS = 100_000


def sources(context: CheckContext) -> Iterator[str]:
    """Every text that may support a claim, the turn's own evidence before older messages."""
    for passage in context.passages:
        yield "\n".join((passage.title, passage.text, passage.url))
        yield _facts(passage.facts)
    yield _facts(context.facts)
    for message in reversed(context.messages):
        if message.role in ("user", "tool"):
            yield message.content if message.role == "user" else _with_units(message.content)


def _facts(facts: Mapping[str, str]) -> str:
    """`return_days` = 30 says 30 days, and no other 30."""
    return "\n".join(f"{value} {unit_named(name)}" for name, value in facts.items())


def _with_units(content: str) -> str:
    return _FIELD.sub(lambda match: f"{match[0]} {unit_named(match[1])} ", content)


class Evidence:
    """The values of the sources, ready to be compared with a claim."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._known: dict[Kind, list[Value]] = defaultdict(list)
        self._numbers: set[str] = set()
        self._runs: set[str] = set()
        left = MAX_CHARACTERS
        for text in texts:
            text, left = text[:left], left - len(text)
            self._add(text)
            if left <= 0:
                break

    def _add(self, text: str) -> None:
        for value in values(text):
            self._known[value.kind].append(value)
            self._numbers.update(value.keys if value.kind in _NUMERIC else ())
            self._runs.update(run for key in value.keys for run in _RUN.findall(key))
            self._runs.update(_RUN.findall(value.text))
        self._known["quantity"].extend(single_units(text))

    def supports(self, claim: Value) -> bool:
        """Whether some source says what `claim` says, in whatever spelling."""
        return _JUDGES[claim.kind](self, claim) if claim.keys else True

    # --- one rule per kind

    def _same_key(self, claim: Value) -> bool:
        return any(set(claim.keys) & set(known.keys) for known in self._known[claim.kind])

    def _link(self, claim: Value) -> bool:
        """The link itself, or the bare host of a known link."""
        known = {key for value in self._known["link"] for key in value.keys}
        hosts = {key.split("/")[0] for key in known}
        return claim.keys[0] in known or claim.keys[0] in hosts

    def _phone(self, claim: Value) -> bool:
        """National and international forms of a number end alike."""
        mine = claim.keys[0]
        known = [value.keys[0] for value in self._known["phone"]]
        known += [run.lstrip("0") for run in self._runs if len(run) >= 7]
        return any(mine.endswith(other) or other.endswith(mine) for other in known if len(other) >= 7)

    def _date(self, claim: Value) -> bool:
        known = [key for value in self._known["date"] for key in value.keys]
        return any(dates.agree(mine, other) for mine in claim.keys for other in known)

    def _weekday(self, claim: Value) -> bool:
        known = {key for value in self._known["weekday"] for key in value.keys}
        known |= {dates.weekday_of(key) or "" for value in self._known["date"] for key in value.keys}
        return bool(known & set(claim.keys))

    def _money(self, claim: Value) -> bool:
        """The amount in the same currency, or the bare number that an action gave."""
        for known in self._known["money"]:
            if claim.keys[0] == known.keys[0] and (
                not claim.unit or not known.unit or claim.unit == known.unit
            ):
                return True
        return self._bare(claim.keys[0])

    def _percent(self, claim: Value) -> bool:
        share = plain(Decimal(claim.keys[0]) / 100)
        return self._same_key(claim) or self._bare(claim.keys[0]) or self._bare(share)

    def _quantity(self, claim: Value) -> bool:
        """The same amount in a unit of the same kind, or the bare number as it was said."""
        for known in self._known["quantity"]:
            if known.unit == claim.unit and known.keys == claim.keys:
                return True
        said = {key for value in values(re.split(r"[a-zA-Z]{3}", claim.text)[0]) for key in value.keys}
        return any(self._bare(key) for key in said or claim.keys)

    def _id(self, claim: Value) -> bool:
        if self._same_key(claim) or claim.keys[0] in {k for v in self._known["number"] for k in v.keys}:
            return True
        digits = claim.keys[0]
        return digits.isdigit() and (digits in self._numbers or digits in self._runs)

    def _counted(self, claim: Value) -> bool:
        """A count needs a count, of whatever: `30 items` is not supported by `30 days`."""
        return any(claim.keys[0] in known.keys for kind in _COUNTS for known in self._known[kind])

    def _number(self, claim: Value) -> bool:
        if set(claim.keys) & (self._numbers | self._runs):
            return True
        last_digits = [key for key in claim.keys if len(key) == 4 and key.isdigit()]
        if any(run.endswith(key) for key in last_digits for run in self._runs if len(run) >= 7):
            return True
        years = {key.split("-")[0] for value in self._known["date"] for key in value.keys}
        if set(claim.keys) & years:
            return True
        hours = {int(key) // 60 for value in self._known["time"] for key in value.keys}
        return any(key in {str(hour), str((hour - 1) % 12 + 1)} for key in claim.keys for hour in hours)

    def _bare(self, key: str) -> bool:
        return any(key in known.keys for known in self._known["number"])


_NUMERIC: frozenset[Kind] = frozenset({"number", "counted", "money", "percent", "quantity"})
_COUNTS: tuple[Kind, ...] = ("number", "counted")
_JUDGES: Mapping[Kind, Callable[[Evidence, Value], bool]] = {
    "email": Evidence._same_key,
    "link": Evidence._link,
    "phone": Evidence._phone,
    "date": Evidence._date,
    "weekday": Evidence._weekday,
    "time": Evidence._same_key,
    "money": Evidence._money,
    "percent": Evidence._percent,
    "quantity": Evidence._quantity,
    "id": Evidence._id,
    "counted": Evidence._counted,
    "number": Evidence._number,
}
