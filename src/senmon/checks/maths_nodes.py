"""What the maths grammar reads: expressions as trees, statements as chains, and how they are written.

Plain frozen values without any algebra: `maths_algebra` computes with them exactly, `maths_sympy` turns them
into sympy objects inside a worker process.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Operator = Literal["+", "-", "*", "/", "^"]
Relation = Literal["=", "!=", "<", ">", "<=", ">=", "~", "is"]

MINUS = "\N{MINUS SIGN}"
_SIGNS = {"+": " + ", "-": f" {MINUS} ", "*": " × ", "/": " ÷ ", "^": "^"}
_RELATIONS = {"!=": "≠", "<=": "≤", ">=": "≥", "~": "≈", "is": "="}
#: Letters that may stand side by side as a product; other letter pairs are words.
PRODUCTS = frozenset({"xy", "yx", "ab", "bc", "ac", "xyz", "abc"})
_SUPERSCRIPTS = {"2": "²", "3": "³"}
_RANK = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}
_UNARY = 3
_ATOM = 5


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number. `text` is how the author wrote it (`0.50`, `1 3/4`); empty when it was computed."""

    value: Fraction
    text: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str


@dataclass(frozen=True, slots=True)
class Pi:
    """The circle constant."""


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Node


@dataclass(frozen=True, slots=True)
class Root:
    """A square root."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Percent:
    """`20%`; worth a hundredth of its operand."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """`implicit` products have no sign: `3x`, `2(x + 1)`; implicit divisions are fractions: `3/4`."""

    operator: Operator
    left: Node
    right: Node
    implicit: bool = False


Node = Number | Variable | Pi | Negative | Root | Percent | Binary


@dataclass(frozen=True, slots=True)
class Statement:
    """`a = b < c`: sides and the relations between them. One side alone is an expression."""

    sides: tuple[Node, ...]
    relations: tuple[Relation, ...] = ()

    @property
    def is_equation(self) -> bool:
        return bool(self.relations) and all(relation in ("=", "is") for relation in self.relations)


def variables(node: Node) -> frozenset[str]:
    match node:
        case Variable(name):
            return frozenset({name})
        case Negative(inner) | Root(inner) | Percent(inner):
            return variables(inner)
        case Binary(_, left, right):
            return variables(left) | variables(right)
        case _:
            return frozenset()


def statement_variables(statement: Statement) -> frozenset[str]:
    return frozenset().union(*(variables(side) for side in statement.sides))


def literal(node: Node) -> Fraction | None:
    """The value of a finished number (`6`, `−0.5`, `3/4`, `25%`); None for what is still to be worked out."""
    match node:
        case Number(value):
            return value
        case Negative(inner):
            value = literal(inner)  # type: ignore[assignment]
            return None if value is None else -value
        case Percent(Number(value)):
            return value / 100
        case Binary("/", Number(top), Number(bottom), True) if bottom:
            return top / bottom
        case _:
            return None


def _is_whole(value: Fraction) -> bool:
    return value.denominator == 1


def show_number(value: Fraction) -> str:
    """`−3`, `3/4`, `0.25` only where it was written so: a computed fraction stays a fraction."""
    sign = MINUS if value < 0 else ""
    size = abs(value)
    return f"{sign}{size.numerator}" if _is_whole(size) else f"{sign}{size.numerator}/{size.denominator}"


def show(node: Node) -> str:
    """The expression in school notation; what it returns parses back to the same value."""
    return _show(node)[0]


def show_statement(statement: Statement) -> str:
    parts = [show(statement.sides[0])]
    for relation, side in zip(statement.relations, statement.sides[1:], strict=True):
        parts += [_RELATIONS.get(relation, relation), show(side)]
    return " ".join(parts)


def _show(node: Node) -> tuple[str, int]:  # noqa: PLR0911 (one per kind)
    match node:
        case Number(value, text):
            written = text.replace("-", MINUS) if text else show_number(value)
            plain = value.denominator == 1 or "." in written
            return written, 2 if value < 0 else _ATOM if plain else _UNARY
        case Variable(name):
            return name, _ATOM
        case Pi():
            return "π", _ATOM
        case Negative(inner):
            return MINUS + _wrap(inner, _UNARY), _UNARY if _show(inner)[1] >= _UNARY else 1
        case Root(inner):
            return f"√({show(inner)})", _ATOM
        case Percent(inner):
            return f"{_wrap(inner, _ATOM)}%", _ATOM
        case Binary():
            return _show_binary(node)


def _show_binary(node: Binary) -> tuple[str, int]:  # noqa: PLR0911 (one per notation)
    rank = _RANK[node.operator]
    if node.operator == "^":
        exponent = show(node.right)
        base = _wrap(node.left, _ATOM)
        return base + _SUPERSCRIPTS.get(exponent, f"^{_wrap(node.right, _ATOM)}"), rank
    if node.implicit and node.operator == "/":
        return f"{show(node.left)}/{show(node.right)}", _UNARY
    if node.implicit:
        chained = isinstance(node.left, Binary) and node.left.implicit and node.left.operator == "*"
        left, right = _wrap(node.left, rank if chained else _UNARY + 1), _wrap(node.right, rank + 2)
        if left[-1:].isalpha() and right[:1].isalpha() and _last_letters(left) + right[:1] not in PRODUCTS:
            return f"{left} × {right}", rank
        return left + (f"({right})" if right[:1].isdigit() else right), rank
    if node.operator == "*" and isinstance(node.left, Percent):
        return f"{show(node.left)} of {_wrap(node.right, rank + 1)}", rank
    if node.operator == "/" and variables(node.left) and isinstance(node.right, Number | Variable):
        return f"{_wrap(node.left, rank)}/{_wrap(node.right, rank + 1)}", rank
    left, right = _wrap(node.left, rank), _wrap(node.right, rank + 1)
    return f"{left}{_SIGNS[node.operator]}{right}", rank


def _last_letters(text: str) -> str:
    return text[len(text.rstrip("abcxyz")) :]


def _wrap(node: Node, rank: int) -> str:
    text, own = _show(node)
    return text if own >= rank else f"({text})"
