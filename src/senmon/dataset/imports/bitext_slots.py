"""Bitext's `{{Placeholders}}`: three hundred spellings → a few facts, values of the request, words.

What the shop alone knows (its phone number, its hours) becomes a fact by reference,
`[[article.support_phone]]`, which the server fills in from the pack's article `company`. What the customer
said (an order number) is copied from the request. Names of buttons and pages become plain words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Style = Literal["facts", "keep"]
PLACEHOLDER = re.compile(r"\{\{\s*([^{}]{1,160}?)\s*\}\}")
#: Fact → what it reads before the author has filled it in.
FACTS: Mapping[str, str] = {
    "company_name": "our company",
    "website_name": "website",
    "website_url": "our website",
    "support_phone": "our support line",
    "support_email": "our support address",
    "support_hours": "during our support hours",
}
_FACT_NAMES = (
    (r"(company|store|shop)_name", "company_name"),
    (r"(website|app|mobile_app|website_app)(_name|_or_app)?", "website_name"),
    (r"(website|company|store)_(url|link)|(company|service)_website", "website_url"),
    (r"(\w+_)?(support|service|assistance|complaint)?_?(phone|hotline|toll_free)(_number)?", "support_phone"),
    (r"((\w+_)?(support|service|feedback|assistance)_)?email(_address)?", "support_email"),
    (r"(\w+_)?(hours|availability)(_\w+)?|\w+_start_time", "support_hours"),
)
#: Placeholder → the entity of the request that fills it.
_ENTITIES = (
    (r"((order|purchase|transaction)_(number|id|no)|order)", "order_id"),
    (r"((invoice|bill|account|receipt)_(number|id)|\w*invoice_number)", "invoice_id"),
    (r"((person|customer|client)_name|salutation_\w+|name)", "person_name"),
    (r"((refund|money|purchase)_amount|amount)", "refund_amount"),
    (r"(account|profile|user)_(type|category)", "account_type"),
    (r"(delivery|shipping)?_?city", "delivery_city"),
    (r"(delivery|shipping)?_?country", "delivery_country"),
)
_WORDS = {
    "order_id": "your order number", "invoice_id": "your invoice number", "person_name": "you",
    "refund_amount": "the amount", "account_type": "your", "delivery_city": "your city",
    "delivery_country": "your country",
}  # fmt: skip
_SAMPLES = {
    "person_name": ("Ms. Lind", "Mr. Okafor", "Ana Ruiz"), "account_type": ("free", "standard", "premium"),
    "delivery_city": ("Porto", "Leeds", "Utrecht"), "delivery_country": ("Portugal", "Norway", "Chile"),
    "refund_amount": ("18", "45", "120"),
}  # fmt: skip
_VALUE = re.compile(r"#?\d{4,}|[0-9a-f]{64}")
_UNFINISHED = re.compile(
    r"(\w+_){4,}\w+|(case|situation)_\d+|number_of_\w+|percentage\w*|eta|response_time|refund_(period|timeframe|"
    r"processing_time\w*)|\w+_(situations|circumstances)|conditions_\w+|review_website_\d+"
)


@dataclass(slots=True)
class Slots:
    """Fills the placeholders of one row. `values` are the entities that its request names."""

    style: Style
    values: dict[str, str] = field(default_factory=dict)
    used: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    unfinished: bool = False

    def request(self, text: str) -> str:
        """A request without placeholders: made-up values stand for them, which the reply then shares."""

        def put(match: re.Match[str]) -> str:
            kind = entity_of(canonical(match[1]))
            self.notes["placeholders of requests filled with made-up values"] = None
            if not kind:
                return match[1].lower()
            return self.values.setdefault(kind, _sample(kind, text))

        return PLACEHOLDER.sub(put, text)

    def reply(self, text: str) -> str:
        """A reply whose placeholders are facts, values of the request or words."""
        plain = text.replace("[[", "[").replace("]]", "]")
        if plain != text:
            self.notes["double brackets made single"] = None
        return PLACEHOLDER.sub(self._put, plain)

    def _put(self, match: re.Match[str]) -> str:
        name = canonical(match[1])
        if fact := fact_of(name):
            self.used[fact] = None
            self.notes["placeholders became facts by reference"] = None
            return f"[[article.{fact}]]" if self.style == "facts" else f"{{{{{fact}}}}}"
        kind = "order_id" if _VALUE.fullmatch(name) else entity_of(name)
        if kind or _VALUE.fullmatch(match[1]):
            return self._value(kind or "order_id", match)
        if self.style == "keep":
            self.used[name] = None
            return f"{{{{{name}}}}}"
        if _UNFINISHED.fullmatch(name):
            self.unfinished = True
            self.notes["unfinished placeholders put into words, tagged `unfinished`"] = None
            return match[1].lower()
        self.notes["names of pages and buttons put into words"] = None
        return re.sub(r"\s*Anonymized$", "", match[1])

    def _value(self, kind: str, match: re.Match[str]) -> str:
        self.used[kind] = None
        if self.style == "keep":
            return f"{{{{{kind}}}}}"
        value = self.values.get(kind) or next(iter(self.values.values()), "") if kind.endswith("_id") else ""
        value = value or self.values.get(kind, "")
        if value:
            self.notes["values copied from the request"] = None
            return value
        self.notes["values that the request does not name put into words"] = None
        return "you gave" if re.search(r"(number|ID)\W*$", match.string[: match.start()]) else _WORDS[kind]


def canonical(name: str) -> str:
    """One spelling for a placeholder's name."""
    return re.sub(r"[^a-z0-9#]+", "_", name.lower()).strip("_").removesuffix("_anonymized")


def fact_of(name: str) -> str:
    return next((fact for pattern, fact in _FACT_NAMES if re.fullmatch(pattern, name)), "")


def entity_of(name: str) -> str:
    return next((kind for pattern, kind in _ENTITIES if re.fullmatch(pattern, name)), "")


def spoken(request: str, value: str) -> str:
    """An entity's value as the request writes it: `4587345` is a part of `00004587345`."""
    value = value.strip()
    if not value:
        return ""
    place = re.search(re.escape(value), request, re.I)
    if place is None:
        return ""
    if not value.lstrip("#").isdigit():
        return place[0]
    last = place.end() - 1
    numbers = (match for match in re.finditer(r"#?\d+", request) if match.start() <= last < match.end())
    return next((match[0] for match in numbers), value)


def _sample(kind: str, seed: str) -> str:
    number = int(hashlib.sha256(seed.encode()).hexdigest(), 16)
    choice = _SAMPLES.get(kind)
    return choice[number % len(choice)] if choice else str(10**6 + number % (9 * 10**6))
