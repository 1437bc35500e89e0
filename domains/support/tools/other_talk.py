"""Small talk, stock, people, and several things in one message."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from invented_orders import Customer, any_status
from order_talk import typed
from seeds import ARTICLES, PRODUCTS, SHOP, TALK, Draw, Message, Talk, said
from surface import surface
from turns import asks, called, off_topic, offer_taken, person, says, small_talk, worded


def simple(kind: str) -> Iterator[Draw]:
    for template in TALK[kind]["user"]:

        def draw(rng: Random, template: str = template) -> Talk:
            brief = kind in ("greeting", "thanks", "goodbye")
            asked = small_talk(rng, template) if brief else asks(rng, template)
            return template, kind, [*asked, says(rng.choice(TALK[kind]["reply"]))]

        yield draw


def outside(template: str) -> Draw:
    """Always in the middle: as openings these would teach the router that anything belongs here."""

    def draw(rng: Random) -> Talk:
        way = rng.random()
        if way < 0.4:
            hello = rng.choice(TALK["greeting"]["user"])
            start = [*small_talk(rng, hello), says(rng.choice(TALK["greeting"]["reply"]))]
            opening, intent = hello, "greeting"
        else:
            opening = rng.choice(TALK["stock"]["user"])
            start, intent = asked_stock(rng, opening, rng.choice(PRODUCTS)), "stock"
        reply = says(rng.choice(TALK["off_topic"]["reply"]))
        return opening, intent, [*start, *asks(rng, template), reply]

    return draw


def asks_person(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        return template, "person", [*asks(rng, template), *person("asked")]

    return draw


def person_later(template: str) -> Draw:
    """After an answer, or after a refusal."""

    def draw(rng: Random) -> Talk:
        if rng.random() < 0.5:
            opening = rng.choice(TALK["stock"]["user"])
            start, intent = asked_stock(rng, opening, rng.choice(PRODUCTS)), "stock"
        else:
            opening = rng.choice(TALK["greeting"]["user"])
            hello = says(rng.choice(TALK["greeting"]["reply"]))
            start, intent = [*small_talk(rng, opening), hello, *off_topic(rng)], "greeting"
        return opening, intent, [*start, *asks(rng, template), *person("asked")]

    return draw


def complaint(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        start = [*asks(rng, template), says(rng.choice(TALK["complaint"]["reply"]))]
        return template, "complaint", [*start, *offer_taken(rng, "complaint")]

    return draw


def stock(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        first, second = rng.sample(PRODUCTS, 2)
        messages = asked_stock(rng, template, first)
        if rng.random() < 0.2:
            messages += asked_stock(rng, rng.choice(TALK["stock"]["again"]), second)
        elif rng.random() < 0.06:
            messages += off_topic(rng)
        return template, "stock", messages

    return draw


def asked_stock(rng: Random, template: str, name: str) -> list[Message]:
    shown = rng.choice((name, name, name.capitalize(), name.title()))
    text = surface(rng, template).replace("{product}", shown)
    result, reply = in_shop(rng, name)
    return [*asks(rng, template, text), *called("stock", {"product": said("product", text)}, result), reply]


def in_shop(rng: Random, name: str) -> tuple[dict[str, Any], Message]:
    """A result of `stock` and its reply."""
    state = rng.choices(("in_stock", "low", "sold_out"), (5, 2, 3))[0]
    price = f"€{rng.randrange(15, 300)}.{rng.choice(('00', '50', '90'))}"
    product = {"name": name.capitalize(), "price": price, "stock": state}
    if state == "sold_out":
        product["back"] = rng.choice(SHOP["days"])
    return {"product": product}, says(rng.choice(TALK["stock"][state]))


def two_things(template: str) -> Draw:
    """Two requests in one message: two calls, and each answer after its result."""

    def draw(rng: Random) -> Talk:
        customer = Customer(rng, any_status(rng), any_status(rng))
        one, two = (each["id"] for each in customer.orders)
        name = rng.choice(PRODUCTS)
        text = typed(rng, template, one).replace("{other}", two).replace("{product}", name)
        first = customer.result("order_status", one)
        messages = asks(rng, template, text)
        messages += called("order_status", {"order_id": said("order_id", text)}, first)
        between = worded(rng, "order_status", first)
        if "{product}" in template:
            result, reply = in_shop(rng, name)
            messages += [*called("stock", {"product": said("product", text)}, result, between), reply]
        else:
            action = "cancel_order" if "cancel" in template else "order_status"
            second = customer.result(action, two)
            messages += called(action, {"order_id": two}, second, between)
            messages.append(says(worded(rng, action, second)))
        return template, "order_status", messages

    return draw


def answer_then_order(template: str) -> Draw:
    """From a question to an order and back: each turn has its own articles."""

    def draw(rng: Random) -> Talk:
        from article_talk import answerable, asked
        from order_talk import looked_up

        article = rng.choice(ARTICLES)
        opening = rng.choice(answerable(article))
        customer = Customer(rng, any_status(rng))
        number = customer.orders[0]["id"]
        turns = [
            asked(rng, article, opening),
            looked_up(rng, typed(rng, template, number), template, customer, number),
        ]
        return opening, article["intent"], [message for turn in turns for message in turn]

    return draw


def talk_draws() -> Iterator[tuple[Draw, int]]:
    from seeds import ORDERS

    for kind in ("greeting", "thanks", "goodbye", "about"):
        yield from ((draw, 2) for draw in simple(kind))
    yield from ((outside(each), 2) for each in TALK["off_topic"]["user"])
    yield from ((draw, 2) for draw in simple("injection"))
    yield from ((draw, 2) for draw in simple("stock_unclear"))
    yield from ((asks_person(each), 2) for each in TALK["person"]["user"])
    yield from ((person_later(each), 1) for each in TALK["person"]["user"][::2])
    yield from ((complaint(each), 2) for each in TALK["complaint"]["user"])
    yield from ((stock(each), 3) for each in TALK["stock"]["user"])
    yield from ((two_things(each), 4) for each in TALK["two_things"])
    yield from ((answer_then_order(each), 1) for each in ORDERS["with_id"][::2])
