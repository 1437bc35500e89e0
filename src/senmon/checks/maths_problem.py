"""An open problem as text (`3x − 7 = 11`, `2x + 1 when x = 3`) and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from senmon.checks.maths_algebra import (
    BeyondError,
    Polynomial,
    common_divisor,
    condition,
    evaluate,
    ratio,
    remainder,
)
from senmon.checks.maths_grammar import MAX_CHARACTERS, parse, parse_alternatives
from senmon.checks.maths_nodes import Node, Relation, Statement, Variable, show_statement, statement_variables
from senmon.checks.maths_pool import shared_pool
from senmon.errors import Unparsable

_WHERE = re.compile(r"[\s,]+(?:when|where|if|for|with|given(?:\s+that)?)\s+", re.IGNORECASE)
_FLIPPED: Mapping[str, Relation] = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Problem:
    """`letters` are given values. `expand` and the like leave an expression without any equation."""

    statement: Statement
    letters: Mapping[str, Fraction] = field(default_factory=dict)

    @property
    def is_expression(self) -> bool:
        return not self.statement.relations

    @property
    def unknowns(self) -> frozenset[str]:
        return statement_variables(self.statement) - set(self.letters)


def read_problem(text: str) -> Problem:
    """Raises Unparsable."""
    if len(text) > MAX_CHARACTERS:
        raise Unparsable(f"more than {MAX_CHARACTERS} characters")
    main, *given = _WHERE.split(text.strip(), maxsplit=1)
    letters = dict(_assignment(one) for one in parse_alternatives(given[0])) if given else {}
    return Problem(parse(main), letters)


def _assignment(statement: Statement) -> tuple[str, Fraction]:
    match statement.sides:
        case (Variable(name), value) if statement.is_equation:
            try:
                return name, evaluate(value)
            except BeyondError:
                pass
    raise Unparsable("a given value is expected, such as x = 3")


@lru_cache(maxsize=512)
def cached_problem(text: str) -> Problem | None:
    """None for text that is no problem."""
    try:
        return read_problem(text)
    except Unparsable:
        return None


def same(left: Node, right: Node) -> bool | None:
    """Whether two expressions are equal for all letters; None when it can't be known within the limits."""
    try:
        return ratio(left).same(ratio(right))
    except BeyondError:
        return shared_pool().ask(
            "identical", (show_statement(Statement((left,))), show_statement(Statement((right,))))
        )


def agrees(candidate: Statement, problem: Statement) -> bool | None:
    """Whether a claim may stand in the working of an equation or inequality; None when it can't be known.

    A claim agrees when its solutions are the problem's, some of them, or include all of them.
    """
    letters = statement_variables(problem)
    if statement_variables(candidate) != letters:
        return None
    if len(letters) != 1:
        return _proportional(candidate, problem)
    letter = next(iter(letters))
    pairs = [
        Statement(candidate.sides[i : i + 2], (relation,)) for i, relation in enumerate(candidate.relations)
    ]
    verdicts = [_pair_agrees(pair, problem, letter) for pair in pairs if statement_variables(pair)]
    return False if False in verdicts else True if True in verdicts else None


def _pair_agrees(pair: Statement, problem: Statement, letter: str) -> bool | None:
    if len(problem.sides) != 2:
        return None
    if not (pair.is_equation and problem.is_equation):
        return _bounds_agree(pair, problem, letter)
    try:
        given, wanted = condition(pair, letter), condition(problem, letter)
    except BeyondError:
        return shared_pool().ask("consistent", (show_statement(pair), show_statement(problem)), letter)
    if not given or not wanted:
        return True if given == wanted else not given
    if len(given) == 1 or len(wanted) == 1:
        return given == wanted
    shared = common_divisor(given, wanted)
    return len(shared) > 1 and (not remainder(given, shared) and len(shared) in (len(given), len(wanted)))


def _bounds_agree(pair: Statement, problem: Statement, letter: str) -> bool | None:
    try:
        given, wanted = bound(pair, letter), bound(problem, letter)
    except BeyondError:
        return None
    return None if given is None or wanted is None else given == wanted


def bound(statement: Statement, letter: str) -> tuple[Relation, Fraction] | None:
    """`3x + 1 < 7` as (`<`, 2); None for anything but a linear inequality."""
    relation = statement.relations[0]
    if relation not in _FLIPPED:
        return None
    left, right = (ratio(side) for side in statement.sides)
    if left.bottom.letters or right.bottom.letters:
        return None
    scale = Polynomial.constant(1 / (left.bottom * right.bottom).terms[()])
    dense = ((left.top * right.bottom - right.top * left.bottom) * scale).coefficients(letter)
    if len(dense) != 2:
        return None
    return (relation if dense[1] > 0 else _FLIPPED[relation]), -dense[0] / dense[1]


def _proportional(candidate: Statement, problem: Statement) -> bool | None:
    """Two letters: the same line is fine, another one can't be judged."""
    if (
        len(candidate.sides) != 2
        or len(problem.sides) != 2
        or not (candidate.is_equation and problem.is_equation)
    ):
        return None
    try:
        left, right = (ratio(s.sides[0]).top - ratio(s.sides[1]).top for s in (candidate, problem))
        return True if left.proportional(right) else None
    except BeyondError:
        return None
