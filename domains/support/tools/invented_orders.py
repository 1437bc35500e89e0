"""Invented customers and what the actions would answer them, in the shape of actions.py."""

from __future__ import annotations

from random import Random
from typing import Any

from seeds import PRODUCTS, SHOP

STATUS_TEXT = {"processing": "being packed", "shipped": "on its way", "returning": "on its way back to us"}
OPEN = ("processing", "shipped", "delayed")
#: States that an order must have to be taken without having been named.
FITS = {
    "order_status": OPEN,
    "cancel_order": ("processing",),
    "change_address": ("processing",),
    "start_return": ("delivered",),
    "refund_status": ("cancelled", "returned", "returning"),
    "resend_invoice": (*OPEN, "delivered"),
}
ASKS = {"cancel_order": "cancel", "change_address": "address", "start_return": "return"}
DONE = {"cancel": "cancelled", "address": "address changed", "return": "return started"}
WEIGHTS = {
    "shipped": 8,
    "delayed": 5,
    "delivered": 5,
    "processing": 5,
    "cancelled": 2,
    "returned": 2,
    "returning": 1,
}
_DAYS = {
    "processing": ("ships", "eta"),
    "shipped": ("eta",),
    "delayed": ("eta",),
    "delivered": ("delivered",),
    "returning": ("delivered",),
    "returned": ("delivered",),
}
Result = dict[str, Any]


def any_status(rng: Random) -> str:
    return rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]


def order(rng: Random, number: str, status: str) -> Result:
    """The `order` of a result of `order_status`, with its fields in their order."""
    chosen = rng.sample(PRODUCTS, rng.choice((1, 1, 2)))
    items = ", ".join(f"{rng.choice(('', '', '2 × '))}{name.capitalize()}" for name in chosen)
    total = f"€{rng.randrange(15, 400)}.{rng.choice(('00', '50', '90'))}"
    fields = {"id": number, "status": status, "status_text": STATUS_TEXT.get(status, status)}
    fields |= {"items": items, "total": total}
    if status != "cancelled":
        fields["carrier"] = rng.choice(SHOP["carriers"])
    if status not in ("processing", "cancelled"):
        digits = f"{rng.randrange(1000, 9999)} {rng.randrange(100, 999)}"
        fields["tracking"] = f"{fields['carrier'][:2].upper()} {digits}"
    days = iter(sorted(rng.sample(SHOP["days"], 2), key=SHOP["days"].index))
    fields |= {name: next(days) for name in _DAYS.get(status, ())}
    if status in ("delivered", "returning", "returned"):
        fields["place"] = rng.choice(SHOP["places"])
    if status == "delayed":
        fields["reason"] = rng.choice(SHOP["reasons"])
    if status in ("cancelled", "returned"):
        fields |= {"refund": total, "refunded": next(days)}
    return fields


class Customer:
    """Somebody with orders; `results` of actions are as the shop would give them."""

    def __init__(self, rng: Random, *statuses: str) -> None:
        numbers = sorted(rng.sample(range(1000, 10_000), len(statuses)), reverse=True)
        self.rng = rng
        self.orders = [
            order(rng, f"A{number}", status) for number, status in zip(numbers, statuses, strict=True)
        ]

    def fitting(self, action: str) -> list[Result]:
        return [each for each in self.orders if each["status"] in FITS[action]]

    def listed(self, orders: list[Result] | None = None) -> str:
        return ", ".join(f"{each['id']} ({each['status_text']})" for each in orders or self.orders)

    def all_orders(self) -> Result:
        listing = {"list": self.listed()} if self.orders else {}
        return {"orders": {"count": len(self.orders), **listing}}

    def result(self, action: str, number: str = "", address: str = "") -> Result:
        """What the action gives for the order named, or for the only one that fits."""
        if number:
            named = [each for each in self.orders if each["id"] == number]
            return self._of(action, named[0], address) if named else lost(number)
        fitting = self.fitting(action)
        if len(fitting) == 1:
            return self._of(action, fitting[0], address)
        if not self.orders:
            return {"error": "no_orders"}
        return {"choose": {"list": self.listed(fitting or self.orders)}}

    def _of(self, action: str, named: Result, address: str) -> Result:
        brief = {"id": named["id"], "status_text": named["status_text"]}
        fits = named["status"] in FITS[action]
        if action == "order_status":
            return {"order": named}
        if action == "resend_invoice":
            mail = self.rng.choice(SHOP["mails"])
            return {"done": "invoice sent", "order": {"id": named["id"], "mail": mail}}
        if action == "refund_status":
            return {"refund": _refund(named), "order": brief}
        if not fits:
            early = action == "start_return" and named["status"] in OPEN
            return {"error": "not_delivered" if early else "too_late", "order": brief}
        if action == "change_address":
            if not address:
                return {"missing": "address", "order": brief}
            return {"ask": "address", "order": {**brief, "address": address}}
        if action == "start_return" and self.rng.random() < 0.1:
            return {"error": "too_old", "order": {**brief, "delivered": named["delivered"]}}
        return {"ask": ASKS[action], "order": {**brief, "items": named["items"]}}


def _refund(named: Result) -> Result:
    if named["status"] in ("cancelled", "returned"):
        return {"state": "paid", "amount": named["total"], "day": named["refunded"]}
    if named["status"] == "returning":
        return {"state": "waiting", "amount": named["total"]}
    return {"state": "none"}


def lost(number: str) -> Result:
    return {"error": "not_found", "order": {"id": number}}


def confirmed(customer: Customer, asked: Result) -> Result:
    """The result of `confirm` after the question `asked`."""
    number, change = asked["order"]["id"], asked["ask"]
    named = next(each for each in customer.orders if each["id"] == number)
    more = {"refund": named["total"]} if change == "cancel" else {}
    more |= {"address": asked["order"]["address"]} if change == "address" else {}
    return {"done": DONE[change], "order": {"id": number, **more}}


def address(rng: Random) -> str:
    """A street with its number, often with a town."""
    street = f"{rng.randrange(1, 190)}{rng.choice(('', '', '', 'b'))} {rng.choice(SHOP['streets'])}"
    return street if rng.random() < 0.35 else f"{street}, {rng.choice(SHOP['towns'])}"
