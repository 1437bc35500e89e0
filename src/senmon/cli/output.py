"""What the commands print: a table for people, JSON for machines, errors on stderr."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Any

from rich.console import Console, RenderableType

from senmon.cli.plain_text import PlainWords

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
for _each in (console, errors):
    _each.push_render_hook(PlainWords())


def emit(data: Any, table: RenderableType | None = None, *, json: bool = False) -> None:
    """Print `data` as JSON, or `table` for people."""
    if json or table is None:
        print(
            jsonlib.dumps(data, ensure_ascii=False, indent=None if _is_line(data) else 2, default=str),
            flush=True,
        )
    else:
        console.print(table)


def emit_line(data: Any) -> None:
    """One JSON record on one line, at once: for streams."""
    print(jsonlib.dumps(data, ensure_ascii=False, default=str), flush=True)


def note(text: str) -> None:
    """A remark for people, beside the result."""
    errors.print(text)


def _is_line(data: Any) -> bool:
    return not isinstance(data, dict | list)


def wants_json(arguments: list[str] | None = None) -> bool:
    return "--json" in (sys.argv if arguments is None else arguments)
