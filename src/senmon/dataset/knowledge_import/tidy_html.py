"""HTML as people wrote it → HTML with every tag closed, nothing that runs, nothing hidden, a bounded depth.

`html.parser` alone leaves `<p>` and `<li>` without end tags open, so that a long list nests as deep as it is
long. This pass closes them as the HTML standard says (13.1.2.4, optional tags), and notes headings' lines.
"""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

from senmon.dataset.knowledge_import.text_encoding import visible
from senmon.dataset.knowledge_import.tokens_html import whole_tags

MAX_DEPTH = 150
_VOID = "area base br col embed hr img input link meta source track wbr"
VOID = frozenset(_VOID.split())
_DROPPED = """
script style noscript template iframe object embed applet svg math canvas audio video map button select
textarea input dialog
"""
DROPPED = frozenset(_DROPPED.split())
_TABLE = frozenset({"table"})
#: Tag → (tags that it ends when they are open, tags that the search for them does not cross).
_ENDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "li": (frozenset({"li"}), frozenset({"ul", "ol"})),
    "dt": (frozenset({"dt", "dd"}), frozenset({"dl"})),
    "dd": (frozenset({"dt", "dd"}), frozenset({"dl"})),
    "td": (frozenset({"td", "th"}), frozenset({"tr", "table"})),
    "th": (frozenset({"td", "th"}), frozenset({"tr", "table"})),
    "tr": (frozenset({"tr"}), _TABLE),
    "tbody": (frozenset({"thead", "tbody", "tfoot"}), _TABLE),
    "tfoot": (frozenset({"thead", "tbody", "tfoot"}), _TABLE),
}
_BLOCKS = """
address article aside blockquote details div dl fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr main
nav ol p pre section table ul
"""
_ENDS_PARAGRAPH = frozenset(_BLOCKS.split())
_INVISIBLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])", re.I
)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_KEPT = {
    "a": ("href", "id", "name"), "img": ("alt",), "code": ("class",), "pre": ("class",), "html": ("lang",),
    "link": ("rel", "href"), "meta": ("property", "name", "content"), "ol": ("start",), "td": ("colspan",),
}  # fmt: skip


class _Tidy(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.open: list[str] = []
        #: The element that is being dropped, and how many of its name are open within it.
        self.dropped, self.depth = "", 0
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.dropped == "p" and tag in _ENDS_PARAGRAPH:
            self.dropped = ""
        if self.dropped:
            self.depth += tag == self.dropped
            return
        given = {name: value or "" for name, value in attrs}
        unseen = _unseen(given)
        if tag in DROPPED or unseen:
            self.hidden += unseen
            if tag not in VOID:
                self.dropped, self.depth = tag, 1
        elif _NAME.fullmatch(tag):
            self._open(tag, given)

    def _open(self, tag: str, given: dict[str, str]) -> None:
        self._end_optional(tag)
        self.out.append(_start(tag, given, self.getpos()[0]))
        if tag not in VOID:
            self.open.append(tag)
            if len(self.open) > MAX_DEPTH:
                raise ValueError(f"is nested more than {MAX_DEPTH} elements deep (line {self.getpos()[0]})")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<br/>` is `<br>`; `<div/>` is `<div>`, as browsers read it."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self.dropped:
            self.depth -= tag == self.dropped
            self.dropped = self.dropped if self.depth else ""
        elif tag in self.open:
            self._close(tag)

    def handle_data(self, data: str) -> None:
        if not self.dropped:
            # A character reference may stand for what was taken out before.
            self.out.append(escape(visible(data), quote=False))

    def _close(self, tag: str) -> None:
        last = ""
        while last != tag:
            last = self.open.pop()
            self.out.append(f"</{last}>")

    def _end_optional(self, tag: str) -> None:
        ended, fence = _ENDS.get(tag, (frozenset(), frozenset()))
        if tag in _ENDS_PARAGRAPH:
            ended, fence = frozenset({"p"}), frozenset({"li", "td", "th", "div", "section", "blockquote"})
        for name in reversed(self.open):
            if name in fence:
                return
            if name in ended:
                self._close(name)
                return

    def text(self) -> str:
        self.out += (f"</{tag}>" for tag in reversed(self.open))
        return "".join(self.out)


def tidy_html(text: str) -> tuple[str, int]:
    """Clean HTML, and how many hidden elements were dropped. Raises ValueError when it is nested too deep."""
    tidy = _Tidy()
    tidy.feed(whole_tags(text))
    # What is left of a tag or entity that never ended is text, not markup.
    tidy.close()
    return tidy.text(), tidy.hidden


def _unseen(given: dict[str, str]) -> bool:
    return (
        "hidden" in given
        or given.get("aria-hidden", "").lower() == "true"
        or bool(_INVISIBLE.search(given.get("style", "")))
    )


def _start(tag: str, given: dict[str, str], line: int) -> str:
    """The tag with the attributes that are read later."""
    names = {"id", "class", "role", *_KEPT.get(tag, ())}
    kept = {name: value[:2000] for name, value in given.items() if name in names}
    if re.fullmatch(r"h[1-6]", tag):
        kept["data-line"] = given.get("data-line") or str(line)
    return f"<{tag}" + "".join(f' {name}="{escape(value)}"' for name, value in kept.items()) + ">"
