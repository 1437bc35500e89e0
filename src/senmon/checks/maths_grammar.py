"""School maths from text, by a bounded grammar of our own: no evaluation, no symbol tables, no surprises.

    statement  := expression (relation expression)*
    expression := term (("+" | "−") term)*
    term       := factor (("×" | "÷" | "/" | "of" | nothing) factor)*
    factor     := ("−" | "+") factor | power
    power      := atom ("%" | "²" | "squared")* ("^" exponent)?
    atom       := number | letter | "(" expression ")" | "√" atom | "\\frac" atom atom

Numbers may be decimals, fractions, vulgar fractions or mixed numbers; `3 x 4` multiplies, `3x` is a product
with a letter. Whatever is ambiguous among schools (`6/2(1+2)`, `50 + 20%`) is unparsable, not guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from senmon.checks.maths_algebra import MAX_EXPONENT, BeyondError, evaluate
from senmon.checks.maths_nodes import (
    PRODUCTS,
    Binary,
    Negative,
    Node,
    Number,
    Operator,
    Percent,
    Pi,
    Relation,
    Root,
    Statement,
    Variable,
    variables,
)
from senmon.errors import Unparsable

MAX_CHARACTERS = 400
MAX_TOKENS = 200
MAX_DEPTH = 40
MAX_DIGITS = 30

VULGAR = {
    "½": Fraction(1, 2), "⅓": Fraction(1, 3), "⅔": Fraction(2, 3), "¼": Fraction(1, 4), "¾": Fraction(3, 4),
    "⅕": Fraction(1, 5), "⅖": Fraction(2, 5), "⅗": Fraction(3, 5), "⅘": Fraction(4, 5), "⅙": Fraction(1, 6),
    "⅚": Fraction(5, 6), "⅛": Fraction(1, 8), "⅜": Fraction(3, 8), "⅝": Fraction(5, 8), "⅞": Fraction(7, 8),
}  # fmt: skip
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

#: Phrases that stand for a sign, longest first.
WORDS = {
    "to the power of": "^", "square root of": "root", "is equal to": "=", "multiplied by": "*",
    "divided by": "/", "half of": "half", "per cent": "%", "percent": "%", "squared": "²", "equals": "=",
    "cubed": "³", "times": "*", "minus": "-", "sqrt": "root", "plus": "+", "over": "/", "of": "of",
    "is": "is", "pi": "pi",
}  # fmt: skip
_LATEX = {
    "cdot": "*", "times": "*", "div": "/", "le": "<=", "leq": "<=", "ge": ">=", "geq": ">=", "ne": "!=",
    "neq": "!=", "lt": "<", "gt": ">", "approx": "~", "frac": "frac", "dfrac": "frac", "tfrac": "frac",
    "sqrt": "root", "pi": "pi", "left": "", "right": "", "quad": "",
}  # fmt: skip
_SIGNS = {
    "+": "+", "-": "-", "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{FULLWIDTH HYPHEN-MINUS}": "-",
    "*": "*", "×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "÷", "/": "/", "\N{DIVISION SLASH}": "/",
    "\N{FRACTION SLASH}": "/", "^": "^", "**": "^", "%": "%", "√": "root", "π": "pi", "(": "(", "[": "(",
    "{": "(", ")": ")", "]": ")", "}": ")", "=": "=", "==": "=", "≠": "!=", "!=": "!=", "<": "<", ">": ">",
    "<=": "<=", "≤": "<=", ">=": ">=", "≥": ">=", "≈": "~",
}  # fmt: skip
_RELATIONS = frozenset({"=", "!=", "<", ">", "<=", ">=", "~", "is"})

DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_WORD_PATTERN = "|".join(sorted((word.replace(" ", " +") for word in WORDS), key=len, reverse=True))
TOKEN = re.compile(
    rf"(?P<mixed>[0-9]+[ ]+[0-9]+/[0-9]+(?![0-9.]))"
    rf"|(?P<number>{DIGITS})"
    r"|(?P<vulgar>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])"
    r"|(?P<superscript>⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
    r"|\\(?P<latex>[a-zA-Z]+)"
    rf"|(?P<word>(?:{_WORD_PATTERN})"
    r"(?![a-zA-Z]))"
    r"|(?P<letters>[a-zA-Z]+)"
    r"|(?P<sign>\*\*|==|<=|>=|!=|[-+*/^%=<>()\[\]{}×·⋅∙÷√π≠≤≥≈\u2212\u2013\uff0d\u2215\u2044])"
    r"|(?P<space>(?:[\s\u00a0\u2009\u202f$£€]|\\[,;:!\s()\[\]%])+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is a sign, or `number`, `letter`, `superscript`. `start` and `end` index the text."""

    kind: str
    text: str
    start: int
    end: int
    value: Fraction = Fraction(0)


def unparsable(why: str) -> NoReturn:
    raise Unparsable(why, remedy="write one expression or equation, such as 3x - 7 = 11")


def tokens_of(text: str) -> tuple[Token, ...]:
    """Raises Unparsable for anything that is not maths, and beyond the limits."""
    if len(text) > MAX_CHARACTERS:
        unparsable(f"more than {MAX_CHARACTERS} characters")
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            unparsable(f"{text[position]!r} is not maths")
        found.extend(_tokens(match, found, text))
        position = match.end()
    if len(found) > MAX_TOKENS:
        unparsable(f"more than {MAX_TOKENS} signs")
    return tuple(found)


def _tokens(match: re.Match[str], before: list[Token], text: str) -> list[Token]:  # noqa: PLR0911 (one per kind)
    kind, written = str(match.lastgroup), match.group()
    start, end = match.span()
    if kind == "space":
        return []
    if kind in ("mixed", "number", "vulgar"):
        return [_number(kind, written, start, end, before)]
    if kind == "superscript":
        return [Token("superscript", written, start, end, Fraction(written.translate(_SUPERSCRIPT)))]
    if kind == "latex":
        return _latex(match.group("latex"), start, end)
    if kind == "word":
        return _word(" ".join(written.lower().split()), start, end)
    if kind == "letters":
        return _letters(written, start, end, before, text)
    return [Token(_SIGNS[written], written, start, end)]


def _number(kind: str, text: str, start: int, end: int, before: list[Token]) -> Token:
    if sum(character.isdigit() for character in text) > MAX_DIGITS:
        unparsable(f"a number of more than {MAX_DIGITS} digits")
    if kind == "vulgar":
        last = before[-1] if before else None
        if last and last.kind == "number" and last.end == start and last.value.denominator == 1:
            before.pop()
            return Token("number", last.text + text, last.start, end, last.value + VULGAR[text])
        return Token("number", text, start, end, VULGAR[text])
    if kind == "mixed":
        whole, fraction = text.split()
        top, bottom = map(int, fraction.split("/"))
        if not 0 < top < bottom:
            unparsable("two numbers side by side")
        return Token("number", f"{whole} {fraction}", start, end, int(whole) + Fraction(top, bottom))
    return Token("number", text, start, end, Fraction(text.replace(",", "")))


def _latex(name: str, start: int, end: int) -> list[Token]:
    if name not in _LATEX:
        unparsable(f"\\{name} is not known")
    return [Token(_LATEX[name], name, start, end)] if _LATEX[name] else []


def _word(name: str, start: int, end: int) -> list[Token]:
    kind = WORDS[name]
    if kind == "half":
        return [Token("number", "1/2", start, end, Fraction(1, 2)), Token("of", "of", start, end)]
    if kind in ("²", "³"):
        return [Token("superscript", kind, start, end, Fraction(2 if kind == "²" else 3))]
    return [Token(kind, name, start, end)]


def _letters(run: str, start: int, end: int, before: list[Token], text: str) -> list[Token]:
    if run in ("x", "X") and _multiplies(start, end, before, text):
        return [Token("*", run, start, end)]
    if len(run) > 1 and run not in PRODUCTS:
        unparsable(f"{run!r} is not maths")
    return [Token("letter", letter, start + i, start + i + 1) for i, letter in enumerate(run)]


def _multiplies(start: int, end: int, before: list[Token], text: str) -> bool:
    """Whether an x is a times sign: between digits, or alone between a number and a bracket."""
    after = text[end:].lstrip()
    if not before or before[-1].kind not in ("number", ")") or not after:
        return False
    if before[-1].kind == "number" and after[0].isdecimal():
        return True
    spaced = text[start - 1 : start].isspace() and text[end : end + 1].isspace()
    return spaced and (after[0].isdecimal() or after[0] == "(")


class _Parser:
    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    def kind(self) -> str:
        return self.tokens[self.at].kind if self.at < len(self.tokens) else ""

    def take(self) -> Token:
        if self.at == len(self.tokens):
            unparsable("it stops too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def statement(self) -> Statement:
        sides, relations = [self.expression()], []
        while self.kind() in _RELATIONS:
            relation: Relation = self.take().kind  # type: ignore[assignment]
            relations.append(relation)
            sides.append(self.expression())
        if self.kind():
            unparsable(f"{self.tokens[self.at].text!r} is out of place")
        return Statement(tuple(sides), tuple(relations))

    def expression(self) -> Node:
        node = self.term()
        while self.kind() in ("+", "-"):
            operator: Operator = self.take().kind  # type: ignore[assignment]
            right = self.term()
            if isinstance(node, Percent) != isinstance(right, Percent):
                unparsable("adding a percentage to a number means different things to different people")
            node = Binary(operator, node, right)
        return node

    def term(self) -> Node:
        node, last = self.factor(), ""
        while True:
            kind = self.kind()
            if kind in ("*", "/", "÷"):
                self.take()
                node, last = Binary("*" if kind == "*" else "/", node, self.factor()), kind
            elif kind == "of":
                node, last = self.portion(node), kind
            elif kind in ("letter", "(", "root", "pi", "frac"):
                node = self.juxtaposed(node, last)
            else:
                return node

    def portion(self, share: Node) -> Node:
        self.take()
        if not isinstance(share, Percent) and _fraction(share) is None:
            unparsable("'of' goes with a percentage or a fraction")
        return Binary("*", share, self.factor())

    def juxtaposed(self, node: Node, last: str) -> Node:
        if isinstance(node, Percent):
            unparsable("a percentage before a letter")
        fraction = self.tokens[self.at - 1].kind == "number" and _fraction(node) is not None
        if last in ("÷", "/") or (fraction and self.kind() != "letter"):
            unparsable("a division followed by a product is ambiguous without brackets")
        return Binary("*", node, self.power(), implicit=True)

    def factor(self) -> Node:
        if self.kind() not in ("+", "-"):
            return self.power()
        self.enter()
        negative = self.take().kind == "-"
        inner = self.factor()
        self.depth -= 1
        return Negative(inner) if negative else inner

    def power(self, fractions: bool = True) -> Node:
        node = self.fraction() if fractions and self.at_fraction() else self.postfix()
        if self.kind() != "^":
            return node
        self.take()
        return Binary("^", node, _checked_exponent(self.exponent()))

    def exponent(self) -> Node:
        self.enter()
        if self.kind() == "-":
            self.take()
            node: Node = Negative(self.exponent())
        else:
            node = self.power(fractions=False)
        self.depth -= 1
        return node

    def at_fraction(self) -> bool:
        """Whether `3/4` comes next, as a number of its own and not as part of `2/3²`."""
        kinds = [token.kind for token in self.tokens[self.at : self.at + 4]]
        if kinds[:3] != ["number", "/", "number"] or kinds[3:] in (["^"], ["superscript"], ["%"]):
            return False
        top, bottom = self.tokens[self.at].value, self.tokens[self.at + 2].value
        return top.denominator == bottom.denominator == 1 and bottom != 0

    def fraction(self) -> Node:
        top, _, bottom = self.take(), self.take(), self.take()
        return Binary("/", Number(top.value, top.text), Number(bottom.value, bottom.text), implicit=True)

    def postfix(self) -> Node:
        node = self.atom()
        while self.kind() in ("%", "superscript"):
            token = self.take()
            if token.kind == "%":
                node = Percent(node)
            else:
                node = Binary("^", node, _checked_exponent(Number(token.value)))
        return node

    def atom(self) -> Node:
        self.enter()
        token = self.take()
        match token.kind:
            case "number":
                node: Node = Number(token.value, token.text)
            case "letter":
                node = Variable(token.text)
            case "pi":
                node = Pi()
            case "root":
                node = Root(self.atom())
            case "frac":
                top, bottom = self.atom(), self.atom()
                whole = isinstance(top, Number) and isinstance(bottom, Number)
                node = Binary("/", top, bottom, implicit=whole)
            case "(":
                node = self.expression()
                if self.take().kind != ")":
                    unparsable("a bracket is not closed")
            case _:
                unparsable(f"{token.text!r} is out of place")
        self.depth -= 1
        return node

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            unparsable(f"nested more than {MAX_DEPTH} deep")


def _fraction(node: Node) -> Fraction | None:
    match node:
        case Number(value, text) if value.denominator != 1 and "." not in text:
            return value
        case Binary("/", Number(top), Number(bottom), True) if bottom:
            return top / bottom
        case _:
            return None


def _checked_exponent(node: Node) -> Node:
    if variables(node):
        return node
    try:
        value = evaluate(node)
    except BeyondError:
        unparsable("an exponent that is not a plain number")
    if abs(value) > MAX_EXPONENT:
        unparsable(f"an exponent beyond {MAX_EXPONENT}")
    return Number(value, node.text if isinstance(node, Number) else "")


def parse(text: str) -> Statement:
    """An expression, an equation or a chain of relations. Raises Unparsable."""
    tokens = tokens_of(text)
    if not tokens:
        unparsable("nothing to read")
    return _Parser(tokens).statement()


def parse_expression(text: str) -> Node:
    """One side only. Raises Unparsable, also for equations."""
    statement = parse(text)
    if statement.relations:
        unparsable("an expression, not an equation, is expected")
    return statement.sides[0]


_ALTERNATIVE = re.compile(r"\s+(?:or|and)\s+|\s*[,;](?![0-9]{3}(?![0-9]))\s*", re.IGNORECASE)


def parse_alternatives(text: str) -> tuple[Statement, ...]:
    """`x = 4 or x = −1`, `4, −1`: the statements between `or`, `and` and commas. Raises Unparsable."""
    if len(text) > MAX_CHARACTERS:
        unparsable(f"more than {MAX_CHARACTERS} characters")
    parts = [part for part in _ALTERNATIVE.split(text.strip()) if part]
    if not 1 <= len(parts) <= 6:
        unparsable("too many alternatives" if parts else "nothing to read")
    return tuple(parse(part) for part in parts)
