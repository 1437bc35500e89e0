"""Expressions as sympy objects, and the questions that only sympy answers. Imported in workers alone."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from senmon.checks.maths_grammar import parse
from senmon.checks.maths_nodes import Binary, Negative, Node, Number, Percent, Pi, Root, Statement, Variable

_POINTS = (Fraction(3, 7), Fraction(11, 5), Fraction(29, 13), Fraction(5, 3))
_TOLERANCE = 1e-9


def to_sympy(node: Node) -> Any:  # noqa: PLR0911 (one per kind)
    """The sympy expression, built node by node. Letters are real; nothing is evaluated from text."""
    match node:
        case Number(value):
            return sympy.Rational(value.numerator, value.denominator)
        case Variable(name):
            return sympy.Symbol(name, real=True)
        case Pi():
            return sympy.pi
        case Negative(inner):
            return -to_sympy(inner)
        case Percent(inner):
            return to_sympy(inner) / 100
        case Root(inner):
            return sympy.sqrt(to_sympy(inner))
        case Binary(operator, left, right):
            return _combined(operator, to_sympy(left), to_sympy(right))


def _combined(operator: str, left: Any, right: Any) -> Any:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case _:
            return left**right


def identical(left: Node, right: Node) -> bool | None:
    """Whether both are equal for every value of their letters; None when sympy can't tell."""
    difference = to_sympy(left) - to_sympy(right)
    letters = sorted(difference.free_symbols, key=str)
    defined = 0
    for shift in range(len(_POINTS)):
        point = {letter: _POINTS[(shift + index) % len(_POINTS)] for index, letter in enumerate(letters)}
        value = complex(difference.subs(point).evalf(25))
        if value != value or abs(value) == float("inf"):
            continue
        defined += 1
        if abs(value) > _TOLERANCE:
            return False
    return True if defined and difference.equals(0) else None


def consistent(candidate: Statement, problem: Statement, letter: str) -> bool | None:
    """Whether an equation's real solutions agree with the problem's: one set includes the other."""
    wanted, given = (_solutions(statement, letter) for statement in (problem, candidate))
    if not wanted or not given:
        return None
    inside = [any(abs(value - other) < _TOLERANCE for other in wanted) for value in given]
    covered = [any(abs(value - other) < _TOLERANCE for other in given) for value in wanted]
    return all(inside) or all(covered)


def _solutions(statement: Statement, letter: str) -> list[complex] | None:
    left, right = (to_sympy(side) for side in statement.sides)
    symbol = sympy.Symbol(letter, real=True)
    if (left - right).free_symbols != {symbol}:
        return None
    found = sympy.solveset(left - right, symbol, sympy.S.Reals)
    return [complex(value.evalf(25)) for value in found] if isinstance(found, sympy.FiniteSet) else None


def answer(task: str, texts: list[str], letter: str) -> bool | None:
    """One question as it comes over the pipe: statements travel as text and are parsed again here."""
    statements = [parse(text) for text in texts]
    if task == "identical":
        return identical(statements[0].sides[0], statements[1].sides[0])
    if task == "consistent":
        return consistent(statements[0], statements[1], letter)
    return None
