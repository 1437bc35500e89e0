"""Questions that the articles answer, and questions that they only seem to answer."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from seeds import ARTICLES, TALK, Draw, Message, NotSaidError, Talk
from surface import surface
from turns import asks, closing, found, off_topic, offer_taken, says

#: How many of the questions whose article retrieval missed are kept. They end with the offer of a person.
MISSED = 0.12


def answer(rng: Random, article: dict[str, Any], template: str) -> str:
    """By reference, where retrieval found the article; else nothing is known."""
    names = found(template)
    if article["article"] not in names:
        return str(TALK["unknown"]["reply"][0])
    said = f"[[answer.{names.index(article['article']) + 1}]]"
    return f"{article['before']} {said}" if "before" in article else said


def asked(rng: Random, article: dict[str, Any], template: str) -> list[Message]:
    text = surface(rng, template)
    return [*asks(rng, template, text), says(answer(rng, article, template))]


def answerable(article: dict[str, Any]) -> list[str]:
    return [words for words in article["user"] if article["article"] in found(words)]


def question(article: dict[str, Any], template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        if article["article"] not in found(template) and rng.random() > MISSED:
            raise NotSaidError(template)
        start = asked(rng, article, template)
        way = rng.random()
        if way < 0.12:
            more = rng.choice(ARTICLES)
            start += asked(rng, more, rng.choice(answerable(more)))
        elif way < 0.17:
            start += closing(rng)
        elif way < 0.22:
            start += off_topic(rng)
        elif way < 0.226:
            start += unanswered(rng, rng.choice(TALK["unknown"]["user"]))
        return template, article["intent"], start

    return draw


def unanswered(rng: Random, template: str) -> list[Message]:
    return [*asks(rng, template), says(rng.choice(TALK["unknown"]["reply"]))]


def near_miss(template: str) -> Draw:
    """Retrieval brings articles, and none of them says it."""

    def draw(rng: Random) -> Talk:
        start = unanswered(rng, template)
        return template, "unknown", [*start, *offer_taken(rng, "unanswered", 0.35)]

    return draw


def article_draws() -> Iterator[tuple[Draw, int]]:
    for article in ARTICLES:
        yield from ((question(article, each), 1 + (at % 4 == 0)) for at, each in enumerate(article["user"]))
    yield from ((near_miss(each), 1) for each in TALK["unknown"]["user"])
