"""Sums and equations with their worked steps. Everything is computed, so everything is right."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Sum:
    """A task as text, the steps to its answer, and the answer."""

    text: str
    steps: tuple[str, ...]
    answer: str
    skill: str


def _digits(number: int, width: int) -> list[int]:
    return [number // 10**place % 10 for place in range(width)]


def addition(rng: Random) -> Sum:
    a, b = rng.randrange(10, 10 ** rng.choice((2, 3))), rng.randrange(3, 10 ** rng.choice((1, 2, 3)))
    width, carry, steps = len(str(max(a, b))), 0, []
    for x, y in zip(_digits(a, width), _digits(b, width), strict=True):
        total = x + y + carry
        added = f"{x} + {y}" + (f" + {carry}" if carry else "")
        carry = total // 10
        steps.append(f"{added} = {total}, write {total % 10}" + (f", carry {carry}." if carry else "."))
    if carry:
        steps.append(f"Write the {carry}.")
    return Sum(f"{a} + {b}", tuple(steps), str(a + b), "addition")


def subtraction(rng: Random) -> Sum:
    a = rng.randrange(20, 10 ** rng.choice((2, 3)))
    b = rng.randrange(2, a)
    width, borrow, steps = len(str(a)), 0, []
    for x, y in zip(_digits(a, width), _digits(b, width), strict=True):
        top = x - borrow
        lent = top < y
        shown = f"{top + 10} - {y} = {top + 10 - y}" if lent else f"{top} - {y} = {top - y}"
        steps.append(f"{shown}, borrow 1." if lent else f"{shown}.")
        borrow = int(lent)
    return Sum(f"{a} - {b}", tuple(steps), str(a - b), "subtraction")


def product(rng: Random) -> Sum:
    a, b = rng.randrange(11, rng.choice((100, 1000))), rng.randrange(2, 10)
    parts = [digit * 10**place for place, digit in enumerate(_digits(a, len(str(a)))) if digit][::-1]
    steps = [f"{part} × {b} = {part * b}." for part in parts]
    if len(parts) > 1:
        steps.append(" + ".join(str(part * b) for part in parts) + f" = {a * b}.")
    return Sum(f"{a} × {b}", tuple(steps), str(a * b), "multiplication")


def signed(number: int) -> str:
    return f"+ {number}" if number >= 0 else f"- {-number}"


def one_step(rng: Random) -> Sum:
    letter, x, a = rng.choice("xynabtkz"), rng.randrange(-9, 21), rng.randrange(2, 30)
    if rng.random() < 0.5:
        a = rng.choice((a, -a))
        verb = f"Take away {a}" if a > 0 else f"Add {-a}"
        return Sum(
            f"{letter} {signed(a)} = {x + a}",
            (f"{verb} on both sides.",),
            f"{letter} = {x}",
            "linear equation",
        )
    return Sum(
        f"{a}{letter} = {a * x}", (f"Divide both sides by {a}.",), f"{letter} = {x}", "linear equation"
    )


def two_steps(rng: Random) -> Sum:
    letter, x, a = rng.choice("xynabtkz"), rng.randrange(-9, 16), rng.randrange(2, 13)
    b = rng.choice((1, -1)) * rng.randrange(1, 30)
    verb = f"Take away {b}" if b > 0 else f"Add {-b}"
    steps = (f"{verb}: {a}{letter} = {a * x}.", f"Divide by {a}: {letter} = {x}.")
    return Sum(f"{a}{letter} {signed(b)} = {a * x + b}", steps, f"{letter} = {x}", "linear equation")


def share(rng: Random) -> Sum:
    percent, whole = rng.choice((5, 10, 20, 25, 50, 75)), rng.randrange(1, 40) * 20
    result = percent * whole // 100
    one = f"1% of {whole} is {whole / 100:g}."
    return Sum(
        f"{percent}% of {whole}",
        (one, f"{percent} × {whole / 100:g} = {result}."),
        str(result),
        "percentages",
    )


KINDS = (addition, addition, subtraction, subtraction, product, one_step, two_steps, two_steps, share)


def new_sum(rng: Random) -> Sum:
    return rng.choice(KINDS)(rng)


def typed(rng: Random, text: str) -> str:
    """A task as a pupil types it: spacing and signs."""
    way = rng.random()
    if way < 0.3:
        text = text.replace(" ", "")
    if "×" in text:
        text = text.replace("×", rng.choice(("×", "*", "x", "·", "times" if " × " in text else "*")))
    if way > 0.92 and " + " in text:
        text = text.replace(" + ", " plus ")
    return text
