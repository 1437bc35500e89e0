"""How much of a conversation goes into the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from senmon.messages import Message
from senmon.packs.manifest import ContextRules
from senmon.policy.model import Policy
from senmon.policy.situation import Situation, situation
from senmon.routing.continuation import continuation, refers_back

Moves: TypeAlias = tuple[str, ...]


def likely_moves(policy: Policy, rules: ContextRules, messages: Sequence[Message]) -> tuple[Moves, bool]:
    """What the last user message makes likely, and whether it is to be answered by itself.

    A small model takes whatever follows a talk about an order for a part of it. So a message that says
    clearly by itself what it wants, and does not point back, is answered as if it came first, where the pack
    allows.
    """
    here = situation(messages)
    if rules.alone and here.before and not continuation(here.text) and not refers_back(here.text):
        itself = policy.likely(Situation(here.text))
        if len(itself) == 1 and itself[0].split()[0] in rules.alone:
            return itself, True
    return policy.likely(here), False


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
