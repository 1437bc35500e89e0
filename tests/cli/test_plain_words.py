"""What strangers wrote reaches the terminal as words only."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from senmon.cli.plain_text import PlainWords, plain


@pytest.mark.parametrize("steering", ["\x1b[2J", "\x9b2J", "\r", "\x00", "\u202e", "\ud800", "\x7f"])
def test_nothing_steers_the_terminal(steering: str) -> None:
    out = Console(file=io.StringIO(), width=60)
    out.push_render_hook(PlainWords())
    table = Table("name")
    table.add_row(f"a{steering}b")
    out.print(table)
    out.print(f"c{steering}d", markup=False, soft_wrap=True)
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    assert steering not in shown
    assert "�" in plain(steering)


def test_words_of_all_scripts_and_styles_stay() -> None:
    out = Console(file=io.StringIO(), width=60, force_terminal=True, color_system="standard")
    out.push_render_hook(PlainWords())
    text = "naïve 10\u00a0000 שלום 👩\u200d🚒\ttab"
    out.print(f"[red]x[/]{text}")
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[31mx\x1b[0m" in shown and "�" not in shown and plain(text) == text
