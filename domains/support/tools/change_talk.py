"""Conversations that change an order or send something: asked for, confirmed, refused, corrected."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from invented_orders import FITS, Customer, address, any_status, confirmed
from order_talk import denied, looked_up, picked, typed
from seeds import CHANGES, ORDERS, REPLIES, Draw, Message, NotSaidError, Talk, said
from surface import surface
from turns import asks, called, off_topic, says, small_talk, worded

#: Action → how its templates are called, and its intent.
NAMES = {
    "cancel_order": "cancel",
    "change_address": "address",
    "start_return": "return",
    "refund_status": "refund",
    "resend_invoice": "invoice",
}
#: Where a `yes` is due.
CONFIRMED = ("cancel_order", "change_address", "start_return")


def told(
    rng: Random, action: str, arguments: dict[str, str], result: dict[str, Any], angry: bool
) -> list[Message]:
    return [*called(action, arguments, result), says(worded(rng, action, result, angry))]


def a_status(rng: Random, action: str) -> str:
    """Mostly one that the action needs."""
    return rng.choice(FITS[action]) if rng.random() < 0.72 else any_status(rng)


def answered(rng: Random, customer: Customer, action: str, result: dict[str, Any]) -> list[Message]:
    """What follows the question whether to do it."""
    if "ask" not in result:
        return []
    way = rng.random()
    if way < 0.6:
        yes = small_talk(rng, rng.choice(CHANGES["agree"]))
        return [*yes, *told(rng, "confirm", {}, confirmed(customer, result), False)]
    if way < 0.74:
        return [*small_talk(rng, rng.choice(CHANGES["refuse"])), says(rng.choice(REPLIES["kept"]))]
    others = [each for each in customer.orders if each["id"] != result["order"]["id"]]
    if way < 0.88 and others:
        return corrected(rng, customer, action, others, result["order"].get("address", ""))
    if way < 0.93:
        return late(rng)
    return []


def corrected(
    rng: Random, customer: Customer, action: str, others: list[dict[str, Any]], where: str
) -> list[Message]:
    """`No, the other one`: the same for another order, which was named or is the only other one known."""
    number = rng.choice(others)["id"]
    template = rng.choice(CHANGES["other_order"])
    text = typed(rng, template, number)
    result = customer.result(action, number, where)
    arguments = {"order_id": said("order_id", text)} | ({"address": where} if where else {})
    again = [*asks(rng, template, text), *told(rng, action, arguments, result, False)]
    if "ask" in result and rng.random() < 0.7:
        yes = small_talk(rng, rng.choice(CHANGES["agree"]))
        again += [*yes, *told(rng, "confirm", {}, confirmed(customer, result), False)]
    return again


def late(rng: Random) -> list[Message]:
    """Something else comes between: then a yes confirms nothing any more."""
    yes = asks(rng, rng.choice(CHANGES["late_yes"]))
    return [*off_topic(rng, "off_topic"), *yes, *told(rng, "confirm", {}, {"error": "nothing_open"}, False)]


def with_id(template: str, action: str, angry: bool = False) -> Draw:
    def draw(rng: Random) -> Talk:
        customer = Customer(rng, a_status(rng, action), any_status(rng))
        number = customer.orders[0]["id"]
        where = address(rng) if "{address}" in template else ""
        text = typed(rng, template, number).replace("{address}", where)
        arguments = {"order_id": said("order_id", text)}
        if where:
            arguments["address"] = heard(text, where)
        result = customer.result(action, number, where)
        messages = [*asks(rng, template, text), *told(rng, action, arguments, result, angry)]
        messages += addressed(rng, customer, result) or answered(rng, customer, action, result)
        return template, NAMES[action], messages

    return draw


def heard(text: str, where: str) -> str:
    """The address in the visitor's words, which must be the whole of it."""
    if said("address", text) != where:
        raise NotSaidError(text)
    return where


def addressed(rng: Random, customer: Customer, result: dict[str, Any]) -> list[Message]:
    """The address that was missing."""
    if "missing" not in result:
        return []
    where, template = address(rng), rng.choice(CHANGES["give_address"])
    text = surface(rng, template).replace("{address}", where)
    number = result["order"]["id"]
    arguments = {"order_id": number, "address": heard(text, where)}
    asked = customer.result("change_address", number, where)
    messages = [*asks(rng, template, text), *told(rng, "change_address", arguments, asked, False)]
    return [*messages, *answered(rng, customer, "change_address", asked)]


def without_id(template: str, action: str) -> Draw:
    """The only order that fits is taken; among several the visitor chooses."""

    def draw(rng: Random) -> Talk:
        fitting = [rng.choice(FITS[action]) for _ in range(rng.choices((0, 1, 2), (1, 6, 4))[0])]
        spare = [rng.choice(("delivered", "shipped", "returned")) for _ in range(rng.randrange(2))]
        customer = Customer(rng, *fitting, *(each for each in spare if each not in FITS[action]))
        where = address(rng) if "{address}" in template else ""
        text = surface(rng, template).replace("{address}", where)
        arguments = {"address": heard(text, where)} if where else {}
        result = customer.result(action, "", where)
        messages = [*asks(rng, template, text), *told(rng, action, arguments, result, False)]
        if "choose" in result:
            messages += picked(rng, customer, action, address=where)
        else:
            messages += addressed(rng, customer, result) or answered(rng, customer, action, result)
        return template, NAMES[action], messages

    return draw


def of_it(template: str, action: str) -> Draw:
    """Asked of the order that was just told about, without naming it again."""

    def draw(rng: Random) -> Talk:
        customer = Customer(rng, a_status(rng, action), any_status(rng))
        number = customer.orders[0]["id"]
        opening = rng.choice(ORDERS["with_id"])
        messages = looked_up(rng, typed(rng, opening, number), opening, customer, number)
        where = address(rng) if "{address}" in template else ""
        text = surface(rng, template).replace("{address}", where)
        arguments = {"order_id": number} | ({"address": heard(text, where)} if where else {})
        result = customer.result(action, number, where)
        messages += [*asks(rng, template, text), *told(rng, action, arguments, result, False)]
        return opening, "order_status", [*messages, *answered(rng, customer, action, result)]

    return draw


def the_other(template: str, action: str) -> Draw:
    """`No, the other one`, where two orders are known from a list."""

    def draw(rng: Random) -> Talk:
        status = rng.choice(FITS[action])
        customer = Customer(rng, status, rng.choice(FITS[action]))
        messages = [*asks(rng, template), *told(rng, action, {}, customer.result(action), False)]
        messages += picked(rng, customer, action)
        first = messages[-3]["tool_calls"][0]["function"]["arguments"]
        other = next(each["id"] for each in customer.orders if each["id"][1:] not in first)
        words = rng.choice(CHANGES["the_other"])
        result = customer.result(action, other)
        messages += [*asks(rng, words), *told(rng, action, {"order_id": other}, result, False)]
        return template, NAMES[action], messages

    return draw


def change_draws() -> Iterator[tuple[Draw, int]]:
    for action, name in NAMES.items():
        for each in CHANGES.get(f"{name}_with_id", []):
            yield with_id(each, action), 2
        for each in CHANGES.get(f"{name}_with_both", []):
            yield with_id(each, action), 2
        for each in CHANGES.get(f"{name}_angry", []):
            yield with_id(each, action, angry=True), 2
        for each in [*CHANGES[f"{name}_without_id"], *CHANGES.get(f"{name}_without_id_given", [])]:
            yield without_id(each, action), 2
        for each in CHANGES.get(f"{name}_with_id", [])[::4]:
            yield denied(each, action, name), 1
        yield from ((of_it(each, action), 4) for each in CHANGES[f"after_{name}"])
    for action in ("cancel_order", "start_return"):
        yield from ((the_other(each, action), 1) for each in CHANGES[f"{NAMES[action]}_without_id"][::2])
