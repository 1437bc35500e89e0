"""What strangers wrote, for a terminal: no control sequence, no markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.markup import escape
from rich.segment import Segment

#: Controls but tab and line feed, marks that turn the order of letters, halves of pairs.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """Signs that steer a terminal, or turn the order of letters, show as `�`; line breaks stay."""
    return _STEERING.sub("�", text)


def safe(text: str) -> str:
    """The same, for where rich reads markup."""
    return escape(plain(text))


@dataclass(frozen=True, slots=True)
class _Tame:
    """A renderable whose words are plain; rich's own styles and controls stay."""

    inner: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.inner, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


class PlainWords(RenderHook):
    """For a console: whatever is printed, what strangers wrote can't steer the terminal."""

    def process_renderables(self, renderables: Iterable[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Tame(each) for each in renderables]
