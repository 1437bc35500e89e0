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
from itertools import pairwise
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
    statement_variables,
    variables,
)
from senmon.checks.maths_problem import Problem, read_problem
from senmon.checks.maths_spans import Span, find_spans
from senmon.checks.maths_values import leaves, numbers_in

from . import wording
from .judging import judge
from .solution import TooHardError
from .solver import solve
from .spelling import respelled

Kind = Literal["attempt", "unsure", "problem", "none"]
#: Longer messages are not read: nobody answers so.
LONGEST = 600


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
    spans = _claims(text, task)
    corrected = [m.end() for m in wording.CORRECTED.finditer(text) if any(s.start >= m.end() for s in spans)]
    if corrected:
        spans = [span for span in spans if span.start >= corrected[-1]]
    if because := wording.AFTER_BECAUSE.search(text):
        spans = [span for span in spans if span.start < because.start()] or spans
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
    for span in find_spans(text):
        if _is_only_mentioned(text, span, task):
            continue
        (given_up if wording.SUPERSEDED.search(text[: span.start]) else found).append(span)
    return found or given_up


def _is_only_mentioned(text: str, span: Span, task: _Task) -> bool:
    """The problem itself, a label, an operand, what is denied or asked about."""
    before, after, statement = text[: span.start], text[span.end :], span.statement
    if statement == task.problem.statement or _squeezed(span.text) == _squeezed(task.text):
        return True
    if not statement.relations and isinstance(statement.sides[0], Variable):
        return True
    if wording.DENIED.search(before) or wording.ASKS_ABOUT.search(before):
        return True
    if _bare(span) is None:
        return False
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
    values = [_worth(span, task.problem) for span in chosen]
    last = chosen[-1]
    if len(set(values)) > 1 and not _chained(text, chosen):
        return Reading("unsure", last.text, tuple(span.text for span in chosen[:-1]))
    before = [span for span in spans if span.start < last.start and span not in chosen]
    lines = [span.text for span in before if span.statement.relations]
    wrong = next((line for line in lines if judge(task.text, line).outcome == "wrong"), last.text)
    return Reading("attempt", wrong)


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
    if not _solvable(span.text):
        return bool(mine) or not task.problem.unknowns
    return not wording.WANTED.search(text) and _near(statement, given)


def _near(line: Statement, given: Statement) -> bool:
    """Whether a line may be wrong working of the problem, and hardly another problem."""
    mine, own = _numbers(line), _numbers(given)
    if mine <= own and _size(line) <= _size(given):
        return True
    if not line.relations and variables(line.sides[0]):
        return _size(line) <= _size(given) and "(" not in show(line.sides[0])
    if _size(line) < _size(given) and mine & own:
        return True
    written, asked = _terms(line), _terms(given)
    return any(asked.get(value, text) != text for value, text in written.items())


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
