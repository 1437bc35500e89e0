"""What a message is taken to want, and what of a conversation the model gets to see."""

from __future__ import annotations

from typing import cast

from senmon.assistant.window import turn_alone
from senmon.assistant.wishes import Agenda, Wish, wishes
from senmon.messages import Message, ToolCall
from senmon.packs.manifest import PackManifest
from senmon.policy.model import Policy
from senmon.policy.situation import Situation

ORDER = {"parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
         "candidates": {"order_id": r"\bA\d{4}\b"}}  # fmt: skip
MANIFEST = PackManifest.model_validate({
    "name": "shop", "title": "Shop", "description": "Orders.", "licence": "Apache-2.0",
    "context": {"likely": True, "alone": ["answer", "stock"], "bind": 0.9},
    "actions": {"specs": [
        {"name": "cancel", "description": "cancel", **ORDER},
        {"name": "status", "description": "where it is", **ORDER},
        {"name": "stock", "description": "stock"},
    ]},
})  # fmt: skip
FREE = MANIFEST.model_copy(update={"context": MANIFEST.context.model_copy(update={"bind": 0.0})})
TALK = (Message("user", "where is it"), Message("assistant", "On its way."))


class Sure:
    """Takes a message by itself for what its first word says, in a conversation for a word about an order."""

    def probabilities(self, here: Situation) -> dict[str, float]:
        first = here.text.split()[0].lower()
        if here.before or first not in ("answer", "stock", "cancel", "status"):
            return {"status": 0.6, "reply": 0.4}
        return {first: 0.95, "reply": 0.05}


def wanted(
    text: str, manifest: PackManifest = MANIFEST, *, before: tuple[Message, ...] = TALK
) -> tuple[Wish, ...]:
    return wishes(cast(Policy, Sure()), manifest, [*before, Message("user", text)])


def alone(text: str) -> bool:
    (wish,) = wanted(text)
    return wish.alone


def test_a_message_that_says_clearly_what_it_wants_stands_alone_and_binds() -> None:
    text = "stock of the blue tent please"
    assert wanted(text) == (Wish(text, ("stock",), alone=True, bound="stock"),)
    assert alone("answer me about returning shoes")
    assert alone("and stock of the blue tent, please")  # the opening word is no part of the wish
    assert alone("no, I meant cancel A1004")  # brings its own order
    assert wanted(text, FREE) == (Wish(text, ("stock",), alone=True),)  # the pack lets the model decide


def test_everything_else_is_a_part_of_the_conversation() -> None:
    assert not alone("cancel the blue tent order now")  # which order was said before
    assert not alone("tell me about the blue tent")  # not clear
    assert not alone("yes")
    assert not alone("and stock of that blue tent")  # points back
    (first,) = wanted("stock of the blue tent", before=())
    assert first == Wish("stock of the blue tent", ("stock",), bound="stock")


def test_wishes_with_values_of_their_own_are_told_apart() -> None:
    found = wanted("Cancel A1004 and status of A1001?")
    assert [(each.text, each.bound, each.part) for each in found] == [
        ("Cancel A1004", "cancel", True),
        ("status of A1001?", "status", True),
    ]
    assert len(wanted("cancel A1004. status of A1004?")) == 1  # one order, perhaps one wish
    assert len(wanted("cancel A1004 and tell me more")) == 1
    assert len(wanted("cancel A1004 and status of A1001?", FREE)) == 1


def test_what_binds_is_offered_and_must_be_called_and_an_answer_forbids_calls() -> None:
    specs = MANIFEST.actions.specs
    assert Wish("x", bound="cancel").offered(specs) == ((specs[0],), True)
    assert Wish("x", bound="answer").offered(specs) == ((), False)
    assert Wish("x").offered(specs) == (specs, False)


def test_of_a_part_the_model_sees_that_part_and_what_was_done_for_it() -> None:
    one, two = wanted("Cancel A1004 and status of A1001?", before=())
    agenda = Agenda((one, two))
    said = (Message("user", "Cancel A1004 and status of A1001?"),)
    agenda.begin(two, said, "Cancelled.")
    assert agenda.released(said, "Cancelled. ") == ""
    assert [each.content for each in agenda.view(said)] == ["status of A1001?", "likely: status"]
    call = ToolCall("call_1", "status", {"order_id": "A1001"})
    done = (
        *said,
        Message("assistant", "Cancelled.", tool_calls=(call,)),
        Message("tool", "{}", name="status"),
    )
    assert [each.content for each in agenda.view(done)] == ["status of A1001?", "likely: status", "", "{}"]
    assert agenda.released(done, "It is") == "It is"


def test_a_turn_alone_begins_with_the_last_user_message() -> None:
    messages = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("tool", "d"))
    assert turn_alone(messages) == messages[2:]


def test_a_number_named_first_here_is_looked_up_and_not_answered_from_what_is_known() -> None:
    (wish,) = wanted(
        "show me B2001 / A2001", before=(Message("user", "A1001?"), Message("assistant", "Sent."))
    )
    assert wish.taking == ("cancel", "status")
    offered, must = wish.offered(tuple(MANIFEST.actions.specs))
    assert [spec.name for spec in offered] == ["cancel", "status"]
    assert must
    agenda, talk = Agenda((wish,), wish), (Message("user", "A1001?"), Message("user", "show me A2001"))
    assert agenda.sources(talk) == (talk[-1],)
    ran = (*talk, Message("tool", "{}", name="status"))
    assert agenda.sources(ran) == ran
    known = (Message("user", "where is a2001"), Message("assistant", "Sent."))
    assert wanted("and what is in A2001", before=known)[0].taking == ()  # may be answered from what was found
    assert (
        wanted("show me A2001", before=())[0].taking == ()
    )  # the model's own choice, as of any first message


def test_a_number_in_a_message_that_wants_something_else_forces_nothing() -> None:
    class Asks(Sure):
        def probabilities(self, here: Situation) -> dict[str, float]:
            return {"answer": 0.6, "reply": 0.4}

    (wish,) = wishes(
        cast(Policy, Asks()), MANIFEST, [*TALK, Message("user", "how do I return things like A2001")]
    )
    assert wish.taking == ()
