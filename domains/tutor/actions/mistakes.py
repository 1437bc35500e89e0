"""What probably went wrong: wrong answers that typical mistakes lead to, and words about them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from senmon.checks.maths_algebra import BeyondError, evaluate, polynomial
from senmon.checks.maths_nodes import (
    Binary,
    Negative,
    Node,
    Number,
    Percent,
    Statement,
    Variable,
    literal,
    show,
    variables,
)
from senmon.checks.maths_problem import agrees

from . import writing
from .equations import Line, line_of


@dataclass(frozen=True)
class Mistake:
    """`name` is the error's name, `text` what to tell the pupil; it holds no answer. `last`: everything
    before the last step must have been right."""

    name: str
    text: str
    last: bool = False


UNKNOWN = Mistake("no known error", "That does not fit yet.")


def in_equation(problem: Statement, letter: str, root: Fraction, value: Fraction) -> Mistake:
    """For a wrong solution of a linear equation."""
    for mistake, wrong in _wrong_roots(problem, letter, root):
        if value == wrong:
            return mistake
    if abs(value - root) in (1, 2, 10):
        return Mistake("arithmetic slip", "The way looks right, but a small slip happened in the working.")
    return UNKNOWN


_SIGN = Mistake("sign error", "Look at the signs: a term changes its sign when you undo it on both sides.")
_ANSWER_SIGN = Mistake("sign error", "Very close: look at the sign of your answer again.")
_UNDIVIDED = Mistake(
    "forgot to divide",
    "Good start, but one step is missing: the letter still has a number beside it.",
    last=True,
)
_MULTIPLIED = Mistake("wrong inverse", "You multiplied where you should divide: × is undone by ÷.", last=True)
_SUBTRACTED = Mistake(
    "wrong inverse", "A number beside the letter multiplies it, so subtracting does not undo it.", last=True
)
_DIVIDED = Mistake("wrong inverse", "You divided where you should multiply: ÷ is undone by ×.")
_INVERTED = Mistake(
    "division the wrong way round", "You divided the wrong way round: swap the two numbers.", last=True
)
_HALF_BRACKET = Mistake("distribution error", "The number in front of a bracket multiplies every term in it.")
_FORGOTTEN = Mistake("forgotten term", "A term got lost on the way: every term of the problem must be used.")
_ONE_TERM = Mistake(
    "divided one term only", "When you divide, every term on both sides must be divided, not only one."
)
_MOVED_LETTER = "When a letter term goes to the other side, its sign changes too."


def _wrong_roots(problem: Statement, letter: str, root: Fraction) -> Iterator[tuple[Mistake, Fraction]]:
    if root:
        yield _ANSWER_SIGN, -root
    for changed in _half_expanded(problem):
        if (wrong := _root(changed, letter)) is not None and wrong != root:
            yield _HALF_BRACKET, wrong
    yield from _wrong_lines(line_of(problem, letter))


def _wrong_lines(line: Line) -> Iterator[tuple[Mistake, Fraction]]:
    """Wrong solutions of a·x + b = c·x + d, the likelier mistakes first."""
    a, b, c, d = line.a, line.b, line.c, line.d
    slope, rest = a - c, d - b
    if slope.denominator > 1 and rest:
        yield _DIVIDED, rest / slope.denominator
    if b and d and slope:
        yield _SIGN, (d + b) / slope
    if slope not in (0, 1):
        yield _UNDIVIDED, rest
        if b and d and not c:
            yield _FORGOTTEN, d / slope
            yield _ONE_TERM, d / slope - b
            yield _ONE_TERM, d - b / slope
        yield _MULTIPLIED, rest * slope
        yield _SUBTRACTED, rest - slope
        if rest:
            yield _INVERTED, slope / rest
    if a and c and a + c:
        moved = _moved_letter(line)
        yield moved, rest / (a + c)
        yield moved, (d + b) / (a + c)
    if a and c and b and d:
        yield _FORGOTTEN, d / slope
        yield _FORGOTTEN, -b / slope
    if a and c and rest:
        yield _FORGOTTEN, rest / a


def _moved_letter(line: Line) -> Mistake:
    """Points at the two terms that were put together."""
    mine, other = writing.term(line.a, line.letter), writing.term(line.c, line.letter)
    return Mistake("sign error", f"{mine} and {other} stand on different sides. {_MOVED_LETTER}")


def _root(statement: Statement, letter: str) -> Fraction | None:
    line = line_of(statement, letter)
    return (line.d - line.b) / (line.a - line.c) if line.a != line.c else None


def _half_expanded(problem: Statement) -> Iterator[Statement]:
    """The problem with a bracket expanded on its first term only: 2(x + 3) read as 2x + 3."""
    for index, side in enumerate(problem.sides):
        changed = _forgetful(side)
        if changed != side:
            yield Statement(
                tuple(changed if i == index else s for i, s in enumerate(problem.sides)), problem.relations
            )


def _forgetful(node: Node) -> Node:
    match node:
        case Binary("*", factor, Binary("+" | "-" as sign, first, second)) if not variables(factor):
            return Binary(sign, Binary("*", factor, first), second)
        case Binary(operator, left, right, implicit):
            return Binary(operator, _forgetful(left), _forgetful(right), implicit)
    return node


def in_step(problem: Statement, letter: str, attempt: Statement) -> Mistake:
    """For a wrong line of working."""
    for changed in _half_expanded(problem):
        if agrees(attempt, changed) is True:
            return _HALF_BRACKET
    try:
        right, wrong = line_of(problem, letter), line_of(attempt, letter)
    except BeyondError:
        return UNKNOWN
    slope, rest = right.a - right.c, right.d - right.b
    mine, other = wrong.a - wrong.c, wrong.d - wrong.b
    if mine == 0:
        return UNKNOWN
    found = other / mine
    for mistake, value in _wrong_roots(problem, letter, rest / slope):
        if found == value:
            return mistake
    if mine == slope and abs(other - rest) in (1, 2, 10):
        return Mistake("arithmetic slip", "The idea is right, but check the sum once more.")
    return Mistake(
        "unbalanced step", "Do the same thing to both sides, so that the equation stays in balance."
    )


def in_roots(roots: tuple[Fraction, ...], values: frozenset[Fraction]) -> Mistake:
    """For wrong solutions of a quadratic equation."""
    if values and values <= {-root for root in roots}:
        return Mistake("sign error", "Look at the signs: each factor must become zero.")
    return UNKNOWN


def in_sum(problem: Node, value: Fraction) -> Mistake:
    """For a wrong result of a sum."""
    for mistake, wrong in _wrong_results(problem):
        if wrong == value:
            return mistake
    for mistake, wrong in _as_written(problem):
        if wrong == value:
            return mistake
    try:
        right = evaluate(problem)
    except BeyondError:
        return UNKNOWN
    if right and value == -right:
        return Mistake("sign error", "The size is right. Look at the sign again.")
    if value and right and (right / value in (10, 100) or value / right in (10, 100)):
        return Mistake("decimal point", "The digits are right. Check where the decimal point belongs.")
    if abs(value - right) in (1, 2, 10):
        return Mistake("arithmetic slip", "Very close. A small slip happened in the working.")
    return UNKNOWN


def in_value(problem: Node, letters: dict[str, Fraction], value: Fraction) -> Mistake:
    """For a wrong result of a sum, or of an expression with numbers put in for its letters."""
    if letters:
        try:
            if evaluate(_side_by_side(problem, letters)) == value:
                return _SIDE_BY_SIDE
        except BeyondError:
            pass
        problem = writing.substituted(problem, letters)
    return in_sum(problem, value)


_SIDE_BY_SIDE = Mistake(
    "written side by side", "A number beside a letter multiplies it: the digits do not stand side by side."
)


def _side_by_side(node: Node, letters: dict[str, Fraction]) -> Node:
    """`3x` with x = 4 read as 34."""
    match node:
        case Binary("*", Number(factor), Variable(name), True) if letters.get(name, Fraction(-1)) >= 0:
            return Number(Fraction(f"{factor}{letters[name]}")) if _digits(factor, letters[name]) else node
        case Binary(operator, left, right, implicit):
            return Binary(operator, _side_by_side(left, letters), _side_by_side(right, letters), implicit)
        case Variable(name) if name in letters:
            return Number(letters[name])
    return node


def _digits(*values: Fraction) -> bool:
    return all(value.denominator == 1 and value < 10**6 for value in values)


def _wrong_results(problem: Node) -> Iterator[tuple[Mistake, Fraction]]:
    match problem:
        case Binary("*", Percent(Number(share)), Number(whole)):
            yield (
                Mistake("percent as a number", "Remember that percent means out of a hundred."),
                share * whole,
            )
            yield (
                Mistake("percent as a number", "That is the share alone. Now take it of the number."),
                share / 100,
            )
            yield (
                Mistake(
                    "added the part", "That is the number with the part added. The part itself is asked for."
                ),
                whole + share * whole / 100,
            )
            yield (
                Mistake(
                    "percent as a number",
                    f"Dividing by {show(Number(share))} does not give {show(Number(share))}%: percent means "
                    f"parts of a hundred.",
                ),
                (whole / share if share else Fraction(0)),
            )
            yield (
                Mistake("took the part away", "That is what is left. The question asks for the part itself."),
                (whole - share * whole / 100),
            )
        case Binary(operator, left, right):
            a, b = literal(left), literal(right)
            if a is not None and b is not None and (a.denominator > 1 or b.denominator > 1):
                yield from _wrong_fractions(operator, a, b)
            elif a is not None and b is not None:
                yield from _wrong_operation(operator, a, b)
    yield from _bracket_slips(problem)
    if (value := _left_to_right(problem)) is not None:
        yield Mistake("order of operations", "Mind the order: × and ÷ come before + and −."), value
    for value in _with_a_term_lost(problem):
        yield _FORGOTTEN, value


_BRACKETS_IGNORED = Mistake("brackets ignored", "The brackets come first: what is inside belongs together.")


def _bracket_slips(problem: Node) -> Iterator[tuple[Mistake, Fraction]]:
    """`a × (b + c)`: the bracket multiplied on one term only; `(a + b) × c`: the bracket overlooked."""
    for changed, mistake in ((_one_term(problem), _HALF_BRACKET), (_opened_up(problem), _BRACKETS_IGNORED)):
        if changed == problem:
            continue
        try:
            yield mistake, evaluate(changed)
        except BeyondError:
            continue


def _one_term(node: Node) -> Node:
    match node:
        case Binary("*", factor, Binary("+" | "-" as sign, first, second)):
            return Binary(sign, Binary("*", factor, first), second)
        case Binary(operator, left, right, implicit):
            return Binary(operator, _one_term(left), _one_term(right), implicit)
    return node


def _opened_up(node: Node) -> Node:
    match node:
        case Binary("*" | "/" as operator, Binary("+" | "-" as sign, first, second), factor):
            return Binary(sign, first, Binary(operator, second, factor))
        case Binary("-", first, Binary("+" | "-" as sign, second, third)):
            return Binary(sign, Binary("-", first, second), third)
        case Binary(operator, left, right, implicit):
            return Binary(operator, _opened_up(left), _opened_up(right), implicit)
    return node


def _with_a_term_lost(problem: Node) -> Iterator[Fraction]:
    """The values of a sum of three or more terms with one of them left out."""
    terms = _terms(problem)
    if len(terms) < 3 and not (len(terms) == 2 and any(literal(term) is None for term in terms)):
        return
    try:
        values = [evaluate(term) for term in terms]
    except BeyondError:
        return
    yield from (sum(values, Fraction(0)) - value for value in values)


def _terms(node: Node) -> list[Node]:
    match node:
        case Binary("+", left, right):
            return [*_terms(left), *_terms(right)]
        case Binary("-", left, right):
            return [*_terms(left), *(Negative(term) for term in _terms(right))]
    return [node]


_TOPS_AND_BOTTOMS = Mistake(
    "added tops and bottoms", "Denominators are not added or subtracted: they must be made equal first."
)
_TOPS_NOT_SCALED = Mistake(
    "tops not scaled", "The denominators are equal now, but the numerators must grow with them."
)
_CROSSED = Mistake(
    "multiplied crosswise", "To multiply, go top times top and bottom times bottom, not crosswise."
)
_NOT_FLIPPED = Mistake("did not invert", "To divide by a fraction, turn the second one upside down first.")


def _wrong_fractions(operator: str, a: Fraction, b: Fraction) -> Iterator[tuple[Mistake, Fraction]]:
    top, bottom = (a.numerator, b.numerator), (a.denominator, b.denominator)
    if operator == "+":
        yield _TOPS_AND_BOTTOMS, Fraction(sum(top), sum(bottom))
        yield _TOPS_AND_BOTTOMS, Fraction(sum(top), bottom[0] * bottom[1])
    if operator == "-":
        if bottom[0] != bottom[1]:
            yield _TOPS_AND_BOTTOMS, Fraction(top[0] - top[1], bottom[0] - bottom[1])
        yield _TOPS_AND_BOTTOMS, Fraction(top[0] - top[1], bottom[0] * bottom[1])
    if operator == "/":
        yield _NOT_FLIPPED, a * b
        if a and b:
            yield (
                Mistake(
                    "inverted the wrong fraction", "Turn the second fraction upside down, not the first."
                ),
                b / a,
            )
    if operator in "+-" and bottom[0] != bottom[1]:
        shared = math.lcm(*bottom)
        joined = top[0] + top[1] if operator == "+" else top[0] - top[1]
        yield _TOPS_NOT_SCALED, Fraction(joined, shared)
    if operator == "*":
        yield Mistake("added instead of multiplied", "Here the fractions are multiplied, not added."), a + b
        if a and b:
            yield _CROSSED, a / b
            yield _CROSSED, b / a


def _as_written(problem: Node) -> Iterator[tuple[Mistake, Fraction]]:
    """Mistakes with fractions that are not in their simplest form: 2/4 + 1/3 as 3/7."""
    match problem:
        case Binary(
            "+" | "-" as operator,
            Binary("/", Number(a), Number(b), True),
            Binary("/", Number(c), Number(d), True),
        ) if b and d and b + d:
            sign = 1 if operator == "+" else -1
            if b + sign * d:
                yield _TOPS_AND_BOTTOMS, (a + sign * c) / (b + sign * d)
            yield _TOPS_NOT_SCALED, (a + sign * c) / math.lcm(int(b), int(d))


def _wrong_operation(operator: str, a: Fraction, b: Fraction) -> Iterator[tuple[Mistake, Fraction]]:
    mistake = Mistake("another operation", "Look at the sign between the numbers: which operation is it?")
    results = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else a}
    if operator == "-":
        yield (
            Mistake("subtraction the wrong way round", "The order matters: which number do you take away?"),
            b - a,
        )
    if operator == "^":
        yield (
            Mistake("power as a product", "A power is repeated multiplication, not base times exponent."),
            a * b,
        )
    for other, value in results.items():
        if other != operator and value != results.get(operator):
            yield mistake, value


def _left_to_right(node: Node) -> Fraction | None:
    """The value when every operation is done in reading order."""
    items: list[Fraction | str] = []
    if not _read(node, items) or len(items) < 5:
        return None
    value = items[0]
    for operator, operand in zip(items[1::2], items[2::2], strict=True):
        if not isinstance(value, Fraction) or not isinstance(operand, Fraction):
            return None
        if operator == "/" and operand == 0:
            return None
        value = {"+": value + operand, "-": value - operand, "*": value * operand}.get(
            str(operator), value / operand if operand else value
        )
    return value if isinstance(value, Fraction) else None


def _read(node: Node, items: list[Fraction | str]) -> bool:
    match node:
        case Number(value) | Negative(Number(value)):
            items.append(value if isinstance(node, Number) else -value)
            return True
        case Binary("/", Number(top), Number(bottom), True) if bottom:
            items.append(top / bottom)
            return True
        case Binary("+" | "-" | "*" | "/" as operator, left, right):
            if not _read(left, items):
                return False
            items.append(operator)
            return _read(right, items)
    return False


def in_expression(problem: Node, attempt: Node) -> Mistake:
    """For a wrong rewriting of an expression."""
    try:
        if polynomial(_forgetful(problem)) == polynomial(attempt):
            return _HALF_BRACKET
        right, wrong = polynomial(problem).terms, polynomial(attempt).terms
    except BeyondError:
        return UNKNOWN
    if {m: abs(c) for m, c in right.items()} == {m: abs(c) for m, c in wrong.items()}:
        return Mistake("sign error", "The numbers are right. Look at the signs again.")
    if set(wrong) < set(right) and all(right[m] == c for m, c in wrong.items()):
        return _FORGOTTEN
    if set(wrong) - set(right):
        return Mistake("unlike terms", "Only like terms can be put together: same letter, same power.")
    if set(wrong) == set(right) and sum(right[m] != c for m, c in wrong.items()) == 1:
        return Mistake("arithmetic slip", "Nearly: one of the numbers is not right yet. Add them up again.")
    return UNKNOWN


def is_letter(node: Node, letter: str) -> bool:
    return isinstance(node, Variable) and node.name == letter
