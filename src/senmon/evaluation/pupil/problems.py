"""Problems for simulated pupils, each with the lines of its solution and of one typical error.

Numbers are drawn so that the answer occurs neither in the problem nor in a line before the last: whoever
names it has told it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from random import Random

TRIES = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A line of working. `cues` are stems of words that belong to the step leading to it, `marks` the
    numbers or terms that it is about."""

    text: str
    cues: tuple[str, ...]
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """`lines` lead to `answer`; the pupil goes wrong at `lines[wrong_at]` and comes to `wrong` (the line) and
    `wrong_answer` instead. `error` names the misconception."""

    text: str
    letter: str
    lines: tuple[Line, ...]
    answer: Fraction
    error: str
    wrong_at: int
    wrong: str
    wrong_answer: Fraction


def draw(seed: int) -> Problem:
    """A problem by its seed: kinds in turn, the rest at random."""
    kinds = list(KINDS.values())
    numbers = Random(f"problem {seed}")
    make = kinds[seed % len(kinds)]
    for _ in range(TRIES):
        found = make(numbers)
        if found is not None and _fair(found):
            return found
    raise AssertionError(f"no fair problem of kind {seed % len(kinds)}")


def _fair(problem: Problem) -> bool:
    """The answer stands nowhere before the end, the wrong one differs, and neither is a small number that
    any talk holds."""
    shown = [problem.text, *(line.text.rpartition("=")[2] for line in problem.lines[:-1])]
    tokens = {token for text in shown for token in _tokens(text)}
    small = abs(problem.answer) <= 2 and problem.answer.denominator == 1
    plain = {written(abs(problem.answer)), str(abs(problem.answer.numerator))} & tokens
    if problem.answer.denominator > 1:
        plain = {written(problem.answer)} & tokens
    return not small and not plain and problem.answer != problem.wrong_answer


def _tokens(text: str) -> list[str]:
    import re

    return re.findall(r"\d+(?:/\d+|\.\d+)?", text)


def written(value: Fraction) -> str:
    return str(value)


def _term(factor: int, letter: str) -> str:
    return letter if factor == 1 else f"{factor}{letter}"


_BALANCE = ("both", "undo", "opposite", "inverse", "sign", "side", "balance", "move")
_DIVIDE = ("divid", "both", "undo", "multipl", "share", "number beside", "in front", "÷")


def _two_steps(numbers: Random) -> Problem:
    """a·x + b = c; the pupil moves b without changing its sign."""
    a, b, x = numbers.randint(2, 9), numbers.randint(3, 15), numbers.randint(3, 14)
    sign, letter = numbers.choice((1, -1)), numbers.choice("xny")
    c = a * x + sign * b
    rest, wrong_rest = c - sign * b, c + sign * b
    operator, inverse = ("+", "subtract") if sign > 0 else ("-", "add")
    return Problem(
        text=f"{_term(a, letter)} {operator} {b} = {c}",
        letter=letter,
        lines=(
            Line(
                f"{a}{letter} = {rest}",
                (*_BALANCE, inverse, "minus", "plus", "take", "add", "subtract"),
                (str(b), str(c)),
            ),
            Line(f"{letter} = {x}", _DIVIDE, (str(a), str(rest))),
        ),
        answer=Fraction(x),
        error="sign when a term changes sides",
        wrong_at=0,
        wrong=f"{a}{letter} = {wrong_rest}",
        wrong_answer=Fraction(wrong_rest, a),
    )


def _forgets_to_divide(numbers: Random) -> Problem:
    """a·x + b = c; the pupil stops at a·x, or subtracts a."""
    a, b, x = numbers.randint(3, 9), numbers.randint(2, 15), numbers.randint(4, 14)
    letter = numbers.choice("xmk")
    c = a * x + b
    return Problem(
        text=f"{a}{letter} + {b} = {c}",
        letter=letter,
        lines=(
            Line(f"{a}{letter} = {a * x}", (*_BALANCE, "subtract", "minus", "take"), (str(b), str(c))),
            Line(f"{letter} = {x}", _DIVIDE, (str(a), str(a * x))),
        ),
        answer=Fraction(x),
        error="subtracts the factor instead of dividing",
        wrong_at=1,
        wrong=f"{letter} = {a * x - a}",
        wrong_answer=Fraction(a * x - a),
    )


def _bracket(numbers: Random) -> Problem:
    """a(x + b) = c; the pupil multiplies the first term only."""
    a, b, x = numbers.randint(2, 7), numbers.randint(3, 9), numbers.randint(3, 12)
    letter = numbers.choice("xtz")
    c = a * (x + b)
    return Problem(
        text=f"{a}({letter} + {b}) = {c}",
        letter=letter,
        lines=(
            Line(
                f"{a}{letter} + {a * b} = {c}",
                ("bracket", "multipl", "every", "each", "expand", "term", "divid", "inside", "both"),
                (str(a), str(b), f"({letter} + {b})"),
            ),
            Line(
                f"{a}{letter} = {a * x}",
                (*_BALANCE, "subtract", "minus", "take"),
                (str(a * b), str(c), str(b)),
            ),
            Line(f"{letter} = {x}", _DIVIDE, (str(a), str(a * x))),
        ),
        answer=Fraction(x),
        error="bracket: only the first term multiplied",
        wrong_at=0,
        wrong=f"{a}{letter} + {b} = {c}",
        wrong_answer=Fraction(c - b, a),
    )


def _both_sides(numbers: Random) -> Problem:
    """a·x + b = c·x + d; the pupil adds the letter terms."""
    c, more, x = numbers.randint(2, 5), numbers.randint(2, 6), numbers.randint(3, 12)
    a, b = c + more, numbers.randint(2, 9)
    d = more * x + b
    letter = numbers.choice("xpw")
    return Problem(
        text=f"{a}{letter} + {b} = {c}{letter} + {d}",
        letter=letter,
        lines=(
            Line(
                f"{more}{letter} + {b} = {d}",
                (*_BALANCE, "letter", "same", "subtract", "take", "collect", "term", "minus"),
                (f"{c}{letter}", f"{a}{letter}"),
            ),
            Line(f"{more}{letter} = {more * x}", (*_BALANCE, "subtract", "minus", "take"), (str(b), str(d))),
            Line(f"{letter} = {x}", _DIVIDE, (str(more), str(more * x))),
        ),
        answer=Fraction(x),
        error="adds the letters of both sides",
        wrong_at=0,
        wrong=f"{a + c}{letter} + {b} = {d}",
        wrong_answer=Fraction(d - b, a + c),
    )


def _adding_fractions(numbers: Random) -> Problem:
    """p/q + r/s; the pupil adds tops and bottoms."""
    q, s = numbers.choice(((2, 3), (3, 4), (2, 5), (4, 5), (3, 5), (5, 6), (4, 7), (3, 8)))
    p, r = numbers.randint(1, q - 1), numbers.randint(1, s - 1)
    common, answer = q * s, Fraction(p, q) + Fraction(r, s)
    if q == 5 and s == 6:
        common = 30
    wrong = Fraction(p + r, q + s)
    top, other = p * common // q, r * common // s
    return Problem(
        text=f"{p}/{q} + {r}/{s}",
        letter="",
        lines=(
            Line(
                f"{top}/{common} + {other}/{common}",
                ("denominator", "common", "bottom", "same", "equal", "size", "multiple"),
                (str(q), str(s), str(common)),
            ),
            Line(
                f"{p}/{q} + {r}/{s} = {written(answer)}",
                ("add", "numerator", "top", "denominator"),
                (str(top), str(other), str(common)),
            ),
        ),
        answer=answer,
        error="adds the denominators",
        wrong_at=0,
        wrong=f"{p + r}/{q + s}",
        wrong_answer=wrong,
    )


def _order(numbers: Random) -> Problem:
    """a + b × c; the pupil goes from left to right."""
    a, b, c = numbers.randint(3, 15), numbers.randint(3, 9), numbers.randint(3, 9)
    answer, wrong = a + b * c, (a + b) * c
    return Problem(
        text=f"{a} + {b} × {c}",
        letter="",
        lines=(
            Line(
                f"{a} + {b * c}",
                ("first", "order", "multipl", "times", "before", "bodmas", "pemdas", "which", "×"),
                (f"{b} × {c}", str(b), str(c)),
            ),
            Line(f"{answer}", ("add", "plus", "sum", "then"), (str(a), str(b * c))),
        ),
        answer=Fraction(answer),
        error="works from left to right",
        wrong_at=0,
        wrong=f"{a + b} × {c}",
        wrong_answer=Fraction(wrong),
    )


def _share(numbers: Random) -> Problem:
    """p % of n; the pupil divides by p."""
    share, whole = numbers.choice((5, 15, 20, 30, 40, 60)), numbers.randint(2, 24) * 20
    tenth = Fraction(whole, 100)
    answer, wrong = tenth * share, Fraction(whole, share)
    if answer.denominator != 1 or wrong.denominator > 12 or tenth.denominator > 5:
        return _share(numbers)
    return Problem(
        text=f"{share}% of {whole}",
        letter="",
        lines=(
            Line(
                f"1% of {whole} = {float(tenth):g}",
                ("hundred", "percent", "per cent", "1%", "10%", "5%", "%", "part", "tenth", "100"),
                (str(whole), str(share), "100"),
            ),
            Line(
                f"{answer}",
                ("times", "multipl", "many", "double", "%", "add"),
                (str(share), f"{float(tenth):g}"),
            ),
        ),
        answer=answer,
        error="divides by the percentage",
        wrong_at=0,
        wrong=f"{whole} ÷ {share}",
        wrong_answer=wrong,
    )


KINDS: Mapping[str, Callable[[Random], Problem | None]] = {
    "two steps": _two_steps,
    "forgets to divide": _forgets_to_divide,
    "bracket": _bracket,
    "both sides": _both_sides,
    "adding fractions": _adding_fractions,
    "order": _order,
    "percentage": _share,
}
