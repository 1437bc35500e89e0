"""Steps for linear equations and for quadratic equations with rational roots."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from senmon.checks.maths_algebra import BeyondError, Polynomial, polynomial, ratio, rational_roots
from senmon.checks.maths_nodes import (
    MINUS,
    Binary,
    Negative,
    Node,
    Number,
    Statement,
    literal,
    show,
    show_statement,
    statement_variables,
    variables,
)

from . import writing
from .solution import Solution, Step, TooHardError


def solve_equation(statement: Statement) -> Solution:
    """Raises TooHardError."""
    letters = statement_variables(statement)
    if len(letters) != 1 or len(statement.sides) != 2 or not statement.is_equation:
        raise TooHardError("I can help with one equation with one letter at a time.")
    letter = next(iter(letters))
    try:
        left, right = (ratio(side) for side in statement.sides)
        if left.bottom.letters or right.bottom.letters:
            raise TooHardError("I can read that, but I have no steps for a letter under a fraction line.")
        values = (polynomial(statement.sides[0]) - polynomial(statement.sides[1])).coefficients(letter)
        roots = rational_roots(values) if len(values) > 1 else ()
    except BeyondError:
        raise TooHardError(
            "I can read that, but it goes beyond the maths that I can lead you through."
        ) from None
    if not roots:
        raise TooHardError("That equation has no solution, or too many: please check how you copied it.")
    if len(values) == 2:
        return _linear(statement, letter, roots[0])
    return _quadratic(statement, letter, values, roots)


@dataclass(frozen=True)
class Line:
    """a·x + b = c·x + d."""

    letter: str
    a: Fraction
    b: Fraction
    c: Fraction
    d: Fraction

    def __str__(self) -> str:
        return f"{writing.line(self.letter, self.a, self.b)} = {writing.line(self.letter, self.c, self.d)}"

    def scaled(self, factor: int) -> Line:
        return Line(self.letter, self.a * factor, self.b * factor, self.c * factor, self.d * factor)


def line_of(statement: Statement, letter: str) -> Line:
    sides = [polynomial(side).coefficients(letter) for side in statement.sides]
    (b, a), (d, c) = ((*values, Fraction(0), Fraction(0))[:2] for values in sides)
    return Line(letter, a, b, c, d)


def _linear(statement: Statement, letter: str, root: Fraction) -> Solution:
    steps: list[Step] = []
    current = line_of(statement, letter)
    if tidied := _tidied(statement, current):
        step, current = tidied
        steps.append(step)
    while (found := _next(current)) is not None:
        step, current = found
        steps.append(step)
    answer = writing.number(root)
    if not steps:
        raise TooHardError(f"That one is solved already: it says what {letter} is.")
    return Solution(
        text=show_statement(statement),
        skill="linear equation",
        answers=(answer,),
        said=f"{letter} = {answer}",
        steps=tuple(steps),
        confirmed=_fits(statement, letter, root),
    )


def _fits(statement: Statement, letter: str, root: Fraction) -> str:
    filled = tuple(writing.substituted(side, {letter: root}) for side in statement.sides)
    if all(variables(side) for side in statement.sides):
        value = writing.number(polynomial(filled[0]).terms.get((), Fraction(0)))
        both = f"{show(filled[0])} = {value} and {show(filled[1])} = {value}"
        return f"Put it back in: {both}, so both sides agree."
    return f"Put it back in: {show_statement(replace(statement, sides=filled))}, so it fits."


def _tidied(statement: Statement, line: Line) -> tuple[Step, Line] | None:
    """Brackets, sums over a number, like terms: what must go before terms can be moved."""
    done = f"That gives {line}."
    step: Step | None = None
    shared = next((side for side in statement.sides if _over(side)), None)
    if shared is not None and isinstance(shared, Binary):
        bottom = show(shared.right)
        factor = math.lcm(*(value.denominator for value in (line.a, line.b, line.c, line.d)))
        line = line.scaled(factor)
        step = Step(
            f"All of {show(shared.left)} is divided by {bottom}. What undoes ÷ {bottom}?",
            f"Multiply both sides by {bottom}. What do you get?",
            f"On the left, ÷ {bottom} and × {bottom} cancel. Multiply the other side by {bottom} as well.",
            f"That gives {line}.",
        )
    elif product := next((p for side in statement.sides if (p := bracketed(side))), None):
        outer, inner = product
        step = Step(
            f"There is a bracket. What does the {outer} in front of ({inner}) multiply?",
            f"Multiply every term in ({inner}) by {outer}, then collect like terms.",
            f"Write {outer} times each term of ({inner}). Watch the signs.",
            done,
        )
    elif sum(map(count_terms, statement.sides)) > sum(_terms_of(line)):
        step = Step(
            "Some terms are alike. Which ones can you put together?",
            f"Collect the {line.letter} terms and the plain numbers on each side.",
            f"Add up all the {line.letter} terms on the same side first.",
            done,
        )
    return (step, line) if step else None


def _over(side: Node) -> bool:
    """A sum with the letter over a plain number."""
    match side:
        case Binary("/", Binary("+" | "-") as top, bottom) if literal(bottom) is not None:
            return bool(variables(top))
    return False


def bracketed(node: Node) -> tuple[str, str] | None:
    match node:
        case Binary("*", left, right):
            for factor, inner in ((left, right), (right, left)):
                if isinstance(inner, Binary) and inner.operator in "+-" and variables(inner):
                    return show(factor), show(inner)
            return bracketed(left) or bracketed(right)
        case Negative(Binary("+" | "-") as inner) if variables(inner):
            return f"{MINUS}1", show(inner)
        case Binary("-", left, Binary("+" | "-") as inner) if variables(inner):
            return f"{MINUS}1", show(inner)
        case Binary(_, left, right):
            return bracketed(left) or bracketed(right)
    return None


def count_terms(node: Node) -> int:
    match node:
        case Binary("+" | "-", left, right):
            return count_terms(left) + count_terms(right)
        case Number(value) if value == 0:
            return 0
    return 1


def _terms_of(line: Line) -> tuple[int, ...]:
    return tuple(int(value != 0) for value in (line.a, line.b, line.c, line.d))


def _next(line: Line) -> tuple[Step, Line] | None:
    """The next step towards x = …, and the line after it. None when it is solved."""
    bottoms = math.lcm(line.a.denominator, line.b.denominator, line.c.denominator, line.d.denominator)
    awkward = bool(line.a and line.c) or abs(line.a or line.c).numerator != 1
    if bottoms > 1 and awkward and (line.b if line.a else line.d or line.c):
        return _clear(line, bottoms)
    if line.a and line.c:
        return _gather(line)
    mirrored = line.a == 0
    if mirrored:
        line = Line(line.letter, line.c, line.d, line.a, line.b)
    return _unshift(line, mirrored) if line.b else _unscale(line, mirrored)


def _said(line: Line, mirrored: bool) -> str:
    shown = Line(line.letter, line.c, line.d, line.a, line.b) if mirrored and line.a != 1 else line
    return f"That gives {shown}."


def _clear(line: Line, factor: int) -> tuple[Step, Line]:
    after = line.scaled(factor)
    step = Step(
        "There are fractions. Which number could clear all of them?",
        f"Multiply every term on both sides by {factor}.",
        f"Take the terms one by one: each is multiplied by {factor}, so that no fraction is left.",
        f"Multiplying by {factor} gives {after}.",
    )
    return step, after


def _gather(line: Line) -> tuple[Step, Line]:
    x = line.letter
    small = line.c if line.a > line.c else line.a
    moved = writing.term(abs(small), x)
    verb, sign = ("Take", MINUS) if small > 0 else ("Add", "+")
    joint = "from" if small > 0 else "to"
    after = Line(x, line.a - small, line.b, line.c - small, line.d)
    step = Step(
        f"There is {x} on both sides: {writing.term(line.a, x)} and {writing.term(line.c, x)}. "
        f"Which of the two would you move?",
        f"{verb} {moved} {joint} both sides. What is left?",
        f"On the one side the {x} term is gone. On the other side work out "
        f"{writing.term(max(line.a, line.c), x)} {sign} {moved}.",
        f"That gives {after}.",
    )
    return step, after


def _unshift(line: Line, mirrored: bool) -> tuple[Step, Line]:
    size = writing.number(abs(line.b))
    undone = f"{MINUS} {size}" if line.b < 0 else f"+ {size}"
    verb, joint, sign = ("Add", "to", "+") if line.b < 0 else ("Take", "from", MINUS)
    after = Line(line.letter, line.a, Fraction(0), line.c, line.d - line.b)
    left, right = writing.line(line.letter, line.a, Fraction(0)), f"{writing.number(line.d)} {sign} {size}"
    worked = f"{right} = {left}" if mirrored else f"{left} = {right}"
    step = Step(
        f"Look at the {undone} beside {left}. What undoes it?",
        f"{verb} {size} {joint} both sides. What do you get?",
        f"Now you have {worked}. Work out the number.",
        _said(after, mirrored),
    )
    return step, _flipped(after, mirrored)


def _flipped(line: Line, mirrored: bool) -> Line:
    return Line(line.letter, line.c, line.d, line.a, line.b) if mirrored else line


def _unscale(line: Line, mirrored: bool) -> tuple[Step, Line] | None:
    if line.a == 1:
        return None
    x, bottom = line.letter, line.a.denominator
    if bottom > 1:
        after = Line(x, line.a * bottom, Fraction(0), Fraction(0), line.d * bottom)
        top = writing.term(after.a, x)
        step = Step(
            f"{top} is divided by {bottom}. What undoes ÷ {bottom}?",
            f"Multiply both sides by {bottom}. What do you get?",
            f"So {top} = {writing.number(line.d)} × {bottom}. Work out the right side.",
            _said(after, mirrored),
        )
        return step, _flipped(after, mirrored)
    factor = writing.number(line.a)
    after = Line(x, Fraction(1), Fraction(0), Fraction(0), line.d / line.a)
    step = Step(
        f"{x} is multiplied by {factor}. What undoes × {writing.operand(line.a)}?",
        f"Divide both sides by {factor}. What do you get?",
        f"So {x} = {writing.number(line.d)} ÷ {writing.operand(line.a)}. Work it out.",
        _said(after, False),
    )
    return step, _flipped(after, mirrored)


def _quadratic(
    statement: Statement, letter: str, values: tuple[Fraction, ...], roots: tuple[Fraction, ...]
) -> Solution:
    steps: list[Step] = []
    scale = math.lcm(*(value.denominator for value in values))
    constant, linear, square = (value * scale for value in values)
    if square < 0:
        constant, linear, square = -constant, -linear, -square
    standard = _standard(letter, square, linear, constant)
    plain = show_statement(statement)
    factors = _factored(letter, roots, square)
    if not _is_product(statement):
        if plain != f"{standard} = 0":
            steps.append(_zeroed(standard))
        steps.append(_factor_step(letter, square, linear, constant, f"{factors} = 0"))
    steps.append(_zero_product(letter, roots))
    answers = tuple(writing.number(root) for root in roots)
    return Solution(
        text=plain,
        skill="quadratic equation",
        answers=answers,
        said=" or ".join(f"{letter} = {answer}" for answer in answers),
        steps=tuple(steps),
        confirmed=f"Both sides agree when you put {'them' if len(answers) > 1 else 'it'} back in.",
    )


def _standard(letter: str, square: Fraction, linear: Fraction, constant: Fraction) -> str:
    terms = {((letter, 2),): square, ((letter, 1),): linear, (): constant}
    return writing.polynomial(Polynomial({m: c for m, c in terms.items() if c}))


def _factored(letter: str, roots: tuple[Fraction, ...], square: Fraction) -> str:
    if len(roots) == 1:
        inside = writing.bracket(letter, roots[0])
        outer = square / roots[0].denominator ** 2
        body = f"{inside}²"
    else:
        pair = sorted(roots, key=lambda root: root != 0)
        outer = square / (roots[0].denominator * roots[1].denominator)
        body = "".join(writing.bracket(letter, root) for root in pair)
    return body if outer == 1 else f"{writing.number(outer)}{body}"


def _is_product(statement: Statement) -> bool:
    left, right = statement.sides
    return literal(right) == 0 and isinstance(left, Binary) and left.operator in ("*", "^")


def _zeroed(standard: str) -> Step:
    return Step(
        "To factorise, one side should be zero. What would you move?",
        "Bring every term to the left side, so that the right side is zero. Watch the signs.",
        "Change the sign of each term that you bring over, then collect like terms.",
        f"That gives {standard} = 0.",
    )


def _factor_step(letter: str, square: Fraction, linear: Fraction, constant: Fraction, done: str) -> Step:
    a, b, c = (writing.number(value) for value in (square, linear, constant))
    if not constant:
        focus, probe = "Which factor do both terms share?", f"Take {letter} out as a common factor."
        partial = f"Write {letter} in front of a bracket and divide both terms by {letter}."
    elif not linear:
        focus = "This is a difference of two squares. Do you know its pattern?"
        probe, partial = "Use a² − b² = (a − b)(a + b).", "Which two squares are these? Take their roots."
    elif square == 1:
        focus = f"Can you factorise the left side? Think of two numbers with the product {c}."
        probe = f"Find two numbers with the product {c} and the sum {b}."
        partial = f"List the pairs with the product {c}, then look for the pair with the sum {b}."
    else:
        focus = f"Can you factorise the left side? Start with {a} times {c}."
        probe = f"Find two numbers with the product {a} × {writing.operand(constant)} and the sum {b}."
        partial = f"Split the {letter} term with these two numbers, then factorise in pairs."
    return Step(focus, probe, partial, f"That gives {done}.")


def _zero_product(letter: str, roots: tuple[Fraction, ...]) -> Step:
    parts = [writing.bracket(letter, root).strip("()") for root in sorted(roots, key=lambda root: root != 0)]
    each = " and ".join(f"{part} = 0" for part in parts if part != letter)
    return Step(
        "A product is zero only when one of its factors is. What does that say here?",
        "Set each factor equal to zero and solve the small equations.",
        f"Solve {each}." + (f" And think of the factor {letter}." if letter in parts else ""),
        "Each factor gives one solution.",
    )
