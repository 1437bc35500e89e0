"""A first pass over HTML in linear time: only whole, short tags are left for the parser.

The standard library's parser needs minutes for 40 KB of `<a <a <a …` (its patterns backtrack). So what is no
tag becomes text here, and comments, declarations, scripts and styles go.
"""

from __future__ import annotations

import re

#: A tag with more than this is no tag that people wrote, data: images aside.
MAX_TAG = 200_000
_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9:-]{0,40}(?=[\s/>])")
_RAW = ("script", "style")
_STOP = re.compile(r"[<>\"']")


def whole_tags(text: str) -> str:
    """`text` with every `<` that begins no whole tag as `&lt;`, without comments, scripts and styles."""
    return "".join(_Scanner(text).pieces())


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        #: Marks that do not occur any more, so that nobody looks for them again.
        self.absent: set[str] = set()

    def find(self, mark: str, start: int) -> int:
        """Where `mark` is next; -1 when it isn't."""
        if mark in self.absent:
            return -1
        at = self.text.find(mark, start)
        if at < 0:
            self.absent.add(mark)
        return at

    def pieces(self) -> list[str]:
        out: list[str] = []
        at = 0
        while (start := self.find("<", at)) >= 0:
            out.append(self.text[at:start])
            piece, at = self.piece(start)
            out.append(piece)
        return [*out, self.text[at:]]

    def piece(self, start: int) -> tuple[str, int]:
        """What stands for the `<` at `start`, and where to go on."""
        if self.text.startswith("<!--", start):
            return self.lines(start, self.after("-->", start + 4))
        if self.text[start + 1 : start + 2] in ("!", "?"):
            return self.lines(start, self.after(">", start))
        name = _NAME.match(self.text, start + 1)
        end = self.tag_end(name.end()) if name else -1
        if name is None or end < 0 or end - start > MAX_TAG:
            return "&lt;", start + 1
        if name[0].lower() in _RAW:
            return self.lines(start, self.after(f"</{name[0].lower()}", end))
        return self.text[start:end], end

    def after(self, mark: str, start: int) -> int:
        """The place behind `mark`, or the end of the text."""
        if mark.startswith("</"):
            found = re.compile(re.escape(mark) + r"[^>]{0,200}>", re.I).search(self.text, start)
            return found.end() if found else len(self.text)
        at = self.find(mark, start)
        return at + len(mark) if at >= 0 else len(self.text)

    def lines(self, start: int, end: int) -> tuple[str, int]:
        """What is dropped leaves its line ends, so that later lines keep their numbers."""
        return "\n" * self.text.count("\n", start, end), end

    def tag_end(self, at: int) -> int:
        """The place behind the tag's `>`; -1 when another tag begins first or a quote never ends."""
        while (match := _STOP.search(self.text, at)) is not None:
            mark = match[0]
            if mark == ">":
                return match.end()
            if mark == "<":
                return -1
            closing = self.find(mark, match.end())
            if closing < 0 or closing - at > MAX_TAG:
                return -1
            at = closing + 1
        return -1
