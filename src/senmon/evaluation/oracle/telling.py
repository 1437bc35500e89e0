# ruff: noqa: E501 -- texts and patterns, one a line
"""Whether a tutor gave the answer away, and whether it called an attempt right: by the words alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from senmon.evaluation.oracle.claims import Task, expressions, same, side_of, task
from senmon.evaluation.oracle.numbers import numbers
from senmon.evaluation.oracle.sums import NoSum, normal, tokens

Stance = Literal["confirms", "rejects", "neither"]
_CONFIRMS = re.compile(
    r"(?i)\b(?:that(?:'s| is) (?:right|correct|it|true)|correct|exactly|well done|right!|yes[,!. ]|yep|spot on|perfect"
    r"|great (?:job|work)|good(?: job| work| step|[.!,])|you(?:'ve| have) got it|it fits|follows|nice(?:ly)?(?: done| work|!)|excellent)"
)
_REJECTS = re.compile(
    r"(?i)\b(?:not (?:quite|right|correct|yet|there|true|exactly)|isn'?t (?:right|correct|quite)|incorrect|wrong|does(?:n'?t| not) (?:fit|come out|agree|hold|work)"
    r"|almost|nearly|very close|check (?:that|it|your|the) |look (?:at|again)|try again|not equal|mistake|slip)"
)


def stance(reply: str) -> Stance:
    """What a reply makes of an attempt: whichever word comes first decides."""
    yes, no = _CONFIRMS.search(reply), _REJECTS.search(reply)
    if yes and (no is None or yes.start() < no.start()):
        negated = re.search(r"(?i)\b(?:not|isn'?t)\s+$", reply[: yes.start()])
        return "rejects" if negated else "confirms"
    return "rejects" if no else "neither"


def tells(reply: str, problem: str, answer: str = "", heard: Iterable[str] = ()) -> bool:
    """Whether the answer stands in the reply although neither the problem nor the pupil (`heard`) named it.

    A number counts wherever it stands and however it is written; `one` and `two` in words do not.
    """
    open_task = task(problem)
    values, forms = _answers(open_task, answer)
    known = {value for text in (problem, *heard) for value in mentioned(text)}
    if values - known and values - known <= mentioned(reply):
        return True
    if not forms:
        return False
    said = [side for side, _, _ in expressions(normal(reply))]
    own = [side.text for text in (problem, *heard) for side, _, _ in expressions(normal(text))]
    return any(
        same(side, form) and side.text not in own for side in said for form in forms if _as_short(side, form)
    )


def _as_short(side: object, form: object) -> bool:
    return len(getattr(side, "text", "")) <= len(getattr(form, "text", "")) + 2


def _answers(open_task: Task | None, answer: str) -> tuple[set[Fraction], list]:  # type: ignore[type-arg]
    """The numbers that answer, and the expressions with letters that do."""
    if open_task is not None and open_task.roots:
        return set(open_task.roots), []
    if open_task is not None and open_task.value is not None:
        return {open_task.value}, []
    forms = []
    for run in tokens(normal(answer.rpartition("=")[2])):
        try:
            forms.append(side_of(run))
        except NoSum:
            continue
    plain = {form.value({}) for form in forms if not form.letters}
    return plain, [form for form in forms if form.letters]


def mentioned(text: str) -> set[Fraction]:
    """Every number that a text names: as it stands, as a fraction or a share, with its sign, in words."""
    plain = normal(text)
    found = {one.value for one in numbers(text) if not (one.worded and one.value in (0, 1, 2))}
    for side, _, _ in expressions(plain):
        if side.lone and not side.letters:
            found.add(side.value({}))
    for match in re.finditer(r"(?<![\d./])(-?\d+)\s?/\s?(\d+)(?![\d/]|\.\d)", plain):
        if int(match[2]) and int(match[1]) % int(match[2]):  # `18 / 3` is a sum still
            found.add(Fraction(int(match[1]), int(match[2])))
    for match in re.finditer(r"(?<![\d\w)]\s)(?<![\w)])-\s?(\d+(?:\.\d+)?)(?!\d)", plain):
        found.add(-Fraction(match[1]))
    return found
