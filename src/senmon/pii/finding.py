"""Every kind of personal data in one text, without overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from senmon.pii import addresses, banking, national, phones
from senmon.pii.spans import Span

Kind = Literal["email", "card", "iban", "national id", "phone", "ip"]
#: In order of trust: where two overlap, the first one stays.
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Longer texts are looked at up to here.
MAX_CHARACTERS = 200_000
#: Whose phone numbers are known when they are written without a country code.
DEFAULT_REGIONS = phones.DEFAULT_REGIONS


@dataclass(frozen=True, slots=True)
class Personal:
    """`text[start:end]` is personal data of this kind.

    `detail` says more (`Visa`, `Spanish DNI`, `+44`). `made_up` marks what standards keep free for examples
    and tests (RFC 2606 names, 555-01xx, documentation addresses, the card schemes' test numbers).
    """

    kind: Kind
    start: int
    end: int
    text: str
    detail: str = ""
    made_up: bool = False


def find_personal(text: str, *, regions: Sequence[str] = DEFAULT_REGIONS) -> tuple[Personal, ...]:
    """What `text` holds, in order, without overlaps. `regions` are ISO 3166 codes."""
    text = text[:MAX_CHARACTERS]
    taken: list[Personal] = []
    for kind, spans in _finders(text, regions):
        for span in spans:
            if all(span.end <= other.start or span.start >= other.end for other in taken):
                said = text[span.start : span.end]
                taken.append(Personal(kind, span.start, span.end, said, span.detail, span.made_up))
    return tuple(sorted(taken, key=lambda found: found.start))


def mask_personal(text: str, *, regions: Sequence[str] = DEFAULT_REGIONS) -> str:
    """`text` with `[email]`, `[phone]`, … instead of what was found. Past MAX_CHARACTERS it is cut off."""
    parts, at = [], 0
    for found in find_personal(text, regions=regions):
        parts += [text[at : found.start], f"[{found.kind}]"]
        at = found.end
    return "".join([*parts, text[at:MAX_CHARACTERS]])


def _finders(text: str, regions: Sequence[str]) -> Iterator[tuple[Kind, Iterator[Span]]]:
    if "@" in text:
        yield "email", addresses.emails(text)
    digits = sum(letter.isdigit() for letter in text)
    if digits >= phones.FEWEST_DIGITS:
        yield "iban", banking.ibans(text)
        yield "card", banking.cards(text)
        yield "national id", national.numbers(text)
    if digits >= 1 and (text.count(".") >= 3 or text.count(":") >= 2):
        yield "ip", addresses.ips(text)
    if digits >= phones.FEWEST_DIGITS:
        yield "phone", phones.numbers(text, regions)
