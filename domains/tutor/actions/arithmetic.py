"""Steps for sums: order of operations, fractions, percentages."""

from __future__ import annotations

import math
from fractions import Fraction

from senmon.checks.maths_algebra import BeyondError, evaluate
from senmon.checks.maths_nodes import Binary, Negative, Node, Number, Percent, Root, literal, show

from .solution import Solution, Step, TooHardError
from .writing import number, operand

SIGN = {"+": "+", "-": "\N{MINUS SIGN}", "*": "×", "/": "÷"}


def solve_sum(node: Node, text: str = "", skill: str = "") -> Solution:
    """Raises TooHardError."""
    try:
        value = evaluate(node)
    except BeyondError:
        raise TooHardError(
            "I can read that, but it goes beyond the sums that I can lead you through."
        ) from None
    shown = text or show(node)
    decimal = _has_decimals(node)
    answer = number(value, decimal)
    steps, found = _steps(node, decimal)
    if not steps:
        kind = "a fraction in its simplest form" if value.denominator > 1 and not decimal else "a number"
        raise TooHardError(f"That is {kind} already. Send me a sum or an equation.")
    return Solution(
        text=shown,
        skill=skill or found,
        answers=(answer,),
        said=answer,
        steps=tuple(steps),
        confirmed=f"{show(node)} = {answer}.",
    )


def _has_decimals(node: Node) -> bool:
    match node:
        case Number(_, text):
            return "." in text
        case Negative(inner) | Root(inner) | Percent(inner):
            return _has_decimals(inner) or isinstance(node, Percent)
        case Binary(_, left, right):
            return _has_decimals(left) or _has_decimals(right)
    return False


def _steps(node: Node, decimal: bool) -> tuple[list[Step], str]:
    match node:
        case Binary("*", Percent(Number(share)), Number(whole)):
            return _percentage(share, whole), "percentage"
        case Binary("/", Number(top), Number(bottom), True) if _reducible(top, bottom):
            return [_reduce(top, bottom)], "simplifying a fraction"
        case Binary(operator, left, right) if operator in SIGN and _with_fractions(left, right):
            return _fractions(operator, left, right), "fractions"
    return _ordered(node, decimal), "order of operations" if _operations(node) > 1 else "arithmetic"


def _operations(node: Node) -> int:
    match node:
        case Binary(_, left, right):
            return (literal(node) is None) + _operations(left) + _operations(right)
        case Negative(inner) | Percent(inner):
            return _operations(inner)
        case Root(inner):
            return 1 + _operations(inner)
    return 0


# --- order of operations


def _ordered(node: Node, decimal: bool) -> list[Step]:
    steps: list[Step] = []
    current = node
    for _ in range(12):
        found = _first(current)
        if found is None:
            return steps
        value = evaluate(found)
        after = _replaced(current, found, Number(value, number(value, decimal)))
        steps.append(_single(found, decimal, more=current != found, after=show(after), whole=current))
        current = after
    raise TooHardError("That sum is longer than I can lead you through. Send me a part of it.")


_RANK = {"^": 4, "*": 2, "/": 2, "+": 1, "-": 1}


def _first(node: Node) -> Node | None:
    """The operation to do first: brackets, powers, products, sums; from left to right."""
    ready: list[tuple[int, int, Node]] = []
    _collect(node, 0, ready)
    return max(ready, key=lambda item: (item[0], item[1]), default=(0, 0, None))[2]


def _collect(node: Node, depth: int, ready: list[tuple[int, int, Node]]) -> None:
    match node:
        case Binary(operator, left, right):
            if _plain(left) and _plain(right) and not _is_number(node):
                ready.append((depth, _RANK[operator], node))
            for inner, is_right in ((left, False), (right, True)):
                _collect(inner, depth + _in_bracket(operator, inner, is_right), ready)
        case Root(inner):
            if _plain(inner):
                ready.append((depth, 4, node))
            _collect(inner, depth + 1, ready)
        case Negative(inner) | Percent(inner):
            if isinstance(node, Percent) and _plain(inner):
                return
            _collect(inner, depth + int(isinstance(inner, Binary)), ready)


def _in_bracket(operator: str, inner: Node, is_right: bool) -> int:
    if not isinstance(inner, Binary):
        return 0
    own, outer = _RANK[inner.operator], _RANK[operator]
    return int(own < outer or (is_right and own == outer and operator != "^"))


def _is_number(node: Node) -> bool:
    """A fraction literal that stays as it is: `3/4`, but not `12/4`."""
    value = literal(node)
    return value is not None and value.denominator != 1


def _plain(node: Node) -> bool:
    return literal(node) is not None and (not isinstance(node, Binary) or _is_number(node))


def _replaced(node: Node, old: Node, new: Node) -> Node:
    if node is old:
        return new
    match node:
        case Binary(operator, left, right, implicit):
            first = _replaced(left, old, new)
            second = right if first is not left else _replaced(right, old, new)
            return (
                node
                if (first, second) == (left, right)
                else Binary(operator, first, second, implicit and second is right)
            )
        case Negative(inner):
            changed = _replaced(inner, old, new)
            return node if changed is inner else Negative(changed)
        case Root(inner):
            return Root(_replaced(inner, old, new))
        case Percent(inner):
            return Percent(_replaced(inner, old, new))
    return node


def _single(node: Node, decimal: bool, *, more: bool, after: str, whole: Node) -> Step:
    asked = show(node)
    done = f"{asked} = {number(evaluate(node), decimal)}, so now you have {after}."
    rule, way = _rule(node, whole), _way(node, decimal)
    if more:
        first = f"Which part of {show(whole)} comes first?"
        return Step(first, f"{rule} So start with {asked}. What is it?", way, done)
    return Step(
        way, _extra(node, decimal), "Draw it, or use a number line, and write down what you get.", done
    )


def _rule(node: Node, whole: Node) -> str:
    match node:
        case Root():
            return "Roots come before the other operations."
        case Binary("^"):
            return "Powers come before the other operations."
        case Binary("*" | "/"):
            return "Multiplying and dividing come before adding and subtracting."
    return "Brackets come first." if "(" in show(whole) else "Work from left to right."


def _way(node: Node, decimal: bool) -> str:
    """How one operation may be done, without its result."""
    match node:
        case Root(inner):
            return f"Which number times itself gives {show(inner)}?"
        case Binary("^", base, Number(exponent)) if 2 <= exponent <= 5:
            return f"Write it out: {' × '.join([show(base)] * int(exponent))}."
        case Binary(operator, left, right):
            a, b = show(left), show(right)
            match operator:
                case "+" | "-" if decimal:
                    return f"Write {a} and {b} below each other, with the decimal points in line."
                case "+":
                    return f"Start at {a} and count up by {b}, or add the tens and the ones apart."
                case "-":
                    return f"Start at {a} and go back by {b}, or ask how far it is from {b} to {a}."
                case "*":
                    return f"Think of {a} groups of {b}. Which times table helps?"
                case "/":
                    return f"How many times does {b} fit into {a}?"
    return "Work it out in small pieces."


def _extra(node: Node, decimal: bool) -> str:
    match node:
        case Binary("+" | "-") if decimal:
            return "Fill empty decimal places with zeros. Then go column by column, from the right."
        case Binary("*", Number(a), Number(b)) if a.denominator == b.denominator == 1 and 5 < b < 100:
            split = 5 if b < 10 else int(b) // 10 * 10
            rest = int(b) - split
            if rest:
                return (
                    f"Split {b} into {split} and {rest}: work out {a} × {split} and {a} × {rest}, then add."
                )
        case Binary("+", Number(a), Number(b)) if a >= 10 and b >= 10:
            return "Add the ones first. If you get ten or more, carry one to the tens."
        case Binary("-", Number(a), Number(b)) if a > b >= 10:
            return "Take the tens away first, then the ones."
        case Binary("/", Number(a), Number(b)) if b:
            return f"Turn it round: {number(b)} times which number is {number(a)}?"
    return "Break it into smaller pieces that you know by heart."


# --- fractions


def _value(node: Node) -> Fraction:
    value = literal(node)
    if value is None:
        raise TooHardError("I can lead you through one operation with fractions at a time.")
    return value


def _with_fractions(left: Node, right: Node) -> bool:
    a, b = literal(left), literal(right)
    if a is None or b is None or _has_decimals(left) or _has_decimals(right):
        return False
    return a.denominator != 1 or b.denominator != 1 or _is_over(left) or _is_over(right)


def _is_over(node: Node) -> bool:
    return isinstance(node, Binary) and node.operator == "/"


def _parts(node: Node) -> tuple[int, int]:
    """Numerator and denominator as they are written."""
    match node:
        case Binary("/", Number(top), Number(bottom), True):
            return int(top), int(bottom)
    value = _value(node)
    return value.numerator, value.denominator


def _reducible(top: Fraction, bottom: Fraction) -> bool:
    whole = top.denominator == bottom.denominator == 1 and bottom > 0
    return whole and top % bottom != 0 and math.gcd(int(top), int(bottom)) > 1


def _reduce(top: Fraction, bottom: Fraction) -> Step:
    shared = math.gcd(int(top), int(bottom))
    return Step(
        f"Which number divides both {top} and {bottom}?",
        "Divide top and bottom by the same number, as large as you can find.",
        f"Divide both by {shared}: {top} ÷ {shared} on top, {bottom} ÷ {shared} below.",
        "That is the simplest form.",
    )


def _fractions(operator: str, left: Node, right: Node) -> list[Step]:
    steps: list[Step] = []
    (a, b), (c, d) = _parts(left), _parts(right)
    if any(isinstance(side, Number) and " " in side.text for side in (left, right)):
        steps.append(
            Step(
                "There is a mixed number. How do you write it as one fraction?",
                "Multiply the whole number by the denominator, then add the numerator.",
                "Keep the denominator as it is.",
                f"That gives {a}/{b} {SIGN[operator]} {c}/{d}.",
            )
        )
    if operator in "+-":
        return steps + _added(operator, a, b, c, d)
    if operator == "/":
        if c == 0:
            raise TooHardError("Nothing can be divided by zero.")
        steps.append(
            Step(
                "How do you divide by a fraction?",
                "Turn the second fraction upside down and multiply instead.",
                f"The second fraction {c}/{d} becomes {d}/{c}. What do you multiply now?",
                f"That gives {a}/{b} × {d}/{c}.",
            )
        )
        c, d = d, c
    steps.append(
        Step(
            "How do you multiply two fractions?",
            "Top times top, bottom times bottom.",
            f"So the top is {operand(Fraction(a))} × {operand(Fraction(c))} and the bottom is "
            f"{operand(Fraction(b))} × {operand(Fraction(d))}. Then simplify.",
            "That gives one fraction, which you can simplify.",
        )
    )
    return steps


def _added(operator: str, a: int, b: int, c: int, d: int) -> list[Step]:
    shared, verb = math.lcm(b, d), "Add" if operator == "+" else "Subtract"
    steps: list[Step] = []
    e, f = a * shared // b, c * shared // d
    if b != d:
        steps.append(
            Step(
                f"The denominators {b} and {d} differ. Which number do both go into?",
                f"Both go into {shared}. Write each fraction with {shared} as its denominator.",
                f"Multiply top and bottom of {a}/{b} by {shared // b}, and of {c}/{d} by {shared // d}.",
                f"That gives {e}/{shared} {SIGN[operator]} {f}/{shared}.",
            )
        )
    steps.append(
        Step(
            f"The denominators match{' now' if b != d else ''}. What happens to the numerators?",
            f"{verb} the numerators and keep the denominator {shared}.",
            f"So it is ({e} {SIGN[operator]} {f}) over {shared}. Simplify it if you can.",
            "That gives one fraction, which you may be able to simplify.",
        )
    )
    return steps


# --- percentages

_KNOWN = {
    50: ("one half", 2),
    25: ("one quarter", 4),
    10: ("one tenth", 10),
    20: ("one fifth", 5),
    1: ("one hundredth", 100),
}


def _percentage(share: Fraction, whole: Fraction) -> list[Step]:
    p, n = number(share, True), number(whole, True)
    if share in _KNOWN:
        name, divisor = _KNOWN[int(share)]
        return [
            Step(
                f"What fraction of the whole is {p}%?",
                f"{p}% means {name}. What do you do with {n}?",
                f"Work out {n} ÷ {divisor}.",
                "That is the part.",
            )
        ]
    base = 10 if share % 10 == 0 else 5 if share % 5 == 0 else 1
    unit, lots = whole * base / 100, share / base
    start = f"{n} ÷ 100" if base == 1 else f"{n} ÷ 10"
    halved = " and halve that" if base == 5 else ""
    places = "two places" if base == 1 else "one place"
    return [
        Step(
            f"Find an easy part first: how much is {base}% of {n}?",
            f"For {base}% work out {start}{halved}.",
            f"Move the decimal point of {n} {places} to the left{halved}.",
            f"{base}% of {n} = {number(unit, True)}.",
        ),
        Step(
            f"How many lots of {base}% make {p}%?",
            f"Take {number(lots, True)} lots of {number(unit, True)}.",
            f"Work out {number(lots, True)} × {number(unit, True)}.",
            "That is the part.",
        ),
    ]
