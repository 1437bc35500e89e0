"""A pupil's attempt, judged by algebra against the open problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from senmon.checks.maths_algebra import BeyondError, evaluate, polynomial
from senmon.checks.maths_grammar import parse, parse_alternatives
from senmon.checks.maths_nodes import (
    Binary,
    Negative,
    Node,
    Number,
    Percent,
    Root,
    Statement,
    Variable,
    literal,
    show,
    show_statement,
    statement_variables,
    variables,
)
from senmon.checks.maths_problem import Problem, agrees, read_problem, same
from senmon.checks.maths_spans import find_spans
from senmon.checks.maths_values import leaves, numbers_in, spelled
from senmon.errors import Unparsable

from . import mistakes, writing
from .equations import count_terms
from .mistakes import Mistake
from .solution import Solution, TooHardError
from .solver import solve

Outcome = Literal["correct", "step_ok", "wrong", "unclear"]
_LEAD = re.compile(
    r"^(?:(?:\b(?:so|is it|it is|it[’']?s|i got|i get|i think|i mean|i meant|maybe|the answer is|answer|then"
    r"|and|sorry|no|wait|oops|ok|okay|about)\b|=)\s*[:,]?\s*)+",
    re.IGNORECASE,
)
#: `x is two`, `y equals minus a half`.
_NAMED = re.compile(r"^([a-z])\s*(?:=|\bis\b|\bequals\b|\bis equal to\b)\s*", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"(?<![\d,.])(\d+),(\d{1,2})(?![\d,.])")
_OR = re.compile(r"\s+(?:or|and)\s+", re.IGNORECASE)
#: `3x = 18 x = 6`, or one line below the other.
_NEXT_LINE = re.compile(r"\s*[\n;⇒→]\s*|\s*=>\s*|(?<=[\d)])\s+(?=[a-z]\s*=)", re.IGNORECASE)
MOST_ANSWERS, MOST_LINES = 6, 8
_LATEX_SHORT = re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)(?!\d)")


@dataclass(frozen=True)
class Judgement:
    """`progress` is the line that the work goes on from, after a right step."""

    outcome: Outcome
    text: str
    mistake: Mistake | None = None
    progress: str = ""

    @property
    def said(self) -> str:
        """The verdict in words, so that a reply that refers to it can't turn it around."""
        return f"{_OPENINGS[self.outcome]} {self.text}".strip()


_OPENINGS = {"correct": "That's right!", "step_ok": "Good.", "wrong": "Not quite.", "unclear": ""}


def judge(problem_text: str, attempt: str) -> Judgement:
    """Whether `attempt` answers the problem, is a right step on the way, or is wrong.

    Of several lines the first wrong one counts, else the last.
    """
    problem, solution = read_problem(problem_text), solve(problem_text)
    if len(solution.answers) > 1:
        return _judged(problem, solution, _NEXT_LINE.sub(" or ", attempt.strip()))
    judged = None
    for line in _NEXT_LINE.split(attempt.strip())[:MOST_LINES]:
        judged = _judged(problem, solution, line)
        if judged.outcome == "wrong":
            break
    return judged or _judged(problem, solution, "")


def _judged(problem: Problem, solution: Solution, attempt: str) -> Judgement:
    try:
        statements = _read(attempt, one=len(solution.answers) == 1)
    except Unparsable:
        return Judgement(
            "unclear", "I could not read that as maths. Write just the number, or the whole line."
        )
    wanted = statement_variables(problem.statement)
    statements = tuple(_in_the_same_case(statement, wanted) for statement in statements)
    if problem.is_expression:
        return _expression(problem, solution, statements)
    return _equation(problem.statement, solution, statements)


def _read(text: str, *, one: bool) -> tuple[Statement, ...]:
    """`one`: one number is asked for, so that `0,5` is a decimal and not two answers."""
    trimmed = _LEAD.sub("", text.strip().strip("$ ")).strip(" .?!;$")
    trimmed = _LATEX_SHORT.sub(r"\\frac{\1}{\2}", trimmed)
    if one:
        trimmed = _DECIMAL_COMMA.sub(r"\1.\2", trimmed)
    named = _NAMED.match(trimmed)
    value = spelled(trimmed[named.end() :] if named else trimmed)
    if value is None:
        several = [spelled(part) for part in _OR.split(trimmed)]
        found = tuple(Statement((Number(part),)) for part in several if part is not None)
        return found if len(found) == len(several) <= MOST_ANSWERS else parse_alternatives(trimmed)
    number = Number(value)
    if named is None:
        return (Statement((number,)),)
    return (Statement((Variable(named[1]), number), ("=",)),)


def _in_the_same_case(statement: Statement, wanted: frozenset[str]) -> Statement:
    """`X = 6` answers a problem with x."""
    named = statement_variables(statement)
    other = {name: name.swapcase() for name in named if name not in wanted and name.swapcase() in wanted}
    if not other or set(other.values()) & named:
        return statement
    return replace(statement, sides=tuple(_renamed(side, other) for side in statement.sides))


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    match node:
        case Variable(name):
            return Variable(names.get(name, name))
        case Binary():
            return replace(node, left=_renamed(node.left, names), right=_renamed(node.right, names))
        case Negative(inner) | Percent(inner) | Root(inner):
            return replace(node, operand=_renamed(inner, names))
    return node


def _finished(node: Node) -> Fraction | None:
    value = literal(node)
    return None if isinstance(node, Binary) and value is not None and value.denominator == 1 else value


# --- equations


def _equation(problem: Statement, solution: Solution, statements: tuple[Statement, ...]) -> Judgement:
    letter = next(iter(statement_variables(problem)))
    claims = [_claim(statement, letter) for statement in statements]
    if all(claim is not None for claim in claims):
        return _claimed(problem, letter, solution, [claim for claim in claims if claim is not None])
    if len(statements) != 1:
        return Judgement("unclear", "One line at a time, please. What is your next step?")
    return _line(problem, letter, solution, statements[0])


def _claim(statement: Statement, letter: str) -> Node | None:
    """The number that the letter is said to be: `6`, `x = 6`, `18 ÷ 3 = x`."""
    if not statement.relations:
        return None if variables(statement.sides[0]) else statement.sides[0]
    if not statement.is_equation:
        return None
    for first, *others in (statement.sides, statement.sides[::-1]):
        if mistakes.is_letter(first, letter) and not any(map(variables, others)):
            return others[-1] if _all_equal(others) else None
    return None


def _all_equal(sides: list[Node]) -> bool:
    """Whether sums without letters have the same value, as in `12/4 = 3`."""
    try:
        return len({evaluate(side) for side in sides}) == 1
    except BeyondError:
        return False


def _claimed(problem: Statement, letter: str, solution: Solution, claims: list[Node]) -> Judgement:
    try:
        values = frozenset(evaluate(claim) for claim in claims)
    except BeyondError:
        return Judgement("unclear", "I can't work that number out. Write it as one plain number.")
    roots = frozenset(Fraction(_ascii(answer)) for answer in solution.answers)
    if values == roots:
        if all(_finished(claim) is not None for claim in claims):
            return Judgement("correct", solution.confirmed)
        return Judgement("step_ok", "That is the right sum. Now work it out.")
    if values < roots:
        return Judgement("step_ok", "That is one solution. There is another one.")
    if len(roots) > 1 or len(values) > 1:
        return Judgement("wrong", (m := mistakes.in_roots(tuple(roots), values)).text, m)
    (value,) = values
    if not _is_linear(problem, letter):
        return Judgement("wrong", mistakes.UNKNOWN.text, mistakes.UNKNOWN)
    mistake = mistakes.in_equation(problem, letter, next(iter(roots)), value)
    if mistake is mistakes.UNKNOWN:
        return Judgement("wrong", _put_in(problem, letter, value), mistake)
    return Judgement("wrong", mistake.text, mistake)


def _put_in(problem: Statement, letter: str, value: Fraction) -> str:
    """Why a value can't be the solution, with the pupil's own number."""
    left, right = (show(writing.substituted(side, {letter: value})) for side in problem.sides)
    if value.denominator > 1 or value < 0:
        return mistakes.UNKNOWN.text
    return f"{mistakes.UNKNOWN.text} Put it in: {left} and {right} are not the same."


def _ascii(text: str) -> str:
    return text.replace("\N{MINUS SIGN}", "-")


def _is_linear(problem: Statement, letter: str) -> bool:
    try:
        mistakes.line_of(problem, letter)
    except (BeyondError, ValueError):
        return False
    return True


def _line(problem: Statement, letter: str, solution: Solution, attempt: Statement) -> Judgement:
    if (whole := _completed(problem, attempt)) is not None:
        attempt = whole
    if not attempt.is_equation:
        return Judgement("unclear", "Write the whole line, with both sides of the equation.")
    names = statement_variables(attempt)
    if not names:
        return _true_sum(attempt, solution)
    if names != {letter}:
        return Judgement("unclear", f"Stay with the letter {letter}, please.")
    if not _all_equal([side for side in attempt.sides if not variables(side)] or [Number(Fraction(0))]):
        return Judgement("wrong", _SLIP.text, _SLIP)
    agreed = agrees(attempt, problem)
    if agreed is None:
        return Judgement("unclear", "I can't judge that line. Try a smaller step.")
    if not agreed:
        linear = _is_linear(problem, letter) and _is_linear(attempt, letter)
        mistake = mistakes.in_step(problem, letter, attempt) if linear else mistakes.UNKNOWN
        return Judgement("wrong", mistake.text, mistake)
    if same_line(attempt, problem):
        return Judgement("step_ok", "That is where we are now. What comes next?")
    return Judgement("step_ok", "That line follows.", progress=_worth(attempt))


_SLIP = Mistake("arithmetic slip", "The idea is right, but one of the sums does not come out.")
_UNIT = Mistake("percent sign", "Look at the unit: is a percentage asked for, or the number itself?")


def same_line(one: Statement, other: Statement) -> bool:
    return show_statement(one) == show_statement(other)


def _completed(problem: Statement, attempt: Statement) -> Statement | None:
    """One side of the equation, rewritten: `(x − 2)(x − 3)` of `x² − 5x + 6 = 0`."""
    if attempt.relations or len(problem.sides) != 2 or not problem.is_equation:
        return None
    (mine,), (left, right) = attempt.sides, problem.sides
    for side, other in ((left, right), (right, left)):
        if variables(side) and variables(mine) == variables(side) and same(side, mine):
            return Statement((mine, other), ("=",))
    is_zero = literal(right) == 0 and variables(mine) == variables(left)
    return Statement((mine, right), ("=",)) if is_zero and _has_bracket(mine) else None


def _worth(attempt: Statement) -> str:
    """The attempt as the line to go on from, when the tutor has steps for it."""
    text = show_statement(attempt)
    try:
        solve(text)
    except TooHardError:
        return ""
    return text


def _true_sum(attempt: Statement, solution: Solution) -> Judgement:
    try:
        values = {evaluate(side) for side in attempt.sides}
    except BeyondError:
        return Judgement("unclear", "I can't work that out. Try a smaller step.")
    if len(values) == 1:
        return _beside(values.pop(), solution)
    return Judgement(
        "wrong", "That sum does not come out.", Mistake("arithmetic slip", "That sum does not come out.")
    )


# --- sums and expressions


def _expression(problem: Problem, solution: Solution, statements: tuple[Statement, ...]) -> Judgement:
    if len(statements) != 1 or not (statements[0].is_equation or not statements[0].relations):
        return Judgement("unclear", "One result at a time, please.")
    if problem.unknowns:
        return _rewritten(problem, solution, statements[0])
    return _summed(problem, solution, statements[0])


def _summed(problem: Problem, solution: Solution, attempt: Statement) -> Judgement:
    wanted = evaluate(problem.statement.sides[0], problem.letters)
    letters = dict(problem.letters)
    sides = attempt.sides
    if len(sides) == 2 and isinstance(sides[0], Variable) and sides[0].name not in letters:
        sides = sides[1:]
    try:
        values = [evaluate(side, letters) for side in sides]
    except BeyondError:
        return Judgement("unclear", "I can't work that out. Write one plain number.")
    if len(set(values)) > 1:
        slip = Mistake("arithmetic slip", "The two sides of that sum are not equal.")
        return Judgement("wrong", slip.text, slip)
    if values[0] == wanted:
        return _right_value(solution, sides[-1])
    if len(sides) > 1:
        return _true_beside(problem, solution, attempt, values[0])
    if values[0] in _on_the_way(solution) or _is_mixed_part(problem, sides[-1], values[0]):
        return Judgement("step_ok", "That is right for this part.")
    if isinstance(sides[-1], Percent) and values[0] * 100 == wanted:
        return Judgement("wrong", _UNIT.text, _UNIT)
    mistake = mistakes.in_value(problem.statement.sides[0], letters, values[0])
    return Judgement("wrong", mistake.text, mistake)


def _true_beside(problem: Problem, solution: Solution, attempt: Statement, value: Fraction) -> Judgement:
    """A sum that is true: a step, unless a known mistake leads to its result."""
    if _converts_a_part(problem, attempt):
        return Judgement("step_ok", "That is right for this part.")
    mistake = mistakes.in_value(problem.statement.sides[0], dict(problem.letters), value)
    if mistake.name in _MISLEADING:
        return Judgement("wrong", mistake.text, mistake)
    if solution.skill == "percentage":  # any part helps: `1% of 160 = 1.6` as well as a tenth
        return Judgement("step_ok", "That sum is right.")
    return _beside(value, solution)


def _converts_a_part(problem: Problem, attempt: Statement) -> bool:
    """`1/4 = 3/12`, where the problem has 1/4."""
    first, *others = attempt.sides
    parts = {show(node) for node in _operands(problem.statement.sides[0])}
    return (
        show(first) in parts and isinstance(first, Binary) and all(literal(one) is not None for one in others)
    )


def _is_mixed_part(problem: Problem, said: Node, value: Fraction) -> bool:
    """`3/2`, where the problem has 1 1/2."""
    mixed = [node for node in _operands(problem.statement.sides[0]) if _is_mixed(node)]
    return isinstance(said, Binary) and value in map(literal, mixed)


def _is_mixed(node: Node) -> bool:
    return isinstance(node, Number) and " " in node.text


def _operands(node: Node) -> list[Node]:
    match node:
        case Binary(_, left, right) if literal(node) is None:
            return _operands(left) + _operands(right)
    return [node]


def _beside(value: Fraction, solution: Solution) -> Judgement:
    """A true sum is a step where its result is on the way; `11 − 7 = 4` may be true and lead astray."""
    told = " ".join(f"{step.partial} {step.done}" for step in solution.steps)
    met = numbers_in(" ; ".join((told, *solution.answers)))
    if value in met or value in _parts_of(solution):
        return Judgement("step_ok", "That sum is right.")
    return Judgement("unclear", "I can't see yet how that sum helps here.")


def _parts_of(solution: Solution) -> set[Fraction]:
    """Top and bottom of a fraction that is asked for, before it is made simpler too."""
    found: set[Fraction] = set()
    for match in re.finditer(
        r"\((\d+) ([+\u2212]) (\d+)\) over (\d+)", " ".join(s.partial for s in solution.steps)
    ):
        one, other = int(match[1]), int(match[3])
        found |= {Fraction(one + other if match[2] == "+" else one - other), Fraction(int(match[4]))}
    return found


_MISLEADING = frozenset(
    {"order of operations", "percent as a number", "brackets ignored", "added tops and bottoms"}
)


def _right_value(solution: Solution, last: Node) -> Judgement:
    simplest = solution.skill != "simplifying a fraction" or not _can_shrink(last)
    if _finished(last) is not None and simplest:
        return Judgement("correct", solution.confirmed)
    if _finished(last) is not None:
        return Judgement("step_ok", "It has the same value, but it can be made simpler.")
    return Judgement(
        "step_ok", "That has the right value. Now work it out.", progress=_worth(Statement((last,)))
    )


def _can_shrink(node: Node) -> bool:
    match node:
        case Binary("/", Number(top), Number(bottom)):
            return Fraction(top, bottom).denominator != bottom
    return False


def advanced(problem_text: str, attempt: str, judgement: Judgement) -> Judgement:
    """After a right part that is the first step's, the work goes on from the line that it leads to: `7 + 18`
    after 18."""
    problem, solution = read_problem(problem_text), solve(problem_text)
    expression = problem.is_expression and not problem.unknowns
    if judgement.outcome != "step_ok" or judgement.progress or not expression or len(solution.steps) < 2:
        return judgement
    try:
        value = evaluate(parse(attempt).sides[-1])
        wanted = evaluate(problem.statement.sides[0], problem.letters)
    except (Unparsable, BeyondError):
        return judgement
    for span in find_spans(solution.steps[0].done):
        side = span.statement.sides[0]
        if span.statement.relations or value not in leaves(side) or literal(side) is not None:
            continue
        try:
            if evaluate(side) == wanted:
                return replace(judgement, progress=_worth(span.statement))
        except BeyondError:
            continue
    return judgement


def _on_the_way(solution: Solution) -> set[Fraction]:
    """Results of the steps before the last, as `3 × 4 = 12` says in what a step leads to."""
    found = set()
    for step in solution.steps[:-1]:
        for match in re.finditer(r"= ([\u2212]?\d+(?:[./]\d+)?)", step.done):
            found.add(Fraction(_ascii(match[1])))
    return found


def _rewritten(problem: Problem, solution: Solution, attempt: Statement) -> Judgement:
    goal, last = problem.statement.sides[0], attempt.sides[-1]
    verdicts = [same(goal, side) for side in attempt.sides]
    if None in verdicts:
        return Judgement("unclear", "I can't judge that. Write one expression.")
    if not all(verdicts):
        mistake = mistakes.in_expression(goal, last)
        return Judgement("wrong", mistake.text, mistake)
    if count_terms(last) <= len(polynomial(goal).terms) and not _has_bracket(last):
        return Judgement("correct", solution.confirmed)
    return Judgement(
        "step_ok", "That is equal. Can you make it simpler?", progress=_worth(Statement((last,)))
    )


def _has_bracket(node: Node) -> bool:
    match node:
        case Binary("*", left, right):
            sums = any(isinstance(side, Binary) and side.operator in "+-" for side in (left, right))
            return sums or _has_bracket(left) or _has_bracket(right)
        case Binary(_, left, right):
            return _has_bracket(left) or _has_bracket(right)
    return False
