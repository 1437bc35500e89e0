# ruff: noqa: E501 -- patterns and lists of words, one a line
"""A pupil's message with its numbers in digits and its signs as the grammar reads them."""

from __future__ import annotations

import re
from fractions import Fraction

from senmon.checks.maths_values import plain, word_mentions

_MISSPELT = {
    "fourty": "forty", "ninty": "ninety", "eigth": "eight", "eigt": "eight", "fivteen": "fifteen",
    "forteen": "fourteen", "twelf": "twelve", "twelv": "twelve", "sevn": "seven", "seveen": "seven",
    "fiv": "five", "nin": "nine", "elevn": "eleven", "thirten": "thirteen", "nought": "zero", "qaurter": "quarter",
    "quater": "quarter", "quaters": "quarters", "thrid": "third", "haf": "half",
    "mius": "minus", "minuss": "minus", "mnius": "minus", "negativ": "negative", "negtive": "negative",
    "negitive": "negative", "negetive": "negative",
}  # fmt: skip
#: `help w/ 2/5`.
_WITH = re.compile(r"(?<![\w)])w/ ?(?=\s|\d)", re.IGNORECASE)
_MISSPELT_WORD = re.compile(rf"\b(?:{'|'.join(_MISSPELT)})\b", re.IGNORECASE)
_PARTS = {
    "half": 2, "halves": 2, "halfs": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8,
    "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10, "twelfth": 12, "twelfths": 12, "fifteenths": 15,
    "twentieths": 20,
}  # fmt: skip
_DIGIT_PARTS = re.compile(rf"(?<![\d./])(\d+)[ -]({'|'.join(_PARTS)})\b", re.IGNORECASE)
#: `3+2 over 6`: said, a line stands under the whole sum.
_OVER = re.compile(r"(?<![\w.)])(\d+ ?[-+−] ?\d+) over (\d+)\b", re.IGNORECASE)
#: `0.8333...`, `0.6 recurring`: before the point, before the digit that goes on, that digit.
_RECURRING = re.compile(
    r"(?<![\w.])(\d*)\.(\d*?)(?:(\d)\3+(?:\.{2,}|…)|(\d) ?(?:recurring|repeating|rec)\b)(?! ?\d)",
    re.IGNORECASE,
)
_AND_A_HALF = re.compile(r"(?<![\d./])(\d+) and (?:a )?(half|quarter|third)\b", re.IGNORECASE)
#: `4 and 1/4`; `8/12 and 3/12` are two fractions.
_AND_PART = re.compile(r"(?<![\d./,])(\d+) and (\d+)/(\d+)(?![\d./])")
_OUT_OF = re.compile(r"(?<![\d./])(\d+) out of (\d+)(?![\d./])", re.IGNORECASE)
#: `8+3=11 over 12`: top and result stand over the same number.
_SUM_OVER = re.compile(r"(?<![\w.)/])(\d+ ?[-+−] ?\d+) ?= ?(\d+) over (\d+)\b", re.IGNORECASE)
_IS_SAID = r"\s+(?:number\s+)?(?:is|=|would be|will be|should be|must be|becomes|stays)?\s*"
_TOP, _BOTTOM = rf"(?:top|numerator){_IS_SAID}", rf"(?:bottom|denominator){_IS_SAID}"
_TOP_FIRST = re.compile(rf"(?:the )?\b{_TOP}(\d+)\b[ ,;]+(?:and )?(?:the )?{_BOTTOM}(\d+)\b", re.IGNORECASE)
_BOTTOM_FIRST = re.compile(
    rf"(?:the )?\b{_BOTTOM}(\d+)\b[ ,;]+(?:and )?(?:the )?{_TOP}(\d+)\b", re.IGNORECASE
)
_TAKE_AWAY = re.compile(r"(?<=\d)( ?[a-z])? (?:take ?away|subtract) (?=[\d.])", re.IGNORECASE)
#: `8, plus 3 is 11`.
_JOINS = re.compile(
    r"(?<=\d), (?:and |then )*(?=(?:plus|minus|times|divided by)\s+\d+(?: is|=| =| makes| gives)\b)",
    re.IGNORECASE,
)
_WITH_MINUS = re.compile(
    r"(?<![\d./+*×÷=-])(\d+(?:[./]\d+)?) (?:but )?with an? (?:minus|negative)(?: sign)?\b", re.IGNORECASE
)
#: `zero and plus three`: the sign of one number, not a sum.
_PLUS = re.compile(
    r"(^|[=,;:(]\s*|\b(?:is|its|it's|or|and|be|got|get|positive)\s+)(?:plus|positive)\s+(?=[\d.])",
    re.IGNORECASE,
)
_TENS_AFTER_POINT = re.compile(
    r"\bpoint (twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ -](one|two|three|four|five|six|seven|eight|nine))?\b",
    re.IGNORECASE,
)
_TENS = dict(zip(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
                 ("two", "three", "four", "five", "six", "seven", "eight", "nine"), strict=True))  # fmt: skip
#: A point that nothing stands before: `point five`.
_BARE_POINT = re.compile(r"(?<![\w.])(?<!\w )point (?=[a-z]+\b)", re.IGNORECASE)
_SIGNED = re.compile(r"\b(?:minus|negative|neg)\s+(?=[\d.½¼¾⅓⅔√(]|[a-z]\b)", re.IGNORECASE)
#: `12 300`, in groups of three.
_GROUPED = re.compile(
    r"(?<![\w.,/+*×÷=−-])(?<![/+*×÷=−-] )([1-9]\d{0,2})((?: \d{3})+)(?![\d.,/%]|\w| ?[\d/+*×÷=])"
)
_COMMA = re.compile(r"(?<![\d,.])(\d+),(\d{1,2})(?![\d,.])")
_LATEX_SHORT = re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)(?!\d)")
_ARROW = re.compile(
    r"(?<![A-Za-z])([A-Za-z])\s*(?:-+>|=+>|→|⇒|:(?!\s*[-−–]?\s?[\d.]+\s*[a-z(=+*×]))\s*(?=[-−–]?\s?[\d.½¼¾⅓⅔])"
)
_RATIO = re.compile(r"(?<=\d)(?: : |:)(?=\d)")
#: `3 x = 18`, but not `3x = 18 x = 6`.
_APART = re.compile(r"(?<![\d.,=/+*×÷\-])(?<![=/+*×÷\-] )(\d+) (?=[a-z] ?=)")
_I_SAY = re.compile(r"(?<=[\w.,!?)]) i (?=[a-z]{2})")
_NUMBERED = re.compile(r"(?<![A-Za-z])([a-z])[_ ]?[12₁₂](?=\s*(?:=|is\b))", re.IGNORECASE)
_IS = re.compile(r"(?<![A-Za-z])([b-hj-z])[’']s(?=\s+[-−]?\d)", re.IGNORECASE)
_LONE_MINUS = re.compile(
    r"(^|[\n=:(]\s*|\b(?:is|its|it's|got|get|be|answer|or|and)\s+)[-−–]\s+(?=\d)", re.IGNORECASE
)
#: Words that are a number only where one is expected: `this one`, `the third step`.
_DOUBTFUL = frozenset(
    {"one", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "half"}
)
_EXPECTED = re.compile(
    r"(?:^|[=:,]|\b(?:is|its|it[’']s|be|equals?|equal to|got|get|gets|gives|answer|so|or|maybe|minus|plus|times|over|by|say|think|guess"
    r"|then|and|have|just|only|about|mean|meant|wait|no|finally|leaves|leaving|left with|makes?|becomes|comes to)) *[\"'(]*$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"^ *(?:more|hint|step|question|moment|sec|second|thing|problem|of (?:the|these|those|them)|way|side|min)",
    re.I,
)


def respelled(message: str, letters: frozenset[str] = frozenset(), *, one: bool = True) -> str:
    """`letters` are those of the problem; others behind a number are units. `one`: a comma between digits is a
    decimal one, as only one number is asked for."""
    text = plain(message).replace("’", "'").replace("\\(", " ").replace("\\)", " ")
    text = _MISSPELT_WORD.sub(lambda m: _MISSPELT[m[0].lower()], text)
    text = _I_SAY.sub(" I ", re.sub(r"^\s*\*(?=\S)", "", text))
    if not one:
        text = _NUMBERED.sub(r"\1", re.sub(r"\band\b", "or", text))
    text = _WITH.sub("with ", text)
    if one:
        text = _GROUPED.sub(lambda m: m[1] + m[2].replace(" ", ""), text)
    text = _TENS_AFTER_POINT.sub(lambda m: f"point {_TENS[m[1].lower()]} {m[2] or ''}".rstrip(), text)
    text = _leading_zero(text)
    text = _RECURRING.sub(_exact, text)
    text = _DIGIT_PARTS.sub(lambda m: f"{m[1]}/{_PARTS[m[2].lower()]}", text)
    text = _in_digits(text)
    text = _in_one(text, one=one)
    text = _OVER.sub(r"(\1)/\2", text)
    text = _AND_A_HALF.sub(lambda m: f"{m[1]} 1/{_PARTS[m[2].lower()]}", text)
    text = _DIGIT_PARTS.sub(lambda m: f"{m[1]}/{_PARTS[m[2].lower()]}", text)
    text = _SIGNED.sub("-", _PLUS.sub(r"\1", text))
    text = _LATEX_SHORT.sub(r"\\frac{\1}{\2}", text)
    text = _APART.sub(r"\1", text)
    text = _ARROW.sub(r"\1 = ", text)
    text = _RATIO.sub(" ÷ ", text)
    text = _IS.sub(r"\1 is", text)
    text = _LONE_MINUS.sub(r"\1-", text)
    if one:
        text = _COMMA.sub(r"\1.\2", text)
    if letters:
        text = re.sub(rf"\bis ([{''.join(sorted(letters))}]) (?=[-−]?\d)", r"\1 is ", text)
    return _without_units(text, letters) if letters else text


def _leading_zero(text: str) -> str:
    """`point five`, but not the point of `four point five`."""
    taken = [
        (one.start, one.end)
        for one in word_mentions(text)
        if not text[one.start :].lower().startswith("point")
    ]
    return _BARE_POINT.sub(
        lambda m: m[0] if any(start < m.start() < end for start, end in taken) else "zero point ", text
    )


def _in_one(text: str, *, one: bool) -> str:
    """A number that several words describe: top and bottom, `11 out of 12`, `5 with a minus`, `4 and 1/4`."""
    text = _SUM_OVER.sub(r"(\1)/\3 = \2/\3", text)
    text = _BOTTOM_FIRST.sub(r"\2/\1", _TOP_FIRST.sub(r"\1/\2", text))
    text = _OUT_OF.sub(r"\1/\2", text)
    text = _TAKE_AWAY.sub(lambda m: f"{m[1] or ''} - ", text)
    text = _JOINS.sub(" ", text)
    text = _WITH_MINUS.sub(r"-\1", text)
    if one:
        text = _AND_PART.sub(lambda m: f"{m[1]} {m[2]}/{m[3]}" if int(m[2]) < int(m[3]) else m[0], text)
    return text


def _exact(match: re.Match[str]) -> str:
    whole, fixed, digit = match[1] or "0", match[2], match[3] or match[4]
    scale = 10 ** len(fixed)
    return str(Fraction(int(whole + fixed), scale) + Fraction(int(digit), 9 * scale))


def _in_digits(text: str) -> str:
    parts, end = [], 0
    for mention in word_mentions(text):
        words = text[mention.start : mention.end]
        if words.lower() in _DOUBTFUL and not _is_number(text, mention.start, mention.end):
            continue
        parts += [text[end : mention.start], _digits(mention.value, text[: mention.start])]
        end = mention.end
    return "".join([*parts, text[end:]])


def _is_number(text: str, start: int, end: int) -> bool:
    before, after = text[:start], text[end:]
    if _GOES_ON.match(after):
        return False
    return _EXPECTED.search(before) is not None


def _digits(value: Fraction, before: str) -> str:
    """Mixed numbers stay fractions; a minus joins on."""
    gap = " " if before[-1:].isalnum() else ""
    return f"{gap}{value}"


def _without_units(text: str, letters: frozenset[str]) -> str:
    """`7m` where the problem has no m."""
    known = "".join(sorted({form for letter in letters for form in (letter.lower(), letter.upper())}))
    return re.sub(rf"(?<=\d)\s?(?![{known}])[mglpskhtc]\b(?!\s*[=+*/^(])", " ", text, flags=re.IGNORECASE)
