"""Conversations about orders."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from seeds import ORDERS, PRODUCTS, SHOP, Draw, Message, Talk, said
from surface import surface, written_id
from turns import call, maybe, says, user


def order(rng: Random, number: str, status: str) -> dict[str, Any]:
    """A result of `order_status`, in the shape and order of actions.py."""
    text = {"processing": "being packed", "shipped": "on its way"}.get(status, status)
    chosen = rng.sample(PRODUCTS, rng.choice((1, 1, 2)))
    items = ", ".join(f"{rng.choice(('', '', '2 × '))}{name.capitalize()}" for name in chosen)
    total = f"€{rng.randrange(15, 400)}.{rng.choice(('00', '50', '90'))}"
    fields = {"id": number, "status": status, "status_text": text, "items": items, "total": total}
    if status not in ("processing", "cancelled"):
        fields["carrier"] = rng.choice(SHOP["carriers"])
        fields["tracking"] = (
            f"{fields['carrier'][:2].upper()} {rng.randrange(1000, 9999)} {rng.randrange(100, 999)}"
        )
    days = iter(sorted(rng.sample(SHOP["days"], 2), key=SHOP["days"].index))
    wanted = {
        "processing": ("ships", "eta"),
        "shipped": ("eta",),
        "delayed": ("eta",),
        "delivered": ("delivered",),
        "returned": ("delivered",),
    }
    fields |= {name: next(days) for name in wanted.get(status, ())}
    if status == "delivered":
        fields["place"] = rng.choice(SHOP["places"])
    if status == "delayed":
        fields["reason"] = rng.choice(SHOP["reasons"])
    if status in ("cancelled", "returned"):
        fields |= {"refund": total, "refunded": next(days)}
    return fields


STATUSES = ["shipped", "delayed", "delivered", "processing", "cancelled", "returned"]
WEIGHTS = [8, 5, 5, 5, 2, 2]


class Lookup:
    """One order number in a conversation: as typed, and what the shop knows of it."""

    def __init__(self, rng: Random, template: str, status: str = "") -> None:
        digits = str(rng.randrange(1000, 10_000))
        self.text = surface(rng, template).replace("{id}", written_id(rng, template, digits))
        self.number = f"A{digits}"
        self.status = status or rng.choices(STATUSES, WEIGHTS)[0]
        self.order = order(rng, self.number, self.status)

    def call(self, result: dict[str, Any] | None = None) -> list[Message]:
        arguments = {"order_id": said("order_id", self.text)}
        return call("order_status", arguments, result or {"order": self.order})

    def reply(self, rng: Random) -> Message:
        return says(rng.choice(ORDERS["status"][self.status]))

    def lost(self) -> list[Message]:
        return self.call({"error": "not_found", "order": {"id": self.number}})


def with_id(template: str, replies: list[str] | None = None, status: str = "") -> Draw:
    def draw(rng: Random) -> Talk:
        found = Lookup(rng, template, status or ("" if replies is None else rng.choice(STATUSES)))
        start = [user(found.text), *maybe(rng, "order"), *found.call()]
        end = found.reply(rng) if replies is None else says(rng.choice(replies))
        return template, "order_status", [*start, end]

    return draw


def refund_with_id(template: str) -> Draw:
    return lambda rng: with_id(template, status=rng.choice(("returned", "cancelled")))(rng)


def angry_with_id(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        found = Lookup(rng, template)
        end = says(ORDERS["status_angry"][found.status])
        return template, "order_status", [user(found.text), *maybe(rng, "order"), *found.call(), end]

    return draw


def without_id(template: str, angry: bool = False) -> Draw:
    """Asks for the number, gets it, or finds it in the list of orders."""

    def draw(rng: Random) -> Talk:
        ask = says(rng.choice(ORDERS["ask_id_angry" if angry else "ask_id"]))
        start = [user(surface(rng, template)), *maybe(rng, "order"), ask]
        if rng.random() < 0.2:
            no_number = user(surface(rng, rng.choice(ORDERS["no_id"])))
            return template, "order_status", [*start, no_number, *listing(rng)[0]]
        found = Lookup(rng, rng.choice(ORDERS["give_id"]))
        middle = [user(found.text), *found.call()]
        end = says(ORDERS["status_angry"][found.status]) if angry else found.reply(rng)
        return template, "order_status", [*start, *middle, end]

    return draw


def listing(rng: Random) -> tuple[list[Message], list[str]]:
    """`list_orders`, its result and the reply; and the numbers listed."""
    numbers = [f"A{each}" for each in sorted(rng.sample(range(1000, 10_000), rng.choice((0, 1, 2, 3, 4))))]
    if not numbers:
        return [
            *call("list_orders", {}, {"orders": {"count": 0}}),
            says(rng.choice(ORDERS["none_listed"])),
        ], []
    told = {"processing": "being packed", "shipped": "on its way"}
    states = [rng.choices(STATUSES, WEIGHTS)[0] for _ in numbers]
    shown = ", ".join(f"{n} ({told.get(state, state)})" for n, state in zip(numbers, states, strict=True))
    result = {"orders": {"count": len(numbers), "list": shown}}
    return [*call("list_orders", {}, result), says(rng.choice(ORDERS["listed"]))], numbers


def list_orders(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        messages, numbers = listing(rng)
        start = [user(surface(rng, template)), *maybe(rng, "list"), *messages]
        if numbers and rng.random() < 0.4:
            found = Lookup(rng, rng.choice(ORDERS["pick"]))
            found.text = found.text.replace(found.number[1:], numbers[0][1:])
            found.order["id"] = found.number = numbers[0]
            start += [user(found.text), *found.call(), found.reply(rng)]
        return template, "list_orders", start

    return draw


def not_found(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        wrong = Lookup(rng, template)
        start = [
            user(wrong.text),
            *maybe(rng, "order"),
            *wrong.lost(),
            says(rng.choice(ORDERS["not_found"])),
        ]
        if rng.random() < 0.75:
            right = Lookup(rng, rng.choice(ORDERS["correct"]))
            start += [user(right.text), *right.call(), right.reply(rng)]
        return template, "order_status", start

    return draw


def denied(template: str, action: str) -> Draw:
    """Not signed in: the server says so, whatever the model does. Then signed in, and tried again."""

    def draw(rng: Random) -> Talk:
        refusal = {"error": "sign_in_required"}
        found = Lookup(rng, template)
        first = found.call(refusal) if action == "order_status" else call(action, {}, refusal)
        group = "order" if action == "order_status" else "list"
        start = [user(found.text), *maybe(rng, group), *first, says(ORDERS["sign_in"])]
        if rng.random() < 0.6:
            again = user(surface(rng, rng.choice(ORDERS["signed_in"])))
            retry = [*found.call(), found.reply(rng)] if action == "order_status" else listing(rng)[0]
            start += [again, *maybe(rng, "signed_in"), *retry]
        return template, action, start

    return draw


def failed(template: str) -> Draw:
    def draw(rng: Random) -> Talk:
        found = Lookup(rng, template)
        result = found.call({"error": "action_failed"})
        return template, "order_status", [user(found.text), *result, says(ORDERS["failed"])]

    return draw


def follow_up(template: str, kind: str) -> Draw:
    """A second question about the same order, or about another one."""

    def draw(rng: Random) -> Talk:
        found = Lookup(rng, template, "shipped" if kind == "tracking" else "")
        start = [user(found.text), *maybe(rng, "order"), *found.call(), found.reply(rng)]
        if kind == "second":
            other = Lookup(rng, rng.choice(ORDERS["second"]))
            return template, "order_status", [*start, user(other.text), *other.call(), other.reply(rng)]
        question = user(surface(rng, rng.choice(ORDERS[f"ask_{kind}"])))
        reply = says(rng.choice(ORDERS[kind]))
        return template, "order_status", [*start, question, *maybe(rng, kind), reply]

    return draw


def order_draws() -> Iterator[tuple[Draw, int]]:
    plain = ORDERS["with_id"]
    yield from ((with_id(each), 4) for each in plain)
    yield from ((refund_with_id(each), 3) for each in ORDERS["refund_with_id"])
    yield from ((with_id(each, ORDERS["items"]), 3) for each in ORDERS["items_with_id"])
    yield from ((with_id(each, ORDERS["price"]), 3) for each in ORDERS["price_with_id"])
    yield from ((angry_with_id(each), 4) for each in ORDERS["angry_with_id"])
    yield from ((without_id(each), 3) for each in ORDERS["without_id"])
    yield from ((without_id(each, angry=True), 3) for each in ORDERS["angry_without_id"])
    yield from ((list_orders(each), 4) for each in ORDERS["list"])
    yield from ((not_found(each), 1) for each in plain)
    yield from ((denied(each, "order_status"), 1) for each in plain[::2])
    yield from ((denied(each, "list_orders"), 1) for each in ORDERS["list"])
    yield from ((failed(each), 1) for each in plain[::4])
    for index, each in enumerate(plain):
        yield follow_up(each, ("second", "price", "items", "tracking")[index % 4]), 1
