"""Questions that the articles answer."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from seeds import ARTICLES, TALK, Draw, Message, Talk
from surface import brief, surface
from turns import context, says, user


def neighbour(rng: Random, article: dict[str, Any]) -> str:
    """Another article that retrieval could bring second: often of the same intent."""
    others = [each for each in ARTICLES if each is not article]
    near = [each["article"] for each in others if each["intent"] == article["intent"]]
    pool = near if near and rng.random() < 0.6 else [each["article"] for each in others]
    return rng.choice(pool)


def passages(rng: Random, article: dict[str, Any]) -> Message:
    """Mostly two, the right one first; now and then it comes second."""
    mine, other = article["article"], neighbour(rng, article)
    return context(*rng.choices([(mine,), (mine, other), (other, mine)], [3, 6, 1])[0])


def question(article: dict[str, Any], template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        start = [user(surface(rng, template)), passages(rng, article), says(rng.choice(article["reply"]))]
        if rng.random() < 0.12:
            more = rng.choice(ARTICLES)
            second = user(surface(rng, rng.choice(more["user"])))
            start += [second, passages(rng, more), says(rng.choice(more["reply"]))]
        elif rng.random() < 0.06:
            start += closing(rng)
        return template, article["intent"], start

    return draw


def without_article(article: dict[str, Any], template: str) -> Draw:
    """Nothing was retrieved: then nothing is known."""

    def draw(rng: Random) -> Talk:
        reply = says(rng.choice(TALK["unknown"]["reply"]))
        return template, article["intent"], [user(surface(rng, template)), reply]

    return draw


def closing(rng: Random) -> list[Message]:
    kind = rng.choice(("thanks", "goodbye"))
    return [user(brief(rng, rng.choice(TALK[kind]["user"]))), says(rng.choice(TALK[kind]["reply"]))]


def article_draws() -> Iterator[tuple[Draw, int]]:
    for article in ARTICLES:
        yield from ((question(article, each), 1 + at % 2) for at, each in enumerate(article["user"]))
        yield without_article(article, article["user"][0]), 1
