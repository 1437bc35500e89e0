"""No false maths in a reply: arithmetic must be true, steps must agree with the problem that is open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field

from senmon.checks.maths_algebra import BeyondError, evaluate
from senmon.checks.maths_nodes import (
    Node,
    Number,
    Percent,
    Relation,
    Statement,
    Variable,
    literal,
    show_statement,
    statement_variables,
    variables,
)
from senmon.checks.maths_problem import Problem, agrees, cached_problem, same
from senmon.checks.maths_spans import Span, find_spans
from senmon.checks.maths_verbal import false_claims
from senmon.checks.maths_wording import Wording
from senmon.checks.protocol import CheckContext
from senmon.messages import Verdict

#: How much of what was released is read again with a new piece.
LOOK_BACK = 800
#: How many of one unit make another.
UNIT_FACTORS = frozenset(map(Fraction, (4, 7, 10, 12, 16, 24, 30, 52, 60, 100, 365, 1000, 3600, 10**6)))
_RELATION = re.compile(r"[=<>≤≥≠≈]|\b(?:is|equals)\b|\\(?:le|ge|ne|approx|lt|gt)", re.IGNORECASE)


@dataclass(slots=True)
class _Reading:
    """What the formulas read so far establish: given letters and the equation that others follow from."""

    problem: Problem | None
    letters: dict[str, Fraction] = field(default_factory=dict)
    first: dict[frozenset[str], Span] = field(default_factory=dict)


class MathsOptions(BaseModel):
    """Options of the check `maths`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem_slot: str = Field(
        "problem", min_length=1, description="The slot that holds the open problem as text."
    )


class MathsCheck:
    """Judges equations and sums in a reply; prose, questions, denials and quoted errors are left alone.

    `problem_slot` names the slot that holds the open problem as text. What can't be judged passes.
    """

    name = "maths"

    def __init__(self, *, problem_slot: str = "problem") -> None:
        self._slot = problem_slot

    def judge(self, released: str, candidate: str, context: CheckContext) -> Verdict:
        text = released[-LOOK_BACK:] + candidate
        fresh = len(text) - len(candidate)
        verbal = self._verbal(text, fresh, context)
        if verbal is not None or not _RELATION.search(text):
            return verbal or Verdict(self.name, "pass")
        problem = context.slots.get(self._slot)
        reading = _Reading(cached_problem(problem) if isinstance(problem, str) else None)
        said: frozenset[str] | None = None
        for span in find_spans(text):
            if not span.statement.relations:
                continue
            wording = Wording(text, span)
            false = _is_false(span.statement, wording, reading)
            _remember(span, wording, reading)
            if span.end <= fresh or not false or wording.asks or wording.denied:
                continue
            if said is None:
                said = _said(context)
            repeated = wording.quoted or show_statement(span.statement) in said
            if repeated and not wording.affirmed:
                continue
            return Verdict(self.name, "repair", f"{span.text[:80]!r} does not hold")
        return Verdict(self.name, "pass")

    def _verbal(self, text: str, fresh: int, context: CheckContext) -> Verdict | None:
        """Of what is claimed in words; the user's own words may be repeated, unless they are called right."""
        for span in false_claims(text):
            wording = Wording(text, span)
            if span.end <= fresh or wording.asks or wording.denied or wording.rounded or wording.assumed:
                continue
            said = any(
                message.role == "user" and span.text.lower() in message.content.lower()
                for message in context.messages
            )
            if (wording.quoted or said) and not wording.affirmed:
                continue
            return Verdict(self.name, "repair", f"{span.text[:80]!r} does not hold")
        return None


def _said(context: CheckContext) -> frozenset[str]:
    """The user's own formulas, normalised."""
    spans: Iterable[Span] = (
        span for message in context.messages if message.role == "user" for span in find_spans(message.content)
    )
    return frozenset(show_statement(span.statement) for span in spans if span.statement.relations)


def _remember(span: Span, wording: Wording, reading: _Reading) -> None:
    statement = span.statement
    names = statement_variables(statement)
    if not names or not statement.is_equation:
        return
    match statement.sides:
        case (Variable(name), value) if wording.assumed and literal(value) is not None:
            reading.letters[name] = literal(value) or Fraction(0)
            return
    if wording.assumed or names not in reading.first:
        reading.first[names] = span


def _is_false(statement: Statement, wording: Wording, reading: _Reading) -> bool:
    if not statement_variables(statement):
        return _false_numbers(statement, wording)
    if wording.assumed or _holds(statement, reading):
        return False
    return _contradicts(statement, wording, reading)


def _pairs(statement: Statement) -> Sequence[tuple[Node, Relation, Node]]:
    return list(zip(statement.sides, statement.relations, statement.sides[1:], strict=False))


def _false_numbers(statement: Statement, wording: Wording) -> bool:
    if wording.has_remainder or (wording.has_unit and _converts(statement)):
        return False
    return any(
        _false_pair(left, relation, right, wording.rounded) for left, relation, right in _pairs(statement)
    )


def _false_pair(left: Node, relation: Relation, right: Node, rounded: bool) -> bool:
    if relation == "is" and (literal(left) is not None or isinstance(left, Percent)):
        return False
    try:
        a, b = evaluate(left), evaluate(right)
    except BeyondError:
        return relation in ("=", "is") and not rounded and same(left, right) is False
    if relation in ("=", "is") and isinstance(left, Percent) != isinstance(right, Percent):
        # `100 − 50 = 50%` counts in per cent on both sides.
        return a != b and a != 100 * b and b != 100 * a
    near = _close(a, b, right)
    holds = {
        "=": a == b or (rounded and near),
        "is": a == b or (rounded and near),
        "!=": a != b,
        "~": near,
        "<": a < b,
        ">": a > b,
        "<=": a <= b,
        ">=": a >= b,
    }
    return not holds[relation]


def _converts(statement: Statement) -> bool:
    """Whether the sides differ by a factor between units: `60 + 30 = 1.5` (hours)."""
    try:
        first, last = evaluate(statement.sides[0]), evaluate(statement.sides[-1])
    except BeyondError:
        return True
    return bool(first and last) and (first / last in UNIT_FACTORS or last / first in UNIT_FACTORS)


def _close(exact: Fraction, shown: Fraction, written: Node) -> bool:
    """Within half a unit of the last digit shown, or within two per cent."""
    text = written.text if isinstance(written, Number) else ""
    places = len(text.partition(".")[2])
    return abs(exact - shown) <= max(Fraction(1, 2 * 10**places), abs(exact) / 50)


def _holds(statement: Statement, reading: _Reading) -> bool:
    """Whether it is an identity, or true with the letters that are given."""
    if not statement.is_equation:
        return False
    given = {**(reading.problem.letters if reading.problem else {}), **reading.letters}
    return all(
        _equal_with(left, right, given) or same(left, right) is True for left, _, right in _pairs(statement)
    )


def _equal_with(left: Node, right: Node, letters: dict[str, Fraction]) -> bool:
    try:
        return bool(letters) and evaluate(left, letters) == evaluate(right, letters)
    except BeyondError:
        return False


def _contradicts(statement: Statement, wording: Wording, reading: _Reading) -> bool:
    names = statement_variables(statement)
    problem, first = reading.problem, reading.first.get(names)
    if problem is None or (wording.in_example and first is not None and not wording.affirmed):
        return _breaks_chain(statement, wording, first)
    if problem.is_expression:
        return _breaks_expression(statement, wording, problem)
    if wording.in_example:
        return False
    if agrees(statement, problem.statement) is False:
        return True
    return (
        wording.wants_identity and _is_no_identity(statement) and agrees(statement, problem.statement) is None
    )


def _breaks_chain(statement: Statement, wording: Wording, first: Span | None) -> bool:
    if wording.wants_identity and _is_no_identity(statement):
        return first is None or agrees(statement, first.statement) is not True
    if first is None or not wording.follows_from(first):
        return False
    return agrees(statement, first.statement) is False


def _breaks_expression(statement: Statement, wording: Wording, problem: Problem) -> bool:
    """Working on an expression consists of identities; given letters may be put in."""
    if wording.in_example or not statement.is_equation:
        return False
    if statement_variables(statement) - statement_variables(problem.statement):
        return False
    match statement.sides:
        case (Variable(name), value) if name not in problem.letters and literal(value) is not None:
            return False
    return _is_no_identity(statement)


def _is_no_identity(statement: Statement) -> bool:
    if not statement.is_equation or not all(variables(side) for side in statement.sides):
        return False
    return any(same(left, right) is False for left, _, right in _pairs(statement))
