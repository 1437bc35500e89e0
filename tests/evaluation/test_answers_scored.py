"""Scores of replies that answer by reference."""

from __future__ import annotations

from pathlib import Path

from senmon.evaluation.scoring import context_of, named_facts
from senmon.messages import Message
from senmon.packs.loader import load_pack
from senmon.rendering import context_message

PACK = load_pack(Path(__file__).parents[2] / "domains" / "support")
PASSAGES = {article.id: article.passage() for article in PACK.articles}


def shown(*names: str) -> Message:
    message = context_message([PASSAGES[name] for name in names])
    assert message is not None
    return message


def test_an_answer_names_the_facts_of_its_article() -> None:
    passages = (PASSAGES["express"], PASSAGES["returns"])
    assert named_facts("[[answer.2]]", passages) == {
        "answer.2",
        "article.return_days",
        "article.return_place",
    }
    assert named_facts("[[answer.3]] [[order.eta]]", passages) == {"answer.3", "order.eta"}


def test_the_last_turns_passages_are_the_ones_that_answer() -> None:
    first = (Message("user", "a"), shown("express", "returns"), Message("assistant", "[[answer.1]]"))
    second = (*first, Message("user", "b"), shown("warranty"))
    facts = context_of(PACK, second).facts
    assert facts["answer.1"].startswith("The warranty is 3 years")
    assert "answer.2" not in facts
    assert facts["article.warranty_years"] == "3 years"
    without = context_of(PACK, (*first, Message("user", "c"))).facts
    assert not [name for name in without if name.startswith("answer.")]
