"""Questions and an answer → one-turn examples that show the article and answer from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from senmon.dataset.knowledge_import.page import Draft
from senmon.messages import CONTEXT

INTENT = "faq"
_LABEL = re.compile(r"[^\w/-]+")


def example_lines(
    draft: Draft, article: str, facts: Mapping[str, str], category: str, origin: str
) -> Iterator[str]:
    """A data line per question. The reply is the answer; known facts in it are referred to by name."""
    reply = referring(draft.text, {**draft.facts, **facts})
    for question in (draft.title, *draft.questions):
        messages = [
            {"role": "user", "content": question},
            {"role": "tool", "name": CONTEXT, "passages": [article]},
            {"role": "assistant", "content": reply},
        ]
        record = {"messages": messages, "intent": intent_of(category), "origin": origin}
        yield json.dumps(record, ensure_ascii=False) + "\n"


def referring(text: str, facts: Mapping[str, str]) -> str:
    """`text` with each value replaced by its fact's name; longer values first, never within a longer word."""
    for name, value in sorted(facts.items(), key=lambda item: -len(item[1])):
        whole = rf"(?<![\w.,\[]){re.escape(value)}(?![\w\]]|[.,]\d)"
        text = re.sub(whole, f"[[article.{name}]]", text)
    return text


def intent_of(category: str) -> str:
    """A label for a category: lower-case words with underscores; `faq` without one."""
    return "_".join(_LABEL.sub(" ", category).lower().split())[:80] or INTENT
