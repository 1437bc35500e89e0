"""A conversation as a Markdown file: what was said stands in quotes, so that it can't pass for our words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from senmon.server.schemas import PublicMessage

_LABELS = {
    "en": {
        "title": "Conversation",
        "visitor": "You",
        "bot": "Assistant",
        "agent": "Agent",
        "sources": "Sources",
    },
    "ja": {
        "title": "会話の記録",
        "visitor": "あなた",
        "bot": "アシスタント",
        "agent": "担当者",
        "sources": "出典",
    },
}
_ESCAPED = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_[]<>#"})


def transcript(messages: Sequence[PublicMessage], began: datetime, language: str = "en") -> str:
    """Markdown, times in UTC. Languages without labels get English ones."""
    labels = _LABELS.get(language.partition("-")[0].lower(), _LABELS["en"])
    parts = [f"# {labels['title']}, {began:%Y-%m-%d %H:%M} UTC"]
    for message in messages:
        who = labels[message.author.kind]
        name = message.author.name if message.author.kind != "visitor" else ""
        speaker = f"{who} ({name.translate(_ESCAPED)})" if name else who
        parts.append(f"**{speaker}**, {message.created_at:%H:%M}\n\n{_quoted(message.text)}")
        if message.citations:
            named = dict.fromkeys(citation.title for citation in message.citations)
            parts.append(f"{labels['sources']}: {', '.join(name.translate(_ESCAPED) for name in named)}")
    return "\n\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
