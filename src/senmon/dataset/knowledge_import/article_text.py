"""An article in the pack's format: YAML front matter, then Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def article_text(
    title: str,
    text: str,
    *,
    url: str = "",
    facts: Mapping[str, str] | None = None,
    questions: Sequence[str] = (),
    answer: str = "",
) -> str:
    """The file's text. Values are JSON strings, which YAML reads as they are, whatever they hold."""
    lines = ["---", f"title: {_quoted(title)}"]
    if url:
        lines.append(f"url: {_quoted(url)}")
    if facts:
        lines += ["facts:", *(f"  {name}: {_quoted(value)}" for name, value in facts.items())]
    if answer:
        lines.append(f"answer: {_quoted(answer)}")
    if questions:
        lines += ["questions:", *(f"- {_quoted(question)}" for question in questions)]
    return "\n".join([*lines, "---", text.strip(), ""])


def _quoted(value: str) -> str:
    """Plain where YAML can't misread it, else a JSON string; text beyond the basic plane stays itself."""
    return json.dumps(" ".join(value.split()), ensure_ascii=False)
