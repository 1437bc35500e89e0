"""What a text claims in mathematics: chains of expressions with `=`, `is`, `<` between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from senmon.evaluation.oracle.sums import (
    MOST_TOKENS,
    NoSum,
    Token,
    Value,
    identical,
    normal,
    parse,
    roots,
    tokens,
)


@dataclass(frozen=True, slots=True)
class Side:
    """An expression; `lone`: a single number or letter. `text` as it is written, without spaces."""

    value: Value
    letters: frozenset[str]
    lone: bool
    text: str
    places: int


@dataclass(frozen=True, slots=True)
class Claim:
    """`relations[i]` stands between `sides[i]` and `sides[i + 1]`; places are those of the normal text."""

    sides: tuple[Side, ...]
    relations: tuple[str, ...]
    start: int
    end: int

    @property
    def letters(self) -> frozenset[str]:
        return frozenset().union(*(side.letters for side in self.sides))

    @property
    def text(self) -> str:
        parts = [self.sides[0].text]
        for relation, side in zip(self.relations, self.sides[1:], strict=True):
            parts += ["=" if relation == "is" else relation, side.text]
        return "".join(parts)

    def roots(self) -> frozenset[Fraction] | None:
        """Of a single equation in one letter."""
        if len(self.letters) != 1 or len(self.sides) != 2 or self.relations[0] not in ("=", "is"):
            return None
        return roots(self.sides[0].value, self.sides[1].value, next(iter(self.letters)))


@dataclass(frozen=True, slots=True)
class Task:
    """A problem that is open: an equation with roots, or an expression, perhaps with numbers to put in."""

    letter: str | None
    roots: frozenset[Fraction] | None
    side: Side | None
    given: dict[str, Fraction]

    @property
    def value(self) -> Fraction | None:
        """The one number that answers it, if there is one."""
        if self.roots is not None:
            return next(iter(self.roots)) if len(self.roots) == 1 else None
        if self.side is None or self.side.letters - self.given.keys():
            return None
        try:
            return self.side.value(self.given)
        except NoSum:
            return None


def claims(text: str) -> list[Claim]:
    """All claims of a text that is `normal` already."""
    return [found for run in tokens(text) if (found := _claim(run)) is not None]


def expressions(text: str) -> Iterator[tuple[Side, int, int]]:
    """All expressions of a normal text, in claims or not, with their place."""
    for run in tokens(text):
        for part in _parts(run)[0]:
            for first, last in _spans(part):
                try:
                    yield side_of(part[first:last]), part[first].start, part[last - 1].end
                    break
                except NoSum:
                    continue


def task(text: str) -> Task | None:
    """A problem as a pupil writes it; None when it can't be read."""
    plain = normal(text.strip().rstrip("?."), ratio=True)
    main, _, rest = _cut(plain)
    given = {}
    for claim in claims(rest):
        if (
            len(claim.sides) == 2
            and claim.sides[0].lone
            and len(claim.sides[0].letters) == 1
            and not claim.sides[1].letters
        ):
            given[claim.sides[0].text] = claim.sides[1].value({})
    found = claims(main)
    if found and found[0].letters and "=" in found[0].relations:
        return Task(next(iter(found[0].letters)), found[0].roots(), None, given)
    best = max(expressions(main), key=lambda one: one[2] - one[1], default=None)
    return None if best is None else Task(None, None, best[0], given)


def _cut(text: str) -> tuple[str, str, str]:
    for word in (" when ", " where ", " if ", " for ", " with "):
        if word in text:
            return text.partition(word)
    return text, "", ""


def _parts(run: Sequence[Token]) -> tuple[list[list[Token]], list[str]]:
    parts: list[list[Token]] = [[]]
    relations = []
    for token in run:
        if token.kind == "relation":
            relations.append(token.text)
            parts.append([])
        else:
            parts[-1].append(token)
    return parts, relations


def _claim(run: Sequence[Token]) -> Claim | None:
    parts, relations = _parts(run)
    if len(parts) < 2:
        return None
    sides: list[Side | None] = []
    edges = []
    for at, part in enumerate(parts):
        side, start, end = _outer(part, left=at == 0, right=at == len(parts) - 1)
        sides.append(side)
        edges.append((start, end))
    first = next((i for i, side in enumerate(sides) if side is None), len(sides))
    kept = sides[:first] if first > 1 else sides[first + 1 :]
    offset = 0 if first > 1 else first + 1
    good = [side for side in kept if side is not None]
    if len(good) != len(kept) or len(good) < 2:
        return None
    return Claim(
        tuple(good),
        tuple(relations[offset : offset + len(good) - 1]),
        edges[offset][0],
        edges[offset + len(good) - 1][1],
    )


def _outer(part: Sequence[Token], *, left: bool, right: bool) -> tuple[Side | None, int, int]:
    """The expression of a part; at the ends of a run, what does not belong to it is left out."""
    for first, last in _spans(part, left=left, right=right):
        try:
            return side_of(part[first:last]), part[first].start, part[last - 1].end
        except NoSum:
            continue
    return None, 0, 0


def _spans(part: Sequence[Token], *, left: bool = True, right: bool = True) -> Iterator[tuple[int, int]]:
    """From the longest: tokens may be dropped at the left end, then at the right end, but no operand."""
    count = len(part)
    if count > MOST_TOKENS:
        return
    for first in range(count if left else min(count, 1)):
        if first and part[first - 1].kind == "sign":
            continue
        for last in range(count, first if right else count - 1, -1):
            if last > first and (last == count or part[last].kind != "sign"):
                yield first, last


def side_of(run: Sequence[Token]) -> Side:
    """Raises NoSum."""
    value, letters = parse(run)
    text = "".join(token.text for token in run)
    shown = text.rstrip("%").partition(".")[2] if len(run) == 1 else ""
    side = Side(value, letters, len(run) == 1 or (len(run) == 2 and run[0].text == "-"), text, len(shown))
    if not letters:
        value({})
    return side


def same(left: Side, right: Side) -> bool:
    return identical(left.value, right.value, left.letters | right.letters)
