"""While a problem is open, its answer is the pupil's to find.

The vault is in the pack's slots: `open`, `problem`, `answer` (a list of texts), `may_tell`, or `level` and
`budget`. What was released and the candidate are read as one text, so that an answer in two pieces is seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from senmon.checks.maths_algebra import BeyondError, evaluate, ratio
from senmon.checks.maths_grammar import parse_expression
from senmon.checks.maths_nodes import (
    Binary,
    Node,
    Statement,
    Variable,
    literal,
    show,
    statement_variables,
    variables,
)
from senmon.checks.maths_problem import Problem, cached_problem
from senmon.checks.maths_spans import Span, find_spans
from senmon.checks.maths_values import Mention, digit_mentions, leaves, numbers_in, plain, word_mentions
from senmon.checks.protocol import CheckContext
from senmon.errors import Unparsable
from senmon.messages import Message, Verdict

LOOK_BACK = 800
#: A pupil who lists this many numbers in one message has not found the answer.
GUESSES = 3
#: Shorter texts of articles are not recognised as quotations.
SHORTEST_QUOTATION = 24

_TOLD = re.compile(
    r"(?:\b(?:answer|solution|result|value|total|product|sum|difference|root)s?\b[^.!?\n]{0,24}?(?:\bis|\bare|=|:|\bbe"
    r"|\bequals|\bcomes to)\s*(?:then |just |simply |of course |exactly |actually |equal to )*"
    r"|\b[b-hj-z]\s*(?:=|:|→|\bis|\bequals|\bmust be|\bhas to be|\bshould be|\bwould be|\bwill be"
    r"|\bcomes out as|\bworks out (?:as|to))\s*(?:equal to |then |just |simply )*)[\"'*_`\\({\[$]*$",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(
    r"\b(?:step|question|part|hint|level|year|grade|page|exercise|number|no|problem|stage)\.?\s*$", re.I
)
_NOUN_AFTER = re.compile(
    r"^\s*(?:steps?|sides?|parts?|numbers?|terms?|ways?|hints?|things?|operations?|brackets?|minutes?|times|more"
    r"|lines?|places?|digits?|factors?|signs?|questions?|kinds?|pieces?|equal|jobs?|goes|moves?|st\b|nd\b|rd\b|th\b)",
    re.IGNORECASE,
)
_WORD_ENDS = re.compile(
    r"^[\"'”’)*_]*\s*(?:$|[.,!?;:✓…\u2014]|(?:is|because|as|and|or|since|fits|works)\b)", re.IGNORECASE
)
#: Before a sum: its value is asked for, not given.
_ASKED = re.compile(
    r"(?:\bwhat(?:['’]?s| is| are| does| do you get)\b|\bhow much is\b"
    r"|\b(?:work out|calculate|compute|tell me|give me)\b)[^.!?\n]{0,20}$",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"(?:^|\n)\s*$")


@dataclass(frozen=True, slots=True)
class _Vault:
    """What must not be said, and what is no secret."""

    problem: Problem | None
    text: str
    values: frozenset[Fraction]
    forms: tuple[Node, ...]
    printed: frozenset[Fraction]

    @property
    def unknown(self) -> str | None:
        names = self.problem.unknowns if self.problem else frozenset()
        return next(iter(names)) if len(names) == 1 else None


class NoTellingCheck:
    """Repairs a reply that gives the answer of the open problem away.

    The pupil's own correct answer may be repeated; numbers of the problem and of the pupil are no secret
    unless they are said to be the answer. `may_tell`, or `level` ≥ `budget`, lifts the check.
    """

    name = "no_telling"

    def judge(self, released: str, candidate: str, context: CheckContext) -> Verdict:
        vault = _open_vault(context.slots)
        if vault is None:
            return Verdict(self.name, "pass")
        before = plain(released[-LOOK_BACK:])
        text = _without_passages(before + plain(candidate), context, vault)
        found, guessed = _pupils_numbers(vault, context.messages)
        if vault.values and vault.values <= found:
            return Verdict(self.name, "pass")
        secret = vault.values - found
        if _leaks(text, len(before), vault, secret, (vault.printed | found, guessed)):
            return Verdict(self.name, "repair", "the answer of the open problem would be given away")
        return Verdict(self.name, "pass")


def _without_passages(text: str, context: CheckContext, vault: _Vault) -> str:
    """Quotations of the pack's own articles become blanks, unless they work out this very problem."""
    for passage in context.passages:
        for quoted in map(plain, (passage.text, *map(str, passage.facts.values()))):
            if len(quoted) >= SHORTEST_QUOTATION and quoted in text and not _states(quoted, vault):
                text = text.replace(quoted, " " * len(quoted))
    return text


def _states(text: str, vault: _Vault) -> bool:
    """Whether the open problem stands in the text."""
    if vault.problem is None:
        return False
    sides = set(vault.problem.statement.sides)
    return any(sides <= set(span.statement.sides) for span in find_spans(text))


def _open_vault(slots: Mapping[str, Any]) -> _Vault | None:
    answers = slots.get("answer")
    if not slots.get("open") or slots.get("may_tell") or not answers:
        return None
    level, budget = slots.get("level"), slots.get("budget")
    if isinstance(level, int) and isinstance(budget, int) and level >= budget:
        return None
    texts = (answers,) if isinstance(answers, str) else tuple(str(one) for one in answers)
    return _vault(str(slots.get("problem") or ""), texts)


@lru_cache(maxsize=256)
def _vault(problem: str, answers: tuple[str, ...]) -> _Vault:
    values, forms = set(), []
    for text in answers:
        try:
            node = parse_expression(text.rpartition("=")[2])
        except Unparsable:
            continue
        try:
            values.add(evaluate(node))
        except BeyondError:
            forms.append(node)
    return _Vault(cached_problem(problem), problem, frozenset(values), tuple(forms), numbers_in(problem))


def _pupils_numbers(
    vault: _Vault, messages: Sequence[Message]
) -> tuple[frozenset[Fraction], frozenset[Fraction]]:
    """The answers that the pupil has given since the problem was set, and all numbers that they named."""
    said: set[Fraction] = set()
    guessed: set[Fraction] = set()
    for text in _since_set(vault, messages):
        numbers = _claimed(text)
        (guessed if len(numbers) >= GUESSES + len(vault.values) - 1 else said).update(numbers)
    return frozenset(said & vault.values), frozenset(guessed | said)


def _claimed(text: str) -> set[Fraction]:
    """Numbers that a pupil names as such: alone, as a side of an equation, or in words."""
    spans = [span for span in find_spans(text) if not (_ASKED.search(text[: span.start]) and _is_sum(span))]
    values = {mention.value for mention in (*digit_mentions(spans), *word_mentions(text))}
    for span in spans:
        if span.statement.relations:
            values |= {value for side in span.statement.sides if (value := literal(side)) is not None}
    return values


def _is_sum(span: Span) -> bool:
    """`18 ÷ 3`, which is no number yet."""
    sides = span.statement.sides
    return not span.statement.relations and isinstance(sides[0], Binary) and literal_span(span) is None


def _since_set(vault: _Vault, messages: Sequence[Message]) -> list[str]:
    """The user's messages since the problem was set, without the problem itself."""
    texts: list[str] = []
    for message in messages:
        if message.role != "user":
            continue
        rest = _without_problem(plain(message.content), vault)
        if rest is not None:
            texts = [rest]
        else:
            texts.append(plain(message.content))
    return texts


def _without_problem(text: str, vault: _Vault) -> str | None:
    """The text with the problem cut out, or None when it does not state the problem."""
    if vault.problem is None:
        return None
    for span in find_spans(text):
        if span.statement == vault.problem.statement or _same_text(span.text, vault.text):
            return text[: span.start] + " ; " + text[span.end :]
    return None


def _same_text(one: str, other: str) -> bool:
    return _squeezed(one) == _squeezed(other)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text.replace("\N{MINUS SIGN}", "-").replace("×", "*").replace("÷", "/"))


def _leaks(
    text: str,
    fresh: int,
    vault: _Vault,
    secret: frozenset[Fraction],
    known: tuple[frozenset[Fraction], frozenset[Fraction]],
) -> bool:
    """`known`: numbers that are no secret, and those that are none by themselves, as the pupil listed them: a
    sum made with one of these says which it is."""
    open_numbers, listed = known
    spans = find_spans(text)
    for span in spans:
        if span.end > fresh and _span_leaks(span, vault, secret, open_numbers):
            return True
    taken = [(span.start, span.end) for span in spans if literal_span(span) is None]
    for mention in (*digit_mentions(spans), *word_mentions(text)):
        inside = any(start <= mention.start and mention.end <= end for start, end in taken)
        fresh_secret = mention.end > fresh and not inside and mention.value in secret
        if fresh_secret and _mention_leaks(text, mention, mention.value in open_numbers | listed):
            return True
    return False


def literal_span(span: Span) -> Fraction | None:
    return None if span.statement.relations else _finished(span.statement.sides[0])


def _finished(node: Node) -> Fraction | None:
    """A number with nothing left to work out: `18/3` is a sum still, `2/4` is an answer."""
    value = literal(node)
    return None if isinstance(node, Binary) and value is not None and value.denominator == 1 else value


def _mention_leaks(text: str, mention: Mention, known: bool) -> bool:
    before, after = text[: mention.start], text[mention.end :]
    if _TOLD.search(before[-80:]):
        return True
    if known or _LABEL_BEFORE.search(before[-20:]) or _NOUN_AFTER.match(after):
        return False
    if mention.in_words:
        alone = not before.strip(" \"'“‘*_") and not after.strip(" .!?\"'”’*_")
        return alone or (mention.value != 1 and _WORD_ENDS.match(after) is not None)
    return not (_LIST_MARK.search(before) and re.match(r"[.)]\s", after))


def _span_leaks(
    span: Span, vault: _Vault, secret: frozenset[Fraction], open_numbers: frozenset[Fraction]
) -> bool:
    statement = span.statement
    if vault.problem is not None and statement == vault.problem.statement:
        return False
    if any(_is_form(side, vault) for side in statement.sides):
        return True
    if literal_span(span) is not None:
        return False
    if not statement_variables(statement):
        return _sum_leaks(statement, secret, open_numbers)
    return bool(statement.relations) and _claim_leaks(statement, vault, secret)


def _sum_leaks(statement: Statement, secret: frozenset[Fraction], open_numbers: frozenset[Fraction]) -> bool:
    """`18 ÷ 3 = 6`, or `3 × 6 − 7`: a sum that ends in the answer or is made with it."""
    if statement.relations and any(_finished(side) in secret for side in statement.sides):
        return True
    inside = set().union(*(leaves(side) for side in statement.sides))
    halves = {side_value for side in statement.sides if (side_value := literal(side)) is not None}
    return bool((inside & secret) - open_numbers - halves)


def _claim_leaks(statement: Statement, vault: _Vault, secret: frozenset[Fraction]) -> bool:
    """`x = 6`, `6 = x`, and `2x + 1 = 7` when x is given and 7 is asked for."""
    values = [_finished(side) for side in statement.sides]
    if not any(value in secret for value in values):
        return False
    if any(isinstance(side, Variable) and side.name == vault.unknown for side in statement.sides):
        return True
    given = vault.problem.letters if vault.problem else {}
    return bool(given) and any(_valued(side, given) in secret for side in statement.sides if variables(side))


def _valued(node: Node, letters: Mapping[str, Fraction]) -> Fraction | None:
    try:
        return evaluate(node, letters)
    except BeyondError:
        return None


def _is_form(node: Node, vault: _Vault) -> bool:
    """Whether it is a finished form of an answer with letters, such as `3x + 6`."""
    for form in vault.forms:
        if type(node) is not type(form) or _size(node) > _size(form):
            continue
        if show(node) == show(form) or _equal(node, form):
            return True
    return False


def _equal(left: Node, right: Node) -> bool:
    try:
        return ratio(left).same(ratio(right))
    except BeyondError:
        return False


def _size(node: Node) -> int:
    return 1 + _size(node.left) + _size(node.right) if isinstance(node, Binary) else 1
