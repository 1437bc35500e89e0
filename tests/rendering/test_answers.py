"""Answers by reference: a passage offers its own short reply, and a reply says it by its place."""

from __future__ import annotations

from senmon.messages import Conversation, Event, Passage
from senmon.rendering import context_message, fill_references, flatten_facts

RETURNS = Passage(
    "returns",
    "Returns",
    "Send it back within 30 days. Much more is told here.",
    facts={"return_days": "30 days"},
    answer="You have [[article.return_days]] to return it.",
)
FEES = Passage("fees", "Fees", "A fee of €5.", facts={"fee": "€5"})
GIFTS = Passage("gifts", "Gifts", "Wrapped.", answer="We wrap gifts.")


def test_an_answer_is_shown_behind_its_reference_and_in_place_of_the_text() -> None:
    message = context_message([RETURNS, FEES, GIFTS])
    assert message is not None
    assert message.content.split("\n") == [
        "[[answer.1]] Returns: You have 30 days to return it.",
        "# Fees",
        "A fee of €5.",
        "facts: [[article.fee]]",
        "[[answer.3]] Gifts: We wrap gifts.",
    ]


def test_a_reply_says_the_answer_with_its_facts_filled_in() -> None:
    facts = flatten_facts({}, [GIFTS, RETURNS])
    text, missing = fill_references("Sure. [[answer.2]]", facts)
    assert text == "Sure. You have 30 days to return it."
    assert missing == ()
    assert fill_references("[[answer.3]]", facts)[1] == ("answer.3",)
    assert "answer.1" not in flatten_facts({}, [FEES])


def test_an_answer_is_filled_with_its_own_articles_facts() -> None:
    """Though a name means, in a reply, the first passage that has it."""
    other = Passage("other", "Other", "", facts={"return_days": "9 days"})
    assert flatten_facts({}, [other, RETURNS])["answer.2"] == "You have 30 days to return it."


def test_an_answer_can_be_said_only_in_the_turn_that_found_it() -> None:
    state = Conversation(pack="shop").apply(Event("route", {"pack": "shop"}))
    state = state.apply(Event("passages", {}, {"facts": flatten_facts({}, [RETURNS])}))
    assert state.facts["answer.1"]
    later = state.apply(Event("route", {"pack": "shop"}))
    assert "answer.1" not in later.facts
    assert later.facts["article.return_days"] == "30 days"
    elsewhere = later.apply(Event("route", {"pack": "other"})).apply(Event("route", {"pack": "shop"}))
    assert "answer.1" not in elsewhere.facts
