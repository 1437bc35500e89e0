"""What of a conversation the model gets to see."""

from __future__ import annotations

from typing import cast

from senmon.assistant.window import likely_moves, turn_alone
from senmon.messages import Message
from senmon.packs.manifest import ContextRules
from senmon.policy.model import Policy
from senmon.policy.situation import Situation

RULES = ContextRules(likely=True, alone=("answer", "stock"))


class Sure:
    """Takes a message by itself for what its first word says, in a conversation for an order's."""

    def likely(self, situation: Situation) -> tuple[str, ...]:
        if situation.before:
            return ("order_status",)
        first = situation.text.split()[0]
        return (first,) if first in ("answer", "stock", "cancel") else ("stock", "answer")


def moves(*texts: str) -> tuple[tuple[str, ...], bool]:
    said = [Message("user", "where is it"), Message("assistant", "On its way.")]
    return likely_moves(cast(Policy, Sure()), RULES, [*said, *(Message("user", text) for text in texts)])


def test_a_message_that_says_clearly_what_it_wants_stands_alone() -> None:
    assert moves("stock of the blue tent please") == (("stock",), True)
    assert moves("answer me about returning shoes") == (("answer",), True)


def test_everything_else_is_a_part_of_the_conversation() -> None:
    assert moves("cancel the blue tent order now") == (("order_status",), False)  # not among the pack's
    assert moves("tell me about the blue tent") == (("order_status",), False)  # not clear
    assert moves("yes") == (("order_status",), False)
    assert moves("and the blue tent, is it in stock") == (("order_status",), False)  # points back
    first = likely_moves(cast(Policy, Sure()), RULES, [Message("user", "stock of the blue tent")])
    assert first == (("stock",), False)


def test_a_turn_alone_begins_with_the_last_user_message() -> None:
    messages = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("tool", "d"))
    assert turn_alone(messages) == messages[2:]
