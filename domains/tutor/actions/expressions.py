"""Steps for expressions with letters: put a number in, expand brackets, collect like terms."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from senmon.checks.maths_algebra import BeyondError, evaluate, polynomial
from senmon.checks.maths_nodes import Binary, Node, show, variables

from . import writing
from .arithmetic import solve_sum
from .equations import bracketed, count_terms
from .solution import Solution, Step, TooHardError


def solve_at(node: Node, letters: Mapping[str, Fraction]) -> Solution:
    """`2x + 1` when x = 3. Raises TooHardError."""
    if variables(node) - set(letters):
        raise TooHardError("There is a letter without a value. Which number does it stand for?")
    given = " and ".join(f"{name} = {writing.number(value)}" for name, value in letters.items())
    text = f"{show(node)} when {given}"
    filled = writing.substituted(node, dict(letters))
    try:
        value = evaluate(filled)
    except BeyondError:
        raise TooHardError("I can read that, but it has no value that I can work out.") from None
    name, first = next(iter(letters.items()))
    put = Step(
        f"{show(node)} has a letter. Which number belongs in its place?",
        f"Write {writing.operand(first)} where the {name} is. A number beside a letter means times.",
        "Copy everything else as it is, and put brackets around a negative number.",
        f"That gives {show(filled)}.",
    )
    try:
        rest = solve_sum(filled).steps
    except TooHardError:
        rest = ()
    answer = writing.number(value)
    return Solution(
        text, "putting numbers in", (answer,), answer, (put, *rest), f"{show(filled)} = {answer}."
    )


def rewrite(node: Node) -> Solution:
    """Expand and collect. Raises TooHardError when there is nothing to do."""
    try:
        goal = writing.polynomial(polynomial(node))
    except BeyondError:
        raise TooHardError("I can read that, but I have no steps for simplifying it.") from None
    terms = len(polynomial(node).terms)
    product = bracketed(node)
    if product is None and count_terms(node) <= terms and not _product_of_letters(node):
        raise TooHardError("That is in its simplest form already. What would you like to do with it?")
    steps: list[Step] = []
    if product is not None:
        steps.append(_expand(node, *product))
    if product is None or count_terms(node) > 1 or terms < 3:
        steps.append(_collect(node, product is not None))
    return Solution(
        text=show(node),
        skill="expanding brackets" if product else "collecting like terms",
        answers=(goal,),
        said=goal,
        steps=tuple(steps),
        confirmed=f"{show(node)} = {goal}.",
    )


def _product_of_letters(node: Node) -> bool:
    return isinstance(node, Binary) and node.operator in "*/^" and count_terms(node) == 1


def _expand(node: Node, factor: str, inner: str) -> Step:
    if "+" in factor or "\N{MINUS SIGN} " in factor:
        return Step(
            "There are two brackets. What does each term in the first one multiply?",
            "Multiply each term of the first bracket by each term of the second one.",
            "You get four products. Write them all down with their signs.",
            "That gives four terms.",
        )
    return Step(
        f"What does the {factor} in front of ({inner}) multiply?",
        f"Multiply each term in ({inner}) by {factor}.",
        f"Write {factor} times each term of ({inner}), with its sign.",
        "Now the bracket is gone.",
    )


def _collect(node: Node, expanded: bool) -> Step:
    return Step(
        "Which terms are alike now?" if expanded else f"Which terms of {show(node)} are alike?",
        "Like terms have the same letter and the same power. Put those together.",
        "Add up the numbers in front of like terms and keep the letter.",
        "That is as simple as it gets.",
    )
