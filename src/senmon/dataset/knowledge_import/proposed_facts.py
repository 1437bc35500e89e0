"""Values in an article that are worth a name: numbers with units, amounts, addresses. For review."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from senmon.checks.values import Value, values
from senmon.dataset.knowledge_import.article_ids import slug
from senmon.dataset.knowledge_import.page import Draft

#: Kinds of values → what the fact is called when nothing in the sentence says it better.
NAMED = {
    "email": "email", "link": "link", "phone": "phone", "time": "time", "money": "amount",
    "percent": "percent", "quantity": "",
}  # fmt: skip
MOST_PER_ARTICLE = 20
_WORDS = re.compile(r"[a-z]{3,}")
_WITHOUT_MEANING = """
the and for with within you your our can are was not from that this into per how what when where why
which  does have has will about after before than only also until more less each any all its their there
here use  using get got may must should would could please item long much many call mail write  else
takes take costs cost its
"""
_EMPTY = frozenset(_WITHOUT_MEANING.split())
_LINK_TARGET = re.compile(r"\]\([^)\s]*\)")


@dataclass(frozen=True, slots=True)
class ProposedFact:
    """A value as it stands in the article, a name for it, and the sentence to judge it by."""

    article: str
    name: str
    value: str
    sentence: str


def propose_facts(draft: Draft, article: str, taken: set[str]) -> tuple[ProposedFact, ...]:
    """The facts of one article; `taken` names are avoided, and the new ones added to it.

    A reply refers to a fact by its name alone, whatever article it comes from: so names must differ.
    """
    known = set(draft.facts.values())
    found: list[ProposedFact] = []
    for value in _values(draft.text):
        if value.text in known or len(found) == MOST_PER_ARTICLE:
            continue
        known.add(value.text)
        sentence = _sentence(draft.text, value.text)
        name = _free(_name(value, sentence, draft.title), taken)
        taken.add(name)
        found.append(ProposedFact(article, name, value.text, sentence))
    return tuple(found)


def with_facts(draft: Draft, proposed: Iterable[ProposedFact]) -> Mapping[str, str]:
    return {**draft.facts, **{fact.name: fact.value for fact in proposed}}


def _values(text: str) -> Iterator[Value]:
    """Values that stand in the text letter by letter; the targets of links are not said to anybody."""
    said = _LINK_TARGET.sub(lambda match: "]" + " " * (len(match[0]) - 1), text)
    for value in values(said):
        exact = value.text.strip(" .,;:()")
        if (
            value.kind in NAMED
            and len(exact) > 1
            and "\n" not in exact
            and exact in text
            and len(exact) <= 80
        ):
            yield Value(value.kind, exact, value.keys, value.unit, value.start)


def _sentence(text: str, value: str) -> str:
    at = text.find(value)
    start = max(text.rfind(mark, 0, at) for mark in (". ", "! ", "? ", "\n"))
    ends = [end for mark in (". ", "! ", "? ", "\n") if (end := text.find(mark, at + len(value))) >= 0]
    return text[start + 1 : min(ends, default=len(text))].strip(" .|-")[:160]


def _name(value: Value, sentence: str, title: str) -> str:
    """`return_days`, `delivery_amount`: what the title is about, then what the value is."""
    kind = NAMED[value.kind]
    if value.kind == "quantity":
        words = re.findall(r"[a-z]+", value.text.lower())
        kind = words[-1] if words else value.unit
    subject = [word for word in _WORDS.findall(slug(title).replace("-", " ")) if word not in _EMPTY]
    nearby = _nearby(sentence, value.text, set(subject) | {kind})
    parts = [*(subject[-2:] or ["article"]), *nearby, kind]
    return re.sub(r"[^a-z0-9_]", "", "_".join(dict.fromkeys(parts)))[:60] or "fact"


def _nearby(sentence: str, value: str, known: set[str]) -> list[str]:
    """The word before the value that tells it from others of its kind."""
    before = _WORDS.findall(slug(sentence.partition(value)[0]).replace("-", " "))
    return [word for word in before if word not in _EMPTY and word not in known][-1:]


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
