"""How much of a conversation goes into the prompt."""

from __future__ import annotations

from senmon.messages import Conversation, Message
from senmon.routing.router import REMEMBERED


def turn_alone(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The last turn without those before it."""
    at = max((at for at, message in enumerate(messages) if message.role == "user"), default=0)
    return messages[at:]


def window(messages: tuple[Message, ...], trims: int) -> tuple[Message, ...]:
    """The newest part of a conversation: each trim halves the number of turns, the last one stays."""
    starts = [index for index, message in enumerate(messages) if message.role == "user"]
    if not trims or len(starts) < 2:
        return messages
    keep = max(1, len(starts) >> trims)
    return messages[starts[-keep] :]


def earlier(state: Conversation) -> tuple[str, ...]:
    """What the user said to the conversation's pack just before, back to the last change of pack."""
    said = zip(state.messages[:-1], state.owners[:-1], strict=False)
    mine: list[str] = []
    for message, owner in reversed(tuple(said)):
        if owner not in ("", state.pack) or len(mine) == REMEMBERED:
            break
        if message.role == "user":
            mine.append(message.content)
    return tuple(reversed(mine))
