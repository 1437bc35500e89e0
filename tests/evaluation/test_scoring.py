"""What a reply is judged by: what the conversation before it says, no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from senmon.checks.maths import MathsCheck
from senmon.evaluation.scoring import context_of, passes
from senmon.messages import Message, ToolCall
from senmon.packs.loader import load_pack


def test_arguments_of_calls_are_slots(pack_folder: Callable[..., Path]) -> None:
    pack = load_pack(pack_folder())
    call = ToolCall("call_1", "open_problem", {"problem": "3x - 7 = 11"})
    talk = (
        Message("user", "3x - 7 = 11"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", '{"status": "opened"}', tool_call_id="call_1", name="open_problem"),
    )
    context = context_of(pack, talk)
    assert context.slots == {"problem": "3x - 7 = 11"}
    assert passes("That gives 3x = 18.", [MathsCheck()], context)
    assert not passes("That gives 3x = 17.", [MathsCheck()], context)
    assert passes("That gives 3x = 17.", [MathsCheck()], context_of(pack, talk[:1])), "no problem is open"
