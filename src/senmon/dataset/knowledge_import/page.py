"""A page of a help centre, read: title, address, Markdown in sections, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the Markdown below it, up to the next heading of any level. Level 1 is the page's own."""

    level: int
    title: str
    text: str
    line: int = 0
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """`sections[0]` is what stands before the first heading below the title. `notes` say what was changed."""

    name: str
    title: str
    sections: tuple[Section, ...]
    url: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """An article before it has an id. `key` (page and section) stays the same from import to import."""

    key: str
    page: str
    section: str
    title: str
    text: str
    line: int = 0
    url: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
