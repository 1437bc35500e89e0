"""How numbers, polynomials and equations are written for a pupil."""

from __future__ import annotations

from fractions import Fraction

from senmon.checks.maths_algebra import Polynomial
from senmon.checks.maths_nodes import MINUS, Binary, Negative, Node, Number, Percent, Root, Variable


def number(value: Fraction, decimal: bool = False) -> str:
    """`−3`, `3/4`, or `0.75` where the problem is written in decimals."""
    sign = MINUS if value < 0 else ""
    size = abs(value)
    if size.denominator == 1:
        return f"{sign}{size.numerator}"
    if decimal and (text := _terminating(size)):
        return sign + text
    return f"{sign}{size.numerator}/{size.denominator}"


def _terminating(value: Fraction) -> str | None:
    for places in range(1, 7):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(scaled.numerator).rjust(places + 1, "0")
            return f"{digits[:-places]}.{digits[-places:]}"
    return None


def operand(value: Fraction, decimal: bool = False) -> str:
    """A number as it stands after a sign: negative ones in brackets."""
    text = number(value, decimal)
    return f"({text})" if value < 0 else text


def term(coefficient: Fraction, letters: str) -> str:
    """`3x`, `−x`, `x/2`, `2x/3`, without its leading plus."""
    if not letters:
        return number(coefficient)
    sign = MINUS if coefficient < 0 else ""
    top, bottom = abs(coefficient.numerator), coefficient.denominator
    body = letters if top == 1 else f"{top}{letters}"
    return f"{sign}{body}" if bottom == 1 else f"{sign}{body}/{bottom}"


def polynomial(value: Polynomial) -> str:
    """`3x² − 2x + 1`, highest power first."""
    ordered = sorted(value.terms.items(), key=lambda item: (-sum(e for _, e in item[0]), item[0]))
    parts: list[str] = []
    for monomial, coefficient in ordered:
        letters = "".join(name + power(exponent) for name, exponent in monomial)
        text = term(coefficient, letters)
        if parts:
            text = f" {MINUS} {text[1:]}" if text.startswith(MINUS) else f" + {text}"
        parts.append(text)
    return "".join(parts) or "0"


def power(exponent: int) -> str:
    return {1: "", 2: "²", 3: "³"}.get(exponent, f"^{exponent}")


def line(letter: str, slope: Fraction, constant: Fraction) -> str:
    """`3x − 7`."""
    terms = {((letter, 1),): slope} if slope else {}
    return polynomial(Polynomial({**terms, **({(): constant} if constant else {})}))


def bracket(letter: str, root: Fraction) -> str:
    """The factor that is zero at `root`: `(x − 4)`, `(2x + 1)`, or plain `x`."""
    if root == 0:
        return letter
    return f"({line(letter, Fraction(root.denominator), Fraction(-root.numerator))})"


def substituted(node: Node, letters: dict[str, Fraction]) -> Node:
    """The expression with numbers in place of letters, products written with a sign."""
    match node:
        case Variable(name) if name in letters:
            return Number(letters[name])
        case Negative(inner):
            return Negative(substituted(inner, letters))
        case Root(inner):
            return Root(substituted(inner, letters))
        case Percent(inner):
            return Percent(substituted(inner, letters))
        case Binary(operator, left, right, implicit):
            new_left, new_right = substituted(left, letters), substituted(right, letters)
            kept = implicit and (new_left, new_right) == (left, right)
            return Binary(operator, new_left, new_right, kept)
        case _:
            return node
