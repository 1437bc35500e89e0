"""What a pupil's message claims, read from the words themselves.

A small model may copy a number wrongly. So the attempt that is judged is what the pupil said: `read` finds
the maths in a message, leaves out what is only mentioned (the problem itself, `step 2`, `divided by 3`,
`not 5`), and tells an attempt at the open problem from a new problem and from talk. Where several answers are
left that contradict each other, it says so instead of choosing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain, pairwise, permutations
from typing import Literal

from senmon.checks.maths_algebra import BeyondError, evaluate
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
from senmon.checks.maths_problem import Problem, read_problem
from senmon.checks.maths_spans import Span, find_spans
from senmon.checks.maths_values import leaves, numbers_in

from . import wording
from .judging import judge
from .phrasing import phrased
from .solution import TooHardError
from .solver import solve
from .spelling import respelled

Kind = Literal["attempt", "unsure", "problem", "none"]
#: Longer messages are not read: nobody answers so.
LONGEST = 600
#: A problem with more numbers is not combined with itself.
MOST_NUMBERS = 12


@dataclass(frozen=True)
class Reading:
    """`text` is the one attempt, or the problem; `others` are answers that contradict it (`unsure`)."""

    kind: Kind
    text: str = ""
    others: tuple[str, ...] = ()


_NONE = Reading("none")


@lru_cache(maxsize=256)
def read(message: str, opened: str) -> Reading:
    """`opened` is the open problem, or empty."""
    if len(message) > LONGEST:
        return _NONE
    if not opened:
        text = respelled(message)
        return _NONE if wording.CONCEPT.search(text) else _problem(text, "")
    task = _Task(opened, read_problem(opened), len(solve(opened).answers))
    text = _shares(respelled(message, task.letters, one=task.answers == 1), task)
    if wording.ANOTHER.search(text) and (found := _problem(text, opened)).kind == "problem":
        return found
    if wording.SWITCH.search(text) and not wording.CONCEPT.search(text):
        found = _problem(text, opened)
        if found.kind == "problem" and not _is_made_of(read_problem(found.text).statement, task):
            return found
    attempt = _attempt(text, task)
    if attempt.kind == "none" and wording.WANTED.search(text) and not wording.CONCEPT.search(text):
        found = _problem(text, opened)
        return found if found.kind == "problem" and not _is_part(found.text, task) else _NONE
    return attempt


@dataclass(frozen=True)
class _Task:
    """The open problem."""

    text: str
    problem: Problem
    answers: int

    @property
    def letters(self) -> frozenset[str]:
        return statement_variables(self.problem.statement)


def _shares(text: str, task: _Task) -> str:
    """`10% is 16`, said of a problem such as `40% of 160`."""
    match task.problem.statement.sides:
        case (Binary("*", Percent(), Number() as whole),):
            return re.sub(r"(%|per ?cent)\s*(?=is\b|=|equals\b)", rf"\1 of {show(whole)} ", text)
    return text


# --- an attempt


def _attempt(text: str, task: _Task) -> Reading:
    spans = _chosen(text, _claims(text, task))
    corrected = [m.end() for m in wording.CORRECTED.finditer(text) if any(s.start >= m.end() for s in spans)]
    if corrected:
        spans = [span for span in spans if span.start >= corrected[-1]]
    if because := wording.AFTER_BECAUSE.search(text):
        spans = [span for span in spans if span.start < because.start()] or spans
    if working := wording.THEN_WORKING.match(text):
        spans = [span for span in spans if span.start < working.end()] or spans
    finals = [span for span in spans if _is_final(span, task.problem)]
    if finals and task.answers > 1:
        return _several(text, finals)
    if finals:
        return _final(text, spans, finals, task)
    lines = [span for span in spans if _is_line(text, span, task)]
    return Reading("attempt", lines[-1].text) if lines else _NONE


def _claims(text: str, task: _Task) -> list[Span]:
    """The maths of a message that the pupil stands for."""
    found: list[Span] = []
    given_up: list[Span] = []
    for span in chain.from_iterable(map(_run_on, find_spans(text))):
        if _is_only_mentioned(text, span, task):
            continue
        before = text[: span.start]
        other = wording.SUPERSEDED.search(before) or wording.REPORTED.search(before)
        (given_up if other else found).append(span)
    return found or given_up


def _run_on(span: Span) -> list[Span]:
    """`4 × 2 = 8 + 3 = 11`, written in one go: `4 × 2 = 8` and `8 + 3 = 11`, where both are true."""
    sides, relations = span.statement.sides, span.statement.relations
    if len(sides) < 3 or any(map(variables, sides)) or not {*relations} <= {"=", "is"}:
        return [span]
    try:
        values = [evaluate(side) for side in sides]
        heads = [evaluate(head) if (head := _head(side)) is not None else None for side in sides]
    except BeyondError:
        return [span]
    if len(set(values)) == 1:
        return [span]
    pieces, results = [], []
    for at in range(1, len(sides)):
        result = heads[at] if at + 1 < len(sides) and heads[at] is not None else values[at]
        if result != values[at - 1]:
            return [span]
        results.append(result)
    for left, result in zip(sides, results, strict=False):
        statement = Statement((left, Number(result)), ("=",))
        pieces.append(Span(span.start, span.end, show_statement(statement), statement))
    return pieces


def _head(node: Node) -> Node | None:
    """The number that a chain of operations begins with."""
    match node:
        case Binary(_, left, _) if literal(node) is None:
            return _head(left)
        case Number():
            return node
    return node if literal(node) is not None else None


def _chosen(text: str, spans: list[Span]) -> list[Span]:
    """Of `6 or 5, I say 5` what comes after the choice."""
    for match in reversed(list(wording.CHOSEN.finditer(text))):
        after = [span for span in spans if span.start >= match.end()]
        before = [span for span in spans if span.end <= match.start()]
        if after and len(before) > 1 and wording.EITHER.search(text[before[0].end : before[-1].start]):
            return after
    return spans


def _is_only_mentioned(text: str, span: Span, task: _Task) -> bool:
    """The problem itself, a label, an operand, what is denied or asked about."""
    before, after, statement = text[: span.start], text[span.end :], span.statement
    if statement == task.problem.statement or _squeezed(span.text) == _squeezed(task.text):
        return True
    if not statement.relations and isinstance(statement.sides[0], Variable):
        return True
    if wording.DENIED.search(before) or wording.ASKS_ABOUT.search(before):
        return True
    if wording.DENIED_AFTER.match(after) or wording.BOUND.search(before):
        return True
    if _bare(span) is None:
        return False
    if span.text[0] in "+-\N{MINUS SIGN}" and wording.DID.search(before):
        return True
    if span.text.isdecimal() and wording.LABEL_BEFORE.search(before):
        return True
    if wording.LABEL_AFTER.match(after) or wording.GIVEN_AS_TASK.search(before):
        return True
    return wording.OPERAND.search(before) is not None


def _final(text: str, spans: list[Span], finals: list[Span], task: _Task) -> Reading:
    """The answer, where the message names one."""
    named = [span for span in finals if span.statement.relations]
    chosen = named if named and not task.problem.is_expression else finals
    if not named and not wording.ALTERNATIVE.search(text[finals[0].end : finals[-1].start]):
        chosen = _unprinted(finals, task.text)
    if line := _line_made_with(spans, chosen, task):
        return Reading("attempt", line.text)
    last = chosen[-1]
    if len(chosen) == 1 and (meant := _line_meant(text, last, task)):
        return Reading("attempt", meant)
    rivals = _rivals(text, chosen)
    if len({_worth(span, task.problem) for span in rivals}) > 1 and not _chained(text, rivals):
        return Reading("unsure", last.text, tuple(span.text for span in rivals[:-1]))
    lines = [span.text for span in spans if span.start < last.start and span.statement.relations]
    wrong = next((line for line in lines if judge(task.text, line).outcome == "wrong"), last.text)
    return Reading("attempt", wrong)


def _rivals(text: str, chosen: list[Span]) -> list[Span]:
    """Claims that can contradict each other. Sums that a result follows are its working:
    `10% is 6, 5% is 3, together 9`."""
    if wording.ALTERNATIVE.search(text[chosen[0].end : chosen[-1].start]):
        return chosen
    return [span for span in chosen[:-1] if not _is_sum(span)] + chosen[-1:]


def _is_sum(span: Span) -> bool:
    first = span.statement.sides[0]
    return len(span.statement.sides) > 1 and isinstance(first, Binary) and literal(first) is None


def _line_meant(text: str, span: Span, task: _Task) -> str:
    """The line that a bare number stands for: `I added 7 and got 18`, `the denominator is 12`."""
    value = _bare(span)
    if value is None or wording.NAMES_ANSWER.search(text):
        return ""
    if wording.BOTTOM_BEFORE.search(text[: span.start]):
        return _over(value, task)
    if task.problem.is_expression:
        return ""
    for step in solve(task.text).steps[:-1]:
        verb, _, rest = step.probe.partition(" ")
        done = re.compile(rf"\b(?:{wording.DOES.get(verb, 'x^')})\b", re.IGNORECASE)
        operand = re.search(r"[\u2212]?\d+(?:/\d+)?(?![\dA-Za-z/])", rest)
        if operand is None or not done.search(text) or not re.search(rf"(?<!\d){operand[0]}(?!\d)", text):
            continue
        for line in find_spans(step.done):
            if line.statement.relations and value in map(literal, line.statement.sides):
                return line.text
    return ""


def _over(value: Fraction, task: _Task) -> str:
    """The fractions of a sum over one number, if it goes into that."""
    match task.problem.statement.sides:
        case (Binary("+" | "-" as sign, left, right),):
            tops = [worth * value for side in (left, right) if (worth := literal(side)) is not None]
            if len(tops) == 2 and value > 0 and all(top.denominator == 1 for top in tops):
                return f"{tops[0]}/{value} {sign} {tops[1]}/{value}"
    return ""


def _line_made_with(spans: list[Span], chosen: list[Span], task: _Task) -> Span | None:
    """The last line where it goes on from a bare number: `minus nine, so 3x = -9`."""
    last = spans[-1]
    if last in chosen or not _of_the_working(last.text, task):
        return None
    inside = set().union(*(leaves(side) for side in last.statement.sides))
    bare = all((value := _bare(span)) is not None and value in inside for span in chosen)
    return last if bare else None


def _several(text: str, finals: list[Span]) -> Reading:
    """A problem with two solutions: whatever is named counts, `x = 2 or x = 3`."""
    texts = list(dict.fromkeys(span.text for span in finals))
    if len(texts) > 1 and wording.UNSURE_OF.search(text):
        return Reading("unsure", texts[-1], tuple(texts[:-1]))
    return Reading("attempt", " or ".join(texts))


def _unprinted(bare: list[Span], opened: str) -> list[Span]:
    """Without numbers that stand in the problem, if any other is left."""
    printed = numbers_in(opened)
    return [span for span in bare if _bare(span) not in printed] or bare[-1:]


def _chained(text: str, chosen: Sequence[Span]) -> bool:
    """Whether each claim leads to the next: `3x = 18 so x = 6`, one line below the other."""
    return all(
        not wording.ALTERNATIVE.search(gap := text[one.end : other.start])
        and (wording.LEADS_ON.search(gap) or _goes_on_from(one, other))
        for one, other in pairwise(chosen)
    )


def _goes_on_from(one: Span, other: Span) -> bool:
    """`7 + 3 = 10, 10 × 4 = 40`: the second sum begins with what the first came to."""
    return len(other.statement.sides) > 1 and literal(one.statement.sides[-1]) in leaves(
        other.statement.sides[0]
    )


def _is_final(span: Span, problem: Problem) -> bool:
    """A finished number, or what the letter is said to be."""
    statement = span.statement
    if _bare(span) is not None:
        return not (problem.is_expression and problem.unknowns)
    if not statement.is_equation:
        return False
    if problem.is_expression:
        names = [side for side in statement.sides if variables(side) - set(problem.letters)]
        lone = all(isinstance(side, Variable) for side in names)
        return lone and not problem.unknowns and literal(statement.sides[-1]) is not None
    named = [side for side in statement.sides if isinstance(side, Variable)]
    others = [side for side in statement.sides if not variables(side)]
    return bool(named and others) and len(named) + len(others) == len(statement.sides)


def _is_line(text: str, span: Span, task: _Task) -> bool:
    """Whether a line belongs to the working: it follows, or it is near enough to be a slip."""
    if _of_the_working(span.text, task):
        return True
    statement, given = span.statement, task.problem.statement
    mine = {name.lower() for name in statement_variables(statement)}
    if mine - {name.lower() for name in task.letters}:
        return False
    if _offers_factors(statement, given):
        return not wording.WANTED.search(text)
    if not _solvable(span.text):
        return bool(mine) or not task.problem.unknowns
    return not wording.WANTED.search(text) and _near(statement, task)


def _offers_factors(line: Statement, given: Statement) -> bool:
    """`(x + 2)(x + 3)`, where something is to be nought."""
    product = isinstance(line.sides[0], Binary) and line.sides[0].operator == "*"
    whole = not line.relations and product and "(" in show(line.sides[0])
    return whole and given.is_equation and any(literal(side) == 0 for side in given.sides)


def _near(line: Statement, task: _Task) -> bool:
    """Whether a line may be wrong working of the problem, and hardly another problem."""
    given = task.problem.statement
    mine, own = _numbers(line), _numbers(given)
    if mine <= own and _size(line) <= _size(given):
        return True
    if line.relations and _size(line) < _size(given) and _is_made_of(line, task):
        return True
    if not line.relations and variables(line.sides[0]):
        return _size(line) <= _size(given) and "(" not in show(line.sides[0])
    if _size(line) < _size(given) and mine & own:
        return True
    written, asked = _terms(line), _terms(given)
    return any(asked.get(value, text) != text for value, text in written.items())


def _is_made_of(line: Statement, task: _Task) -> bool:
    """Whether each number of a line is one of the problem's, or comes from two of them by one operation."""
    own = sorted(_numbers(task.problem.statement))
    if len(own) > MOST_NUMBERS or not statement_variables(line) <= task.letters:
        return False
    made = set(own) | {Fraction(0)}
    for one, other in permutations(own, 2):
        made |= {one + other, abs(one - other), one * other} | ({one / other} if other else set())
    whole = {abs(value) for side in line.sides for value in _values(side)}
    return whole <= made


def _values(node: Node) -> set[Fraction]:
    """The numbers of a line, a fraction as one."""
    value = literal(node)
    if value is not None:
        return {value}
    match node:
        case Binary(_, left, right):
            return _values(left) | _values(right)
        case Negative(inner) | Percent(inner) | Root(inner):
            return _values(inner)
    return set()


def _terms(statement: Statement) -> dict[Fraction, str]:
    """The terms of a sum by value, as they are written: `15/20 + 4/20` has those of `3/4 + 1/5`."""
    match statement.sides:
        case (Binary("+" | "-", left, right),):
            return {value: show(side) for side in (left, right) if (value := literal(side)) is not None}
    return {}


def _of_the_working(line: str, task: _Task) -> bool:
    return judge(task.text, line).outcome in ("correct", "step_ok")


def _is_part(line: str, task: _Task) -> bool:
    """Whether a line belongs to the open problem, or is made of its numbers and letters."""
    statement, given = read_problem(line).statement, task.problem.statement
    if statement_variables(statement) <= task.letters and _numbers(statement) <= _numbers(given):
        return True
    return _of_the_working(line, task)


def _size(statement: Statement) -> int:
    return sum(map(_operations, statement.sides))


def _operations(node: Node) -> int:
    match node:
        case Binary(_, left, right):
            return 1 + _operations(left) + _operations(right)
        case Negative(inner) | Percent(inner) | Root(inner):
            return _operations(inner)
    return 0


def _numbers(statement: Statement) -> set[Fraction]:
    return {abs(value) for side in statement.sides for value in leaves(side)}


def _bare(span: Span) -> Fraction | None:
    return None if span.statement.relations else literal(span.statement.sides[0])


def _worth(span: Span, problem: Problem) -> Fraction | str:
    """What a claim comes to, so that `1/2` and `0.5` are no contradiction."""
    sides = [side for side in span.statement.sides if not isinstance(side, Variable)]
    try:
        return evaluate(sides[-1], problem.letters)
    except (BeyondError, IndexError):
        return span.text


# --- a problem


def _problem(text: str, opened: str) -> Reading:
    """The one problem in the message that there are steps for."""
    text = phrased(text)
    spans = [span for span in find_spans(text) if _squeezed(span.text) != _squeezed(opened)]
    if not spans:
        return _NONE
    whole = text[spans[0].start : spans[-1].end]
    for candidate in dict.fromkeys((whole, *(span.text for span in spans))):
        if _solvable(candidate):
            rest = [span for span in spans if span.text not in candidate and _solvable(span.text)]
            return _NONE if rest else Reading("problem", candidate)
    return _NONE


def _solvable(text: str) -> bool:
    if re.fullmatch(r"[-\u2212]?\d*[A-Za-z]", text):
        return False
    try:
        solve(text)
    except TooHardError:
        return False
    return True


def _squeezed(text: str) -> str:
    text = text.replace("\N{MINUS SIGN}", "-").replace("×", "*").replace("÷", "/")
    return re.sub(r"\s+", "", text).lower()
