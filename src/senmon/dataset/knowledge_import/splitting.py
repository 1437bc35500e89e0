"""Page → articles of a size that retrieval can handle: divided at headings, the page's title kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from senmon.dataset.knowledge_import.page import Draft, Page, Section

#: An article up to this many words stays whole; retrieval shows groups of about 120 words.
WORDS = 250
#: A section below this many words goes with its neighbour.
FEW_WORDS = 15
_FENCE = re.compile(r"^(```|~~~)", re.M)


@dataclass(frozen=True, slots=True)
class _Part:
    """Consecutive sections that make one article."""

    title: str
    text: str
    line: int
    anchor: str


def split_page(page: Page, words: int = WORDS) -> tuple[Draft, ...]:
    """The articles of a page: one, or one per section (and per part of a section that is still too long)."""
    sections = [section for section in page.sections if section.text or section.title]
    whole = _joined(sections, first_title=page.title)
    if _count(whole) <= words or not sections:
        return (
            _draft(page, "", page.title, whole, sections[0].line if sections else 1, page.url, first=True),
        )
    parts = [piece for part in _parts(sections, page.title, words) for piece in _cut(part, words)]
    if len(parts) == 1:
        return (_draft(page, "", page.title, parts[0].text, parts[0].line, page.url, first=True),)
    return tuple(_from_part(page, part, first=not index) for index, part in enumerate(parts))


def _parts(sections: Sequence[Section], title: str, words: int) -> Iterator[_Part]:
    """Groups at the highest level of heading; a group that is too long is divided at the next level."""
    levels = [section.level for section in sections[1:] if section.title != title] or [6]
    yield from _merged(_grouped(sections, title, min(levels), words))


def _grouped(sections: Sequence[Section], title: str, level: int, words: int) -> Iterator[_Part]:
    group: list[Section] = []
    for section in [*sections, None]:
        if section is not None and (not group or section.level > level):
            group.append(section)
            continue
        own = group[0].title or title
        text = _joined(group, first_title=own)
        deeper = min((each.level for each in group[1:]), default=0)
        if _count(text) > words and deeper > level:
            for part in _grouped(group, own, deeper, words):
                inner = part.title if part.title == own else f"{own}: {part.title}"
                yield replace(part, title=inner)
        elif text:
            yield _Part(own, text, group[0].line, group[0].anchor)
        if section is not None:
            group = [section]


def _merged(parts: Iterator[_Part]) -> Iterator[_Part]:
    """A section of a few words joins the one before it."""
    held: _Part | None = None
    for part in parts:
        if held is None:
            held = part
        elif _count(part.text) < FEW_WORDS:
            held = replace(held, text=f"{held.text}\n\n**{part.title}**\n\n{part.text}")
        else:
            yield held
            held = part
    if held is not None:
        yield held


def _cut(part: _Part, words: int) -> Iterator[_Part]:
    """A far too long section without headings is cut between paragraphs, never within a code block."""
    if _count(part.text) <= 2 * words:
        yield part
        return
    groups: list[list[str]] = [[]]
    for block in _blocks(part.text):
        if groups[-1] and _count("\n".join([*groups[-1], block])) > words:
            groups.append([])
        groups[-1].append(block)
    for number, group in enumerate(groups, start=1):
        title = part.title if number == 1 else f"{part.title} (part {number})"
        yield replace(part, title=title, text="\n\n".join(group))


def _blocks(text: str) -> Iterator[str]:
    held: list[str] = []
    for block in re.split(r"\n{2,}", text):
        held.append(block)
        if len(_FENCE.findall("\n\n".join(held))) % 2 == 0:
            yield "\n\n".join(held)
            held = []
    if held:
        yield "\n\n".join(held)


def _joined(sections: Sequence[Section], *, first_title: str) -> str:
    blocks = []
    for section in sections:
        if section.title and section.title != first_title:
            blocks.append(f"{'#' * max(section.level, 2)} {section.title}")
        blocks.append(section.text)
    return "\n\n".join(block for block in blocks if block).strip()


def _from_part(page: Page, part: _Part, *, first: bool) -> Draft:
    own = part.title == page.title
    title = part.title if own else f"{page.title}: {part.title}"
    url = f"{page.url}#{part.anchor}" if page.url and part.anchor and not own else page.url
    return _draft(page, "" if own and first else part.title, title, part.text, part.line, url, first=first)


def _draft(page: Page, section: str, title: str, text: str, line: int, url: str, *, first: bool) -> Draft:
    return Draft(
        key=f"{page.name}#{section}" if section else page.name,
        page=page.name,
        section=section,
        title=title[:200],
        text=text,
        line=line,
        url=url,
        facts={name: value for name, value in page.facts.items() if first or value in text},
        questions=page.questions if first else (),
    )


def _count(text: str) -> int:
    return len(text.split())
