"""Conversations about where orders are."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from invented_orders import OPEN, Customer, any_status, lost
from seeds import ORDERS, REPLIES, Draw, Message, Talk, said
from surface import surface, written_id
from turns import asks, called, offer_taken, says, worded

STATUSES = ("shipped", "delayed", "delivered", "processing", "cancelled", "returned", "returning")


def typed(rng: Random, template: str, number: str) -> str:
    """The template with an order number, as somebody would type both."""
    return surface(rng, template).replace("{id}", written_id(rng, template, number[1:]))


def looked_up(
    rng: Random, text: str, template: str, customer: Customer, number: str, angry: bool = False
) -> list[Message]:
    """One question about a named order and its answer."""
    result = customer.result("order_status", number)
    start = asks(rng, template, text)
    arguments = {"order_id": said("order_id", text)}
    return [
        *start,
        *called("order_status", arguments, result),
        says(worded(rng, "order_status", result, angry)),
    ]


def with_id(template: str, group: str = "") -> Draw:
    """`group` names what is asked of the order, beside its status."""

    def draw(rng: Random) -> Talk:
        customer = Customer(rng, any_status(rng))
        number = customer.orders[0]["id"]
        text = typed(rng, template, number)
        messages = looked_up(rng, text, template, customer, number, group == "angry")
        if group in ("items", "price"):
            messages[-1] = says(rng.choice(REPLIES[group]))
        if "Shall I get a person" in messages[-1]["content"]:
            messages += offer_taken(rng, "order")
        return template, "order_status", messages

    return draw


def without_id(template: str, angry: bool = False) -> Draw:
    """The only open order is taken; among several the visitor chooses, by number or in words."""

    def draw(rng: Random) -> Talk:
        open_orders = [rng.choice(OPEN) for _ in range(rng.choices((0, 1, 2, 3), (1, 6, 6, 4))[0])]
        others = ["delivered"] * rng.randrange(2)
        customer = Customer(rng, *rng.sample([*open_orders, *others], len(open_orders) + len(others)))
        result = customer.result("order_status")
        alone = angry and "order" in result
        messages = [*asks(rng, template), *called("order_status", {}, result)]
        messages.append(says(worded(rng, "order_status", result, alone)))
        if "choose" in result:
            messages += picked(rng, customer, "order_status", angry)
        return template, "order_status", messages

    return draw


def pick_words(rng: Random, customer: Customer, action: str) -> tuple[str, str, str]:
    """How the visitor names one of the orders just listed: template, text, number."""
    listed = customer.fitting(action) or customer.orders
    at = rng.randrange(len(listed))
    number = listed[at]["id"]
    alike = [each for each in listed if each["status"] == listed[at]["status"]]
    ways = []
    if at == 0:
        ways.append("first")
    if at == len(listed) - 1:
        ways.append("last")
    if at == 1:
        ways.append("second")
    if len(alike) == 1 and len(listed) > 1:
        ways.append(listed[at]["status"])
    ways = [way for way in ways if way in ORDERS["pick_by"]]
    if ways and rng.random() < 0.3:
        template = rng.choice(ORDERS["pick_by"][rng.choice(ways)])
        return template, surface(rng, template), number
    template = rng.choice(ORDERS["give_id"])
    return template, typed(rng, template, number), number


def picked(
    rng: Random, customer: Customer, action: str, angry: bool = False, address: str = ""
) -> list[Message]:
    """The visitor chooses among the orders listed, and the same is asked again of that one."""
    template, text, number = pick_words(rng, customer, action)
    result = customer.result(action, number, address)
    by_words = not any(letter.isdigit() for letter in text)
    arguments = {"order_id": number if by_words else said("order_id", text)}
    reply = says(worded(rng, action, result, angry and "order" in result and action == "order_status"))
    return [*asks(rng, template, text), *called(action, arguments, result), reply]


def list_orders(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        customer = Customer(rng, *(any_status(rng) for _ in range(rng.choice((0, 1, 2, 2, 3, 4)))))
        result = customer.all_orders()
        messages = [*asks(rng, template), *called("list_orders", {}, result)]
        messages.append(says(worded(rng, "list_orders", result)))
        if customer.orders and rng.random() < 0.4:
            named = rng.choice(customer.orders)["id"]
            pick = rng.choice(ORDERS["pick"])
            messages += looked_up(rng, typed(rng, pick, named), pick, customer, named)
        return template, "list_orders", messages

    return draw


def not_found(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        customer = Customer(rng, any_status(rng), any_status(rng))
        wrong, right = (each["id"] for each in customer.orders)
        text = typed(rng, template, wrong)
        arguments = {"order_id": said("order_id", text)}
        result = lost(wrong)
        messages = [*asks(rng, template, text), *called("order_status", arguments, result)]
        messages.append(says(worded(rng, "order_status", result)))
        if rng.random() < 0.75:
            again = rng.choice(ORDERS["correct"])
            messages += looked_up(rng, typed(rng, again, right), again, customer, right)
        return template, "order_status", messages

    return draw


def denied(template: str, action: str, intent: str = "") -> Draw:
    """Not signed in: the server says so, whatever the model does. Then signed in, and tried again."""

    def draw(rng: Random) -> Talk:
        customer = Customer(rng, any_status(rng))
        number = customer.orders[0]["id"]
        text = typed(rng, template, number)
        arguments = {"order_id": said("order_id", text)} if "{id}" in template else {}
        refusal = {"error": "sign_in_required"}
        messages = [*asks(rng, template, text), *called(action, arguments, refusal)]
        messages.append(says(worded(rng, action, refusal)))
        if rng.random() < 0.6:
            result = customer.all_orders() if action == "list_orders" else customer.result(action, number)
            messages += asks(rng, rng.choice(ORDERS["signed_in"]))
            messages += [*called(action, arguments, result), says(worded(rng, action, result))]
        return template, intent or action, messages

    return draw


def failed(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        text = typed(rng, template, f"A{rng.randrange(1000, 10_000)}")
        result: dict[str, Any] = {"error": "action_failed"}
        arguments = {"order_id": said("order_id", text)}
        messages = [*asks(rng, template, text), *called("order_status", arguments, result)]
        return template, "order_status", [*messages, says(worded(rng, "order_status", result))]

    return draw


def follow_up(template: str, kind: str) -> Draw:
    """A second question about the same order, or about another one."""

    def draw(rng: Random) -> Talk:
        first = "shipped" if kind == "tracking" else any_status(rng)
        customer = Customer(rng, first, any_status(rng))
        one, two = (each["id"] for each in customer.orders)
        messages = looked_up(rng, typed(rng, template, one), template, customer, one)
        if kind == "second":
            more = rng.choice(ORDERS["second"])
            messages += looked_up(rng, typed(rng, more, two), more, customer, two)
        else:
            question = rng.choice(ORDERS[f"ask_{kind}"])
            messages += [*asks(rng, question), says(rng.choice(REPLIES[kind]))]
        return template, "order_status", messages

    return draw


def order_draws() -> Iterator[tuple[Draw, int]]:
    plain = ORDERS["with_id"]
    yield from ((with_id(each), 2) for each in plain)
    yield from ((with_id(each, "items"), 2) for each in ORDERS["items_with_id"])
    yield from ((with_id(each, "price"), 2) for each in ORDERS["price_with_id"])
    yield from ((with_id(each, "angry"), 2) for each in ORDERS["angry_with_id"])
    yield from ((without_id(each), 2) for each in ORDERS["without_id"])
    yield from ((without_id(each, angry=True), 2) for each in ORDERS["angry_without_id"])
    yield from ((list_orders(each), 2) for each in ORDERS["list"])
    yield from ((not_found(each), 1) for each in plain[::2])
    yield from ((denied(each, "order_status"), 1) for each in plain[::4])
    yield from ((denied(each, "list_orders"), 1) for each in ORDERS["list"][::2])
    yield from ((failed(each), 1) for each in plain[::8])
    for index, each in enumerate(plain):
        yield follow_up(each, ("second", "price", "items", "tracking")[index % 4]), 1
