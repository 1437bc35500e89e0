"""Sections of a page of benchmarks, each between its own marks, and plots beside it: written atomically."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def marks(name: str) -> tuple[str, str]:
    return f"<!-- bench {name}: begin -->", f"<!-- bench {name}: end -->"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return ["| " + " | ".join(line) + " |" for line in (heads, ["---"] * len(heads), *rows)]


def put_section(page: Path, name: str, lines: Sequence[str]) -> None:
    """Put `lines` in place of the section of that name, or behind everything."""
    begin, end = marks(name)
    text = "\n".join([begin, *lines, end]) + "\n"
    known = page.read_text(encoding="utf-8") if page.is_file() else "# Benchmarks\n"
    if begin in known and end in known:
        known = known.split(begin, 1)[0] + text + known.split(end, 1)[1].lstrip("\n")
    else:
        known = known.rstrip("\n") + "\n\n" + text
    page.parent.mkdir(parents=True, exist_ok=True)
    draft = page.with_name(f".{page.name}")
    draft.write_text(known, encoding="utf-8")
    draft.replace(page)


def save_plot(canvas: Any, path: Path) -> None:
    """A matplotlib figure as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    canvas.savefig(draft, format="png")
    draft.replace(path)
