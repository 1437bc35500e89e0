"""Exact algebra over the rationals, bounded, without sympy: what nearly every school judgement needs.

Numbers are Fractions. An expression with letters becomes a ratio of two polynomials in lowest size that the
limits allow. Anything else (roots, π, letters in exponents, results too large) raises `BeyondError`, and the
caller hands the question to a worker process or leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from senmon.checks.maths_nodes import Binary, Negative, Node, Number, Percent, Root, Statement, Variable

MAX_EXPONENT = 64
MAX_BITS = 512
MAX_TERMS = 120
MAX_DEGREE = 12

Monomial = tuple[tuple[str, int], ...]
Terms = Mapping[Monomial, Fraction]
Environment = Mapping[str, Fraction]


class BeyondError(Exception):
    """Not in reach of exact rational algebra within the limits. Never leaves the maths checks."""


def bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise BeyondError("number too large")
    return value


def power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT:
        raise BeyondError("exponent")
    if base == 0 and exponent < 0:
        raise BeyondError("division by zero")
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if size * abs(int(exponent)) > 2 * MAX_BITS:
        raise BeyondError("power too large")
    return bounded(base ** int(exponent))


def square_root(value: Fraction) -> Fraction:
    """The exact root. Raises BeyondError when it is irrational or imaginary."""
    if value < 0:
        raise BeyondError("root of a negative number")
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if top * top != value.numerator or bottom * bottom != value.denominator:
        raise BeyondError("irrational root")
    return Fraction(top, bottom)


def evaluate(node: Node, letters: Environment | None = None) -> Fraction:
    """The exact value with `letters` put in. Raises BeyondError for unknown letters and irrational values."""
    match node:
        case Number(value):
            return bounded(value)
        case Variable(name):
            if letters is None or name not in letters:
                raise BeyondError(f"{name} is unknown")
            return letters[name]
        case Negative(inner):
            return -evaluate(inner, letters)
        case Percent(inner):
            return evaluate(inner, letters) / 100
        case Root(inner):
            return square_root(evaluate(inner, letters))
        case Binary(operator, left, right):
            return _combine(operator, evaluate(left, letters), evaluate(right, letters))
        case _:
            raise BeyondError("irrational constant")


def _combine(operator: str, left: Fraction, right: Fraction) -> Fraction:
    match operator:
        case "+":
            return bounded(left + right)
        case "-":
            return bounded(left - right)
        case "*":
            return bounded(left * right)
        case "/":
            if right == 0:
                raise BeyondError("division by zero")
            return bounded(left / right)
        case _:
            return power(left, right)


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A sum of monomials with rational coefficients; zero coefficients are never stored."""

    terms: Terms

    @classmethod
    def constant(cls, value: Fraction | int) -> Polynomial:
        return cls({(): Fraction(value)} if value else {})

    @classmethod
    def letter(cls, name: str) -> Polynomial:
        return cls({((name, 1),): Fraction(1)})

    def __add__(self, other: Polynomial) -> Polynomial:
        terms = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            terms[monomial] = terms.get(monomial, Fraction(0)) + coefficient
        return _checked(terms)

    def __neg__(self) -> Polynomial:
        return Polynomial({monomial: -coefficient for monomial, coefficient in self.terms.items()})

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial) -> Polynomial:
        if len(self.terms) * len(other.terms) > MAX_TERMS * 8:
            raise BeyondError("too many terms")
        terms: dict[Monomial, Fraction] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                monomial = _times(left, right)
                terms[monomial] = terms.get(monomial, Fraction(0)) + a * b
        return _checked(terms)

    def __pow__(self, exponent: int) -> Polynomial:
        result = Polynomial.constant(1)
        for _ in range(exponent):
            result = result * self
        return result

    @property
    def is_zero(self) -> bool:
        return not self.terms

    @property
    def letters(self) -> frozenset[str]:
        return frozenset(name for monomial in self.terms for name, _ in monomial)

    def coefficients(self, letter: str) -> tuple[Fraction, ...]:
        """Ascending coefficients of a polynomial in `letter` alone. Raises BeyondError with other letters."""
        if self.letters - {letter}:
            raise BeyondError("more than one letter")
        degree = max((dict(monomial).get(letter, 0) for monomial in self.terms), default=0)
        dense = [Fraction(0)] * (degree + 1)
        for monomial, coefficient in self.terms.items():
            dense[dict(monomial).get(letter, 0)] = coefficient
        return tuple(dense)

    def proportional(self, other: Polynomial) -> bool:
        """Whether one is a non-zero multiple of the other."""
        if self.terms.keys() != other.terms.keys() or self.is_zero:
            return False
        return len({self.terms[monomial] / other.terms[monomial] for monomial in self.terms}) == 1


def _checked(terms: Mapping[Monomial, Fraction]) -> Polynomial:
    kept = {monomial: bounded(coefficient) for monomial, coefficient in terms.items() if coefficient}
    if len(kept) > MAX_TERMS or any(sum(e for _, e in monomial) > MAX_DEGREE for monomial in kept):
        raise BeyondError("polynomial too large")
    return Polynomial(kept)


def _times(left: Monomial, right: Monomial) -> Monomial:
    exponents = dict(left)
    for name, exponent in right:
        exponents[name] = exponents.get(name, 0) + exponent
    return tuple(sorted(exponents.items()))


@dataclass(frozen=True, slots=True)
class Ratio:
    """top / bottom, not reduced; `bottom` is not zero."""

    top: Polynomial
    bottom: Polynomial

    def same(self, other: Ratio) -> bool:
        """Equal wherever both are defined."""
        return (self.top * other.bottom - other.top * self.bottom).is_zero


ONE = Polynomial.constant(1)


def ratio(node: Node) -> Ratio:  # noqa: PLR0911 (one per kind)
    """The expression as a ratio of polynomials. Raises BeyondError outside rational functions."""
    match node:
        case Number(value):
            return Ratio(Polynomial.constant(bounded(value)), ONE)
        case Variable(name):
            return Ratio(Polynomial.letter(name), ONE)
        case Negative(inner):
            one = ratio(inner)
            return Ratio(-one.top, one.bottom)
        case Percent(inner):
            one = ratio(inner)
            return Ratio(one.top, one.bottom * Polynomial.constant(100))
        case Binary("^", base, exponent):
            return _ratio_power(ratio(base), evaluate(exponent))
        case Binary(operator, left, right):
            return _ratio_combine(operator, ratio(left), ratio(right))
        case _:
            return Ratio(Polynomial.constant(evaluate(node)), ONE)


def _ratio_power(base: Ratio, exponent: Fraction) -> Ratio:
    if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT:
        raise BeyondError("exponent")
    if not (base.top.letters or base.bottom.letters):
        value = base.top.terms.get((), Fraction(0)) / base.bottom.terms[()]
        return Ratio(Polynomial.constant(power(value, exponent)), ONE)
    if abs(exponent) > MAX_DEGREE:
        raise BeyondError("degree")
    top, bottom = (base.top, base.bottom) if exponent >= 0 else (base.bottom, base.top)
    if bottom.is_zero:
        raise BeyondError("division by zero")
    return Ratio(top ** abs(int(exponent)), bottom ** abs(int(exponent)))


def _ratio_combine(operator: str, left: Ratio, right: Ratio) -> Ratio:
    if operator == "*":
        return Ratio(left.top * right.top, left.bottom * right.bottom)
    if operator == "/":
        if right.top.is_zero:
            raise BeyondError("division by zero")
        return Ratio(left.top * right.bottom, left.bottom * right.top)
    other = right.top if operator == "+" else -right.top
    return Ratio(left.top * right.bottom + other * left.bottom, left.bottom * right.bottom)


def polynomial(node: Node) -> Polynomial:
    """The expression as a polynomial. Raises BeyondError when letters are divided by."""
    one = ratio(node)
    if one.bottom.letters:
        raise BeyondError("division by a letter")
    scale = Polynomial.constant(1 / one.bottom.terms[()])
    return one.top * scale


# Univariate polynomials as ascending coefficient tuples, for solution sets.
Dense = tuple[Fraction, ...]


def _trim(values: list[Fraction]) -> Dense:
    while values and values[-1] == 0:
        values.pop()
    return tuple(values)


def remainder(top: Dense, bottom: Dense) -> Dense:
    rest = list(top)
    while len(rest) >= len(bottom):
        factor = rest[-1] / bottom[-1]
        shift = len(rest) - len(bottom)
        for index, coefficient in enumerate(bottom):
            rest[shift + index] = bounded(rest[shift + index] - factor * coefficient)
        rest.pop()
    return _trim(rest)


def common_divisor(left: Dense, right: Dense) -> Dense:
    """Greatest common divisor, monic."""
    while right:
        left, right = right, remainder(left, right)
    return tuple(value / left[-1] for value in left)


def quotient(top: Dense, bottom: Dense) -> Dense:
    rest, result = list(top), [Fraction(0)] * max(1, len(top) - len(bottom) + 1)
    while len(rest) >= len(bottom):
        shift = len(rest) - len(bottom)
        result[shift] = rest[-1] / bottom[-1]
        for index, coefficient in enumerate(bottom):
            rest[shift + index] -= result[shift] * coefficient
        rest.pop()
    return tuple(result)


def distinct_roots(values: Dense) -> Dense:
    """The polynomial with the same (complex) roots, each once, monic. () for the zero polynomial."""
    values = _trim(list(values))
    if len(values) <= 1:
        return values and (Fraction(1),)
    slope = tuple(index * value for index, value in enumerate(values))[1:]
    return (
        tuple(value / values[-1] for value in quotient(values, common_divisor(values, slope)))
        if len(common_divisor(values, slope)) > 1
        else tuple(value / values[-1] for value in values)
    )


def condition(statement: Statement, letter: str) -> Dense:
    """A polynomial in `letter` whose roots are the solutions of a two-sided equation.

    () when every value fits, (1,) when none does. Raises BeyondError outside univariate rational equations.
    """
    left, right = (ratio(side) for side in statement.sides)
    top = (left.top * right.bottom - right.top * left.bottom).coefficients(letter)
    bottom = (left.bottom * right.bottom).coefficients(letter)
    roots = distinct_roots(top)
    if len(bottom) > 1 and len(roots) > 1:
        shared = common_divisor(roots, bottom)
        roots = distinct_roots(quotient(roots, shared)) if len(shared) > 1 else roots
    return roots


def rational_roots(values: Dense) -> tuple[Fraction, ...]:
    """The roots of a polynomial of degree at most two, ascending. Raises BeyondError, also for surds."""
    values = distinct_roots(values)
    if len(values) == 1:
        return ()
    if len(values) == 2:
        return (-values[0],)
    if len(values) != 3:
        raise BeyondError("degree")
    constant, linear, _ = values
    root = square_root(linear * linear - 4 * constant)
    return tuple(sorted({(-linear - root) / 2, (-linear + root) / 2}))
