"""Release units: the pieces in which a reply is judged and sent.

A unit is a sentence, a list item, a closed formula or a line, at most 240 characters. Text inside an open
`[[reference`, formula or number is never cut, because a check must see it whole.
"""

from __future__ import annotations

import re

LIMIT = 240
_END = re.compile(r"""[.!?。！？…]+["'”’)\]]*(?=\s)|\n+""")
_ABBREVIATIONS = ("e.g.", "i.e.", "mr.", "mrs.", "ms.", "dr.", "no.", "vs.", "approx.", "etc.")
_PAIRS = (("[[", "]]"), ("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"))


class Splitter:
    """Collects generated text; gives whole units back as soon as they are complete."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, text: str) -> list[str]:
        """Units that `text` completes, trailing white space included."""
        self._text += text
        units: list[str] = []
        while (cut := _cut(self._text)) is not None:
            units.append(self._text[:cut])
            self._text = self._text[cut:]
        return units

    def rest(self) -> str:
        """What is left at the end of the reply."""
        rest, self._text = self._text, ""
        return rest


def _cut(text: str) -> int | None:
    for match in _END.finditer(text):
        end = match.end()
        if not _is_open(text[:end]) and not _is_abbreviation(text[:end]):
            return _after_space(text, end)
    return _forced_cut(text)


def _after_space(text: str, end: int) -> int | None:
    """Take the white space along, once something follows it or there is some."""
    cut = end
    while cut < len(text) and text[cut].isspace():
        cut += 1
    return cut


def _forced_cut(text: str) -> int | None:
    if len(text) <= LIMIT:
        return None
    space = text.rfind(" ", 0, LIMIT)
    while space > 0 and _is_open(text[:space]):
        space = text.rfind(" ", 0, space)
    return space + 1 if space > 0 else LIMIT


def _is_open(text: str) -> bool:
    for opening, closing in _PAIRS:
        if opening == closing:
            if text.count(opening) % 2:
                return True
        elif text.count(opening) > text.count(closing):
            return True
    return False


def _is_abbreviation(text: str) -> bool:
    last = text.rstrip().rsplit(None, 1)[-1:] or [""]
    return last[0].lower() in _ABBREVIATIONS or bool(re.fullmatch(r"\d+\.", last[0]) and _starts_line(text))


def _starts_line(text: str) -> bool:
    """`1.` at the start of a line numbers a list item; it ends no sentence."""
    return bool(re.search(r"(^|\n)\s*\d+\.$", text.rstrip()))
