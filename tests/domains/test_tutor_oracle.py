"""The tutor's judgement against an oracle that shares nothing with it: answers known by construction."""

import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest

from senmon.actions.pack_modules import forget, import_source

TUTOR = Path(__file__).parents[2] / "domains" / "tutor"
ROUNDS = 60
WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip


@pytest.fixture(scope="module")
def judging() -> Iterator[ModuleType]:
    import_source("tutor_for_oracle", TUTOR / "actions" / "__init__.py")
    yield sys.modules["tutor_for_oracle.judging"]
    forget("tutor_for_oracle")


def problems(draw: random.Random) -> Iterator[tuple[str, Fraction, str]]:
    """(problem, its answer by arithmetic, its letter or nothing)."""
    a, b, c, d = (draw.randint(2, 12) for _ in range(4))
    p, q, r, s = draw.randint(1, 8), draw.randint(2, 9), draw.randint(1, 8), draw.randint(2, 9)
    share, whole = draw.choice((5, 10, 20, 25, 30, 75)), draw.choice((40, 60, 80, 200, 360))
    x = draw.choice("xyn")
    yield f"{a}{x} + {b} = {c}", Fraction(c - b, a), x
    yield f"{a}{x} - {b} = {c}", Fraction(c + b, a), x
    yield f"{x}/{a} + {b} = {c + 20}", Fraction((c + 20 - b) * a), x
    yield f"{a}({x} - {b}) = {c}", Fraction(c, a) + b, x
    yield f"{a + 13}{x} + {b} = {a}{x} + {c}", Fraction(c - b, 13), x
    yield f"{b} - {a}{x} = {c}", Fraction(b - c, a), x
    yield f"{p}/{q} + {r}/{s}", Fraction(p, q) + Fraction(r, s), ""
    yield f"{p}/{q} - {r}/{s}", Fraction(p, q) - Fraction(r, s), ""
    yield f"{p}/{q} * {r}/{s}", Fraction(p, q) * Fraction(r, s), ""
    yield f"{p}/{q} ÷ {r}/{s}", Fraction(p, q) / Fraction(r, s), ""
    yield f"{share}% of {whole}", Fraction(share * whole, 100), ""
    yield f"{a} + {b} * {c}", Fraction(a + b * c), ""
    yield f"({a} - {b}) * {c} + {d}", Fraction((a - b) * c + d), ""
    yield f"{a}.{b % 10} + {c}.{d % 10}5", Fraction(f"{a}.{b % 10}") + Fraction(f"{c}.{d % 10}5"), ""
    yield f"{a}{x} - {b} when {x} = {c}", Fraction(a * c - b), ""


def forms(value: Fraction, letter: str) -> list[str]:
    """Ways to write one number, all of them finished."""
    top, bottom = value.numerator, value.denominator
    found = [str(value), str(value).replace("-", "\N{MINUS SIGN}")]
    if bottom == 1:
        found += [f"{top}.0", f"{top:,}", f"{top}."]
        if abs(top) <= 12:
            word = WORDS[abs(top)]
            found += [f"minus {word}" if top < 0 else word, f"it's {'minus ' if top < 0 else ''}{word}"]
    else:
        sign, size = ("-" if top < 0 else ""), abs(top)
        found += [rf"{sign}\frac{{{size}}}{{{bottom}}}", f"{3 * top}/{3 * bottom}", f"{top} / {bottom}"]
        if size > bottom:
            found.append(f"{sign}{size // bottom} {size % bottom}/{bottom}")
        if size < 10 and bottom < 10:
            found.append(rf"{sign}\frac{size}{bottom}")
        if value == Fraction(1, 2):
            found += ["one half", "a half", "½", "half"]
        if value == Fraction(3, 4):
            found += ["three quarters", "¾"]
        if (1000 * value).denominator == 1:
            decimal = f"{float(value):.3f}".rstrip("0")
            found += [decimal, f"{decimal}0"]
    if letter:
        plain = str(value)
        found += [f"{letter} = {plain}", f"{letter}={plain}", f"{plain} = {letter}", f"{letter} is {plain}"]
    return [*found, f"is it {value}?", f"I got {value}", f"${value}$"]


def test_right_answers_are_confirmed_and_wrong_ones_are_not(judging: ModuleType) -> None:
    draw, right, wrong = random.Random(41), Counter[str](), Counter[str]()
    missed, taken = [], []
    for _ in range(ROUNDS):
        for text, answer, letter in problems(draw):
            try:
                judging.judge(text, "1")
            except judging.TooHardError:
                continue
            for said in draw.sample(forms(answer, letter), 3):
                outcome = judging.judge(text, said).outcome
                right[outcome] += 1
                if outcome != "correct":
                    missed.append((text, said, outcome))
            for change in draw.sample(
                (
                    -answer,
                    answer + 1,
                    answer - 2,
                    answer * 10,
                    1 / (answer or Fraction(7)),
                    answer / 2,
                    answer + Fraction(1, 3),
                ),
                3,
            ):
                if change == answer:
                    continue
                said = draw.choice(forms(change, letter))
                outcome = judging.judge(text, said).outcome
                wrong[outcome] += 1
                if outcome == "correct":
                    taken.append((text, said))
    assert sum(right.values()) + sum(wrong.values()) >= 2000
    print(f"\nright answers: {dict(right)}; wrong answers: {dict(wrong)}")
    assert right["correct"] >= 0.99 * sum(right.values()), missed[:20]
    assert wrong["correct"] <= 0.005 * sum(wrong.values()), taken[:20]


#: Two names of one mistake: which one fits can't be seen where the denominators share nothing.
FAMILY = {"added tops and bottoms": "fraction addition", "tops not scaled": "fraction addition"}


def mistaken(draw: random.Random) -> Iterator[tuple[str, Fraction, dict[str, Fraction]]]:
    """(problem, answer, kind of mistake → the wrong answer it leads to), each by arithmetic of its own."""
    a, b, c, d = draw.randint(3, 9), draw.randint(2, 9), draw.randint(10, 40), draw.randint(2, 9)
    q, s = draw.sample((3, 4, 5, 7, 8, 9), 2)
    p, r = draw.randint(1, q - 1), draw.randint(1, s - 1)
    share, whole = draw.choice((15, 20, 30, 35, 60)), draw.choice((40, 60, 80, 120, 200))
    F = Fraction
    yield f"{a}x + {b} = {c}", F(c - b, a), {
        "sign error": F(c + b, a), "forgot to divide": F(c - b), "forgotten term": F(c, a),
        "divided one term only": F(c, a) - b, "wrong inverse": F((c - b) * a),
    }  # fmt: skip
    yield f"{a}(x + {b}) = {c}", F(c, a) - b, {"distribution error": F(c - b, a)}
    yield f"{p}/{q} + {r}/{s}", F(p, q) + F(r, s), {
        "fraction addition": F(p + r, draw.choice((q + s, math.lcm(q, s)))),
    }  # fmt: skip
    yield f"{p}/{q} ÷ {r}/{s}", F(p, q) / F(r, s), {
        "did not invert": F(p * r, q * s), "inverted the wrong fraction": F(q * r, p * s),
    }  # fmt: skip
    yield f"{p}/{q} * {r}/{s}", F(p * r, q * s), {
        "multiplied crosswise": F(p * s, q * r), "added instead of multiplied": F(p, q) + F(r, s),
    }  # fmt: skip
    yield f"{a} + {b} * {d}", F(a + b * d), {"order of operations": F((a + b) * d)}
    yield f"({a} + {b}) * {d}", F((a + b) * d), {"brackets ignored": F(a + b * d)}
    yield f"{a} * ({b} + {c})", F(a * (b + c)), {"distribution error": F(a * b + c)}
    yield f"{c} + {a} * {b} + {d}", F(c + a * b + d), {"forgotten term": F(a * b + d)}
    yield f"{share}% of {whole}", F(share * whole, 100), {
        "percent as a number": F(share * whole), "took the part away": whole - F(share * whole, 100),
        "added the part": whole + F(share * whole, 100),
    }  # fmt: skip
    yield f"{a}.{b} + {d}.{c}", F(f"{a}.{b}") + F(f"{d}.{c}"), {
        "decimal point": (F(f"{a}.{b}") + F(f"{d}.{c}")) * 10,
    }  # fmt: skip
    yield f"{b} - {c}", F(b - c), {"subtraction the wrong way round": F(c - b)}
    yield f"{a}x + {b} when x = {d}", F(a * d + b), {"written side by side": F(f"{a}{d}") + b}


def test_typical_mistakes_are_named(judging: ModuleType) -> None:
    draw = random.Random(5)
    made, named, hits = Counter[str](), Counter[str](), Counter[str]()
    confused = Counter[tuple[str, str]]()
    for _ in range(ROUNDS):
        for text, answer, kinds in mistaken(draw):
            values = Counter(kinds.values())
            clear = {kind: v for kind, v in kinds.items() if v != answer and values[v] == 1}
            stray = answer + Fraction(draw.choice((37, 53, 71)), draw.choice((11, 13)))
            for kind, value in [*clear.items(), ("", stray)]:
                found = judging.judge(text, str(value)).mistake
                name = "" if found is None or found.name == "no known error" else found.name
                name = FAMILY.get(name, name)
                made[kind] += 1
                named[name] += 1
                hits[kind] += name == kind
                if name != kind:
                    confused[kind, name] += 1
    print()
    for kind in sorted(made):
        recall, precision = hits[kind] / made[kind], hits[kind] / max(1, named[kind])
        print(f"{kind or '(none known)':34} n {made[kind]:4}  recall {recall:.3f} precision {precision:.3f}")
    print(confused.most_common(12))
    for kind in made:
        assert hits[kind] / made[kind] >= 0.9, (kind, confused)
        assert hits[kind] / max(1, named[kind]) >= 0.9, (kind, confused)


HOSTILE = (
    "9**9**9", "9^9^9^9", "2^(2^(2^(2^2)))", "(" * 5000, "((((" * 40 + "1" + "))))" * 40, "9" * 10_000,
    "1/" * 3000 + "1", "-" * 4000 + "1", "√" * 3000 + "4", "x" * 5000, "x=" * 3000 + "1",
    "１２３", "٣ + ٤",
    "½" * 2000, "\u202e6", "6\u0000", "𝟔", "1e999999", "0x10", "inf", "nan", "6;" * 3000,
    "x = 1 or " * 900 + "x = 2",
    "\\frac" * 2000, "one " * 3000, "minus " * 2000 + "one", "1,2,3,4,5,6,7,8,9",
    "3x = 18 x = " * 500,
    "6\n" * 4000, "__import__('os')", "{}" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_attempts_take_no_time_and_are_not_confirmed(judging: ModuleType, text: str) -> None:
    for problem in ("3x - 7 = 20", "x^2 - 3x - 4 = 0", "1/2 + 1/3", "3(x + 2)", "2x + 1 when x = 4"):
        start = time.monotonic()
        assert judging.judge(problem, text).outcome in ("wrong", "unclear", "step_ok"), (problem, text[:40])
        assert time.monotonic() - start < 2
