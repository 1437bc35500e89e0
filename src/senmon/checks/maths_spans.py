"""Where the maths is in a piece of prose: maximal runs of maths signs that the grammar can read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from senmon.checks.maths_grammar import MAX_CHARACTERS, TOKEN, WORDS, parse
from senmon.checks.maths_nodes import PRODUCTS, Statement
from senmon.errors import Unparsable

#: Prose beyond this is not searched: a reply that long is refused elsewhere.
MAX_PROSE = 6_000

_EMPHASIS = re.compile(r"(?<![\w)*])(\*{1,3})(?=[^\s*])([^*\n]{0,200}?[^\s*])\1(?![\w(*])")
_ARTICLES = frozenset({"a", "A", "I"})
_SIGNS = frozenset({"*", "/", "×", "÷", "·", "+"})
_OPERATORS = _SIGNS | {"times", "over", "plus", "minus"}
_RELATIONS = frozenset({"=", "is", "equals", "<", ">", "≤", "≥", "≈", "≠"})
_LATEX = re.compile(
    r"\\(?:cdot|times|div|leq?|geq?|neq?|lt|gt|approx|[dt]?frac|sqrt|pi|left|right|quad)(?![a-zA-Z])"
)
_OPENING = re.compile(r"[-+\u2212\u2013(\[{√π]|\\[dt]?(?:frac|sqrt|pi)|sqrt|square|half|pi", re.IGNORECASE)
_CLOSING = re.compile(r"[)\]}%²³½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞π⁰¹⁴⁵⁶⁷⁸⁹]|squared|cubed|per ?cent|pi", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` of the prose reads as `statement`."""

    start: int
    end: int
    text: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: str
    text: str
    start: int
    end: int


def find_spans(prose: str) -> tuple[Span, ...]:
    """Every readable run, in order. Expressions and bare numbers are included; pure words are not."""
    text = _without_emphasis(prose[:MAX_PROSE])
    found: list[Span] = []
    for run in _runs(text):
        if (span := _span(text, run)) is not None:
            found.append(span)
    return tuple(found)


def _without_emphasis(text: str) -> str:
    """Markdown stars become spaces, so that offsets stay."""
    return _EMPHASIS.sub(lambda m: " " * len(m[1]) + m[2] + " " * len(m[1]), text) if "*" in text else text


def _runs(text: str) -> Iterator[list[_Piece]]:
    run: list[_Piece] = []
    for piece in _pieces(text):
        if piece is None or _breaks(run, piece):
            if run:
                yield run
            run = [piece] if piece else []
        else:
            run.append(piece)
    if run:
        yield run


def _breaks(run: list[_Piece], piece: _Piece) -> bool:
    """Two numbers side by side belong to two runs, and so does a bracketed remark after a result."""
    if run and piece.text == "(" and run[-1].kind == "number" and piece.start > run[-1].end:
        return any(before.text in ("=", "is", "equals", "<", ">", "≤", "≥", "≈") for before in run)
    return bool(run) and piece.kind in ("number", "mixed") and run[-1].kind in ("number", "mixed")


def _pieces(text: str) -> Iterator[_Piece | None]:
    """Maths tokens in order; None where prose or a line end interrupts."""
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            yield None
            position += 1
            continue
        position = match.end()
        piece = _Piece(str(match.lastgroup), match.group(), match.start(), match.end())
        if piece.kind == "space":
            if "\n" in piece.text:
                yield None
        else:
            yield piece if _is_maths(piece, text) else None


def _is_maths(piece: _Piece, text: str) -> bool:
    if piece.kind == "latex":
        return _LATEX.match(piece.text) is not None
    if piece.kind == "sign" and piece.text == "-":
        return not _is_list_mark(piece, text)
    if piece.kind != "letters":
        return True
    if len(piece.text) > 1:
        return piece.text in PRODUCTS and _joined(piece, text)
    if text[piece.end : piece.end + 1] in ("'", "’", "_") or text[piece.start - 1 : piece.start] in (
        "'",
        "’",
    ):
        return False
    return piece.text not in _ARTICLES or _joined(piece, text) or _beside_sign(piece, text)


def _is_list_mark(piece: _Piece, text: str) -> bool:
    line_start = text.rfind("\n", 0, piece.start) + 1
    return not text[line_start : piece.start].strip() and text[piece.end : piece.end + 1].isspace()


def _joined(piece: _Piece, text: str) -> bool:
    """Touching a number, a bracket or a power: `3a`, `a(b + 1)`, `a²`."""
    before, after = text[max(0, piece.start - 1) : piece.start], text[piece.end : piece.end + 1]
    return before.isdecimal() or (before == ")") or (bool(after) and after in "(²³^")


def _beside_sign(piece: _Piece, text: str) -> bool:
    signs = "+-*/=<>×÷−–≤≥^"
    before, after = text[: piece.start].rstrip()[-1:], text[piece.end : piece.end + 8].lstrip()[:1]
    return (bool(before) and before in signs) or (bool(after) and after in signs)


def _span(text: str, run: list[_Piece]) -> Span | None:
    """The longest readable middle of a run, cutting signs off its ends."""
    for _ in range(8):
        run = _trimmed(run)
        if not run:
            return None
        start, end = run[0].start, run[-1].end
        if re.search(r"[0-9][:,.]$", text[max(0, start - 2) : start]):
            return None  # the second half of 10:30
        if end - start > MAX_CHARACTERS:
            return None
        written = text[start:end]
        try:
            return Span(start, end, written, parse(written))
        except Unparsable:
            shorter = _unbracketed(run)
            if shorter == run:
                return None
            run = shorter
    return None


def _trimmed(run: list[_Piece]) -> list[_Piece]:
    first, last = 0, len(run)
    while first < last and not _may_open(run[first]):
        first += 1
    if any(piece.text in _OPERATORS for piece in run[:first]) or _subtracts(run[first:]):
        # `50 kids / 2 = 25`: the side that began in words can't be read, what follows the relation can.
        relation = next((i for i in range(first, last) if run[i].text in _RELATIONS), last - 1)
        return _trimmed(run[relation + 1 :])
    while last > first and not _may_close(run[last - 1]):
        last -= 1
    if last < len(run) and (run[last].text in _SIGNS or _opens_at_once(run[last - 1 : last + 1])):
        relation = next((i for i in range(last - 1, first, -1) if run[i].text in _RELATIONS), last)
        return run[first:relation]
    return run[first:last]


def _subtracts(run: list[_Piece]) -> bool:
    """Whether a sign with a space after it begins the run: its left side was words."""
    if len(run) < 2 or run[0].text not in ("+", "-", "\N{MINUS SIGN}", "\N{EN DASH}"):
        return False
    return run[1].start > run[0].end and any(piece.text in _RELATIONS for piece in run)


def _opens_at_once(pair: list[_Piece]) -> bool:
    """`.05(number of …)`: a product whose second factor is words."""
    return len(pair) == 2 and pair[1].text == "(" and pair[0].end == pair[1].start


def _may_open(piece: _Piece) -> bool:
    if piece.kind in ("number", "mixed", "vulgar", "letters"):
        return True
    return piece.kind != "superscript" and _OPENING.match(piece.text) is not None


def _may_close(piece: _Piece) -> bool:
    if piece.kind in ("number", "mixed", "vulgar", "letters", "superscript"):
        return True
    return piece.kind in ("sign", "word", "latex") and _CLOSING.search(piece.text) is not None


def _unbracketed(run: list[_Piece]) -> list[_Piece]:
    """Without a bracket that belongs to the prose around the run."""
    opened = sum(piece.text in ("(", "[", "{") for piece in run)
    closed = sum(piece.text in (")", "]", "}") for piece in run)
    first, last = run[0].text in ("(", "[", "{"), run[-1].text in (")", "]", "}")
    if first and last and opened == closed:
        return run[1:-1]
    if opened > closed and first:
        return run[1:]
    if closed > opened and last:
        return run[:-1]
    if opened > closed:
        return run[: max(i for i, piece in enumerate(run) if piece.text in ("(", "[", "{"))]
    return run[1:] if run[0].text in WORDS or run[0].text in ("+",) else run
