"""Everything that is neither an order nor an article."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from seeds import PRODUCTS, SHOP, TALK, Draw, Message, Talk, said
from surface import brief, surface
from turns import call, maybe, person, says, user


def simple(kind: str, related: str) -> Iterator[Draw]:
    for template in TALK[kind]["user"]:

        def draw(rng: Random, template: str = template) -> Talk:
            write = brief if kind in ("greeting", "thanks", "goodbye") else surface
            reply = says(rng.choice(TALK[kind]["reply"]))
            return template, kind, [user(write(rng, template)), *maybe(rng, related), reply]

        yield draw


def off_topic(template: str) -> Draw:
    """Always after a greeting: as openings these would teach the router that anything belongs here."""

    def draw(rng: Random) -> Talk:
        hello = TALK["greeting"]
        start = [user(brief(rng, rng.choice(hello["user"]))), says(rng.choice(hello["reply"]))]
        reply = says(rng.choice(TALK["off_topic"]["reply"]))
        asked = [user(surface(rng, template)), *maybe(rng, "about")]
        return template, "greeting", [*start, *asked, reply]

    return draw


def asks_person(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        return (
            template,
            "person",
            [user(surface(rng, template)), *maybe(rng, "person"), *person("asked")],
        )

    return draw


def offered(template: str, kind: str, reason: str) -> Draw:
    """The offer of a person, and what the visitor makes of it."""

    def draw(rng: Random) -> Talk:
        start = [
            user(surface(rng, template)),
            *maybe(rng, kind),
            says(rng.choice(TALK[kind]["reply"])),
        ]
        choice, answers = rng.random(), TALK["complaint"]
        if choice < 0.35:
            start += [user(brief(rng, rng.choice(answers["accept"]))), *person(reason)]
        elif choice < 0.45:
            start += [user(rng.choice(answers["decline"])), says(rng.choice(answers["declined"]))]
        return template, kind, start

    return draw


def stock(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        first, second = rng.sample(PRODUCTS, 2)
        messages = asked_stock(rng, template, first, maybe(rng, "stock"))
        if rng.random() < 0.2:
            messages += asked_stock(rng, rng.choice(TALK["stock"]["again"]), second, [])
        return template, "stock", messages

    return draw


def asked_stock(rng: Random, template: str, name: str, before: list[Message]) -> list[Message]:
    shown = rng.choice((name, name, name.capitalize(), name.title()))
    text = surface(rng, template).replace("{product}", shown)
    state = rng.choices(("in_stock", "low", "sold_out"), (5, 2, 3))[0]
    price = f"€{rng.randrange(15, 300)}.{rng.choice(('00', '50', '90'))}"
    product = {"name": name.capitalize(), "price": price, "stock": state}
    if state == "sold_out":
        product["back"] = rng.choice(SHOP["days"])
    asked = call("stock", {"product": said("product", text)}, {"product": product})
    return [user(text), *before, *asked, says(rng.choice(TALK["stock"][state]))]


def talk_draws() -> Iterator[tuple[Draw, int]]:
    for kind in ("greeting", "thanks", "goodbye", "about"):
        yield from ((draw, 2) for draw in simple(kind, kind))
    yield from ((off_topic(each), 2) for each in TALK["off_topic"]["user"])
    yield from ((draw, 3) for draw in simple("injection", "injection"))
    yield from ((draw, 2) for draw in simple("stock_unclear", "stock"))
    yield from ((asks_person(each), 3) for each in TALK["person"]["user"])
    yield from ((offered(each, "complaint", "complaint"), 3) for each in TALK["complaint"]["user"])
    yield from ((offered(each, "unknown", "unanswered"), 3) for each in TALK["unknown"]["user"])
    yield from ((stock(each), 6) for each in TALK["stock"]["user"])
