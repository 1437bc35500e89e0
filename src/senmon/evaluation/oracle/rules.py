# ruff: noqa: E501 -- one pattern a line reads best
"""Rules of school mathematics in words, and whether a sentence turns one round."""

from __future__ import annotations

import re

#: Statements that are false whoever says them.
_FALSE = tuple(
    re.compile(rf"(?i){pattern}")
    for pattern in (
        r"\b(?:negative|minus) (?:times|multiplied by|and|by) (?:an?other |a )?(?:negative|minus)(?: number)? (?:is|gives|makes|equals|=|stays)(?: still| always)? (?:a )?(?:negative|minus)",
        r"\b(?:negative|minus) (?:times|multiplied by) (?:a )?(?:positive|plus)(?: number)? (?:is|gives|makes|equals|=)(?: always)? (?:a )?(?:positive|plus)",
        r"\b(?:positive|plus) (?:times|multiplied by) (?:a )?(?:negative|minus)(?: number)? (?:is|gives|makes|equals|=)(?: always)? (?:a )?(?:positive|plus)",
        r"\badd(?:ing)? (?:up )?(?:both )?(?:the )?(?:numerators and (?:the )?)?(?:denominators|bottom numbers|bottoms)\b",
        r"\badd(?:ing)? (?:the )?tops and (?:the )?bottoms\b",
        r"\b(?:addition|adding|plus)(?: always)? (?:comes|goes|is done|happens)(?: first,?)? before (?:multipl|times|divi)",
        r"\b(?:subtraction|subtracting|minus)(?: always)? (?:comes|goes|is done|happens)(?: first,?)? before (?:multipl|times|divi)",
        r"\b(?:work|go|calculate)\b[^.]{0,30}\bfrom left to right, (?:whatever|no matter)\b",
        r"\bto the power (?:of )?(?:0|zero) is (?:always )?(?:0|zero)\b",
        r"\bper ?cent means (?:out of|parts? of) (?!(?:a |one )?(?:100|hundred))",
        r"\b(?:times|multiplied by) (?:0|zero) is (?:the number|itself|one|1)\b",
        r"\bdivid\w+ by (?:0|zero) (?:is|gives) (?:0|zero|one|1|infinity)\b",
        r"\b(?:the )?numerator is (?:the )?(?:bottom|lower|number (?:below|under))",
        r"\b(?:the )?denominator is (?:the )?(?:top|upper|number (?:above|over|on top))",
        r"\bsquare root (?:of a number )?(?:is|means) (?:the )?half\b",
        r"\bsquar(?:ing|ed) (?:a number )?means? (?:to )?(?:double|doubling|times 2|multiply(?:ing)? (?:it )?by (?:2|two)\b)",
        r"\b(?:flip|invert|turn over) (?:the )?first fraction\b",
        r"\ba prime (?:number )?has (?:exactly )?(?:three|one) (?:divisors?|factors?)\b",
        r"\b(?:1|one) is (?:a )?prime\b",
        r"\bsum of (?:the )?angles in a triangle is (?!180)",
        r"\b(?:half|1/2) is (?:the same as )?(?:0\.2|0\.12|20 ?%|25 ?%)\b",
    )
)
_OPERATIONS = (
    (r"\+|plus|add(?:ing|ition|s)?", "add"), (r"-|minus|subtract(?:ing|ion|s)?|tak(?:e|ing) away", "subtract"),
    (r"\*|times|multipl(?:y|ying|ication|ies)", "multiply"), (r"/|divid(?:e|ing|es)|division", "divide"),
    (r"squar(?:e|ing)(?! root)", "square"), (r"square root|root", "root"),
)  # fmt: skip
_INVERSE = {
    "add": "subtract", "subtract": "add", "multiply": "divide", "divide": "multiply", "square": "root",
    "root": "square",
}  # fmt: skip
_UNDO = re.compile(
    r"(?i)\b(?:opposite|inverse|reverse|undo(?:es|ing|ne)?|cancel(?:s|ling)?|get rid of|undone by)\b[^.!?\n]{0,60}"
)
_DENIED = re.compile(
    r"(?i)\b(?:not|never|n't|don't|isn't|wrong|mistake|careful|avoid|instead of|rather than|without)\b|n't\b"
)


def turned_round(text: str) -> list[str]:
    """The places where a rule is stated wrongly and nobody denies it. `text` is normal."""
    found = []
    for sentence in re.split(r"(?<=[.!?])\s+|\n+", text):
        if _DENIED.search(sentence) or sentence.rstrip().endswith("?"):
            continue
        found += [match[0] for pattern in _FALSE if (match := pattern.search(sentence))]
        for match in _UNDO.finditer(sentence):
            named = _named(match[0])
            if len(named) >= 2 and named[1] != _INVERSE[named[0]]:
                found.append(match[0])
    return found


def _named(text: str) -> list[str]:
    places = []
    for pattern, name in _OPERATIONS:
        for match in re.finditer(rf"(?i)(?<![a-z])(?:{pattern})(?![a-z])", text):
            places.append((match.start(), name))
    return [name for _, name in sorted(places)]
