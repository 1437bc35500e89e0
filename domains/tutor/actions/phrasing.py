# ruff: noqa: E501 -- patterns, one a line
"""Problems as pupils put them in words: `subtract 1/4 from 3/5`, `what number times 6 is 42`, `put x = 4 into 2x + 1`."""

from __future__ import annotations

import re
from collections.abc import Callable

_I = re.IGNORECASE
#: One number; brackets around it may stay.
_N = r"(\(?[-\u2212]?(?:\d+ \d+/\d+|\d+/\d+|\d+(?:\.\d+)?%?)\)?)(?![\w/]|\.\d)"
_MATHS = r"([-\u2212]?[\dA-Za-z(√][\dA-Za-z()+*/×÷·^²³ .\u2212-]*?)"
_AND = r",? (?:and|to|with|plus) "
_LABEL = re.compile(
    r"^\W*(?:(?:q|question|ex|exercise|problem|no|number|nr|task)[. ]*\d{1,3} ?[a-z]?|\d{1,3} ?[a-z]|[a-z])[).:]\s+(?=[\d(√A-Za-z-])",
    _I,
)
_MONEY = r"[€£$]?"
_AMOUNT = rf"{_MONEY}(\d+(?:\.\d+)?){_MONEY}(?: (?:euros?|dollars?|pounds?|kg|g|km|m|cm|litres?|l|people))?"
_RATE = r"(\d+(?:\.\d+)?) ?(?:%|per ?cent\b)"
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(rf"\b(?:increas(?:e|ed|es|ing)|rais(?:e|ed|es|ing)) {_AMOUNT} by {_RATE}", _I), r"\1 + \2% of \1"),
    (re.compile(rf"\b(?:decreas(?:e|ed|es|ing)|reduc(?:e|ed|es|ing)|lower(?:ed|s|ing)?) {_AMOUNT} by {_RATE}", _I), r"\1 - \2% of \1"),
    (re.compile(rf"\badd {_RATE} (?:on ?)?to {_AMOUNT}", _I), r"\2 + \1% of \2"),
    (re.compile(rf"\b(?:take|subtract) {_RATE} (?:off|from|away from) {_AMOUNT}", _I), r"\2 - \1% of \2"),
    (re.compile(rf"\b(?:add|sum of|sum up|plus) {_N}{_AND}{_N}", _I), r"\1 + \2"),
    (re.compile(rf"(?<![\w./+*×÷=-]){_N} and {_N} (?:added|together|summed)(?: up)?(?: together)?", _I), r"\1 + \2"),
    (re.compile(rf"\b(?:subtract|take|minus) {_N} (?:away )?from {_N}", _I), r"\2 - \1"),
    (re.compile(rf"\bdifference (?:of|between) {_N} and {_N}", _I), r"\1 - \2"),
    (re.compile(rf"\b(?:multiply {_N} (?:by|with|and)|product of {_N} and|times {_N} by) {_N}", _I),
     lambda m: f"{m[1] or m[2] or m[3]} × {m[4]}"),
    (re.compile(rf"\b(?:divide {_N} (?:by|through)|quotient of {_N} and|share {_N} (?:by|between|among)) {_N}", _I),
     lambda m: f"{m[1] or m[2] or m[3]} ÷ {m[4]}"),
    (re.compile(rf"\b{_N} divided? {_N}", _I), r"\1 ÷ \2"),
    (re.compile(r"(?<=[\d)]) ?: ?(?=\()|(?<=\)) ?: ?(?=\d)"), " ÷ "),
    (re.compile(r"\b(?:what|which|a|some|my|the) number (?=(?:times|plus|minus|divided|multiplied|over)\b)", _I), "x "),
    (re.compile(r"(?<=[-+*/×÷\u2212])(\s*)(?:\?+|_+)(?=\s*=)|(?:^|(?<=\s))(?:\?+|_+)(?=\s*[-+*/×÷\u2212]\s*\d)"), r" x "),
    (re.compile(r"\bis the same as\b", _I), "is equal to"),
    (re.compile(r"\b(solve|find|work out)(?: for)? [a-z]\b\s*[:,]?\s+(?:in |when |if |from )?(?=[-(√\d])", _I), r"\1 "),
    (re.compile(rf"\b(?:if|when|with|where|for|given(?: that)?) ([a-z] ?=|[a-z] is) ?({_N})[ ,:]+(?:then )?(?:what(?:[’']?s| is)|find|work out|calculate|evaluate|how much is)(?: the value of)? {_MATHS}(?=[?.!]?$|[?.!,] )", _I),
     lambda m: f"{m[4]} when {m[1].replace(' is', ' =')} {m[2]}"),
    (re.compile(rf"\b(?:substitut\w+|put|plug)(?: in)? ([a-z]) ?(?:=|is) ?{_N} (?:into|in|to) {_MATHS}(?=[?.!]?$|[?.!,] )", _I),
     r"\3 when \1 = \2"),
)  # fmt: skip


def phrased(text: str) -> str:
    """The message with what is put in words written as maths; numbers are in digits already."""
    text = _LABEL.sub("", text)
    for pattern, written in _RULES:
        text = pattern.sub(written, text)
    return text
