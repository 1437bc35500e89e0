"""How much of a conversation goes into the prompt."""

from __future__ import annotations

from senmon.messages import Message


def window(messages: tuple[Message, ...], trims: int) -> tuple[Message, ...]:
    """The newest part of a conversation: each trim halves the number of turns, the last one stays."""
    starts = [index for index, message in enumerate(messages) if message.role == "user"]
    if not trims or len(starts) < 2:
        return messages
    keep = max(1, len(starts) >> trims)
    return messages[starts[-keep] :]
