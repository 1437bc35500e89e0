"""Actions of the demonstration shop: plain rasa-sdk, in process or on an action server.

    python -m rasa_sdk --actions actions

`customer_id` is set by the server from the verified identity. An order that belongs to somebody else and an
order that does not exist get the same answer.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

SHOP = Path(__file__).with_name("shop.sql")
STATUS = {
    "processing": "being packed",
    "shipped": "on its way",
    "delayed": "delayed",
    "delivered": "delivered",
    "cancelled": "cancelled",
    "returned": "returned",
}
FEW = 3
Events = list[dict[str, Any]]


def open_shop() -> sqlite3.Connection:
    """The shop's database, in memory, the same each time."""
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    database.executescript(SHOP.read_text(encoding="utf-8"))
    return database


def day(offset: int | None) -> str | None:
    """`Tuesday, 2 June`, so many days from today."""
    if offset is None:
        return None
    then = date.today() + timedelta(days=offset)
    return f"{then:%A}, {then.day} {then:%B}"


def money(cents: int) -> str:
    return f"€{cents // 100}.{cents % 100:02}"


def order_id(text: Any) -> str:
    """`a-1001`, `#1001` and `1001` are A1001."""
    digits = "".join(each for each in str(text or "") if each.isdigit())
    return f"A{digits}"


def find_order(database: sqlite3.Connection, number: str, customer: str) -> sqlite3.Row | None:
    query = "SELECT * FROM purchase WHERE id = ? AND customer = ?"
    found: sqlite3.Row | None = database.execute(query, (number, customer)).fetchone()
    return found


def counted(quantity: int, product: str) -> str:
    return f"{quantity} × {product}" if quantity > 1 else product


def describe(database: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """What a reply may say of an order: only the fields that its status has."""
    query = "SELECT product, quantity, cents FROM line JOIN product ON name = product WHERE purchase = ?"
    lines = database.execute(query, (row["id"],)).fetchall()
    names = [counted(each["quantity"], each["product"]) for each in lines]
    total = money(sum(each["quantity"] * each["cents"] for each in lines))
    refund = total if row["status"] in ("cancelled", "returned") else None
    fields = {
        "id": row["id"],
        "status": row["status"],
        "status_text": STATUS[row["status"]],
        "items": ", ".join(names),
        "total": total,
        "carrier": row["carrier"],
        "tracking": row["tracking"],
        "ships": day(row["ships"]),
        "eta": day(row["due"]),
        "delivered": day(row["delivered"]),
        "place": row["place"],
        "reason": row["reason"],
        "refund": refund,
        "refunded": day(row["refunded"]),
    }
    return {name: value for name, value in fields.items() if value is not None}


class OrderStatus(Action):
    def name(self) -> str:
        return "order_status"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        number = order_id(tracker.get_slot("order_id"))
        with closing(open_shop()) as database:
            row = find_order(database, number, tracker.get_slot("customer_id") or "")
            order = describe(database, row) if row else {"id": number}
        dispatcher.utter_message(
            json_message={"order": order} if row else {"error": "not_found", "order": order}
        )
        return []


class ListOrders(Action):
    def name(self) -> str:
        return "list_orders"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        query = "SELECT id, status FROM purchase WHERE customer = ? ORDER BY placed DESC"
        with closing(open_shop()) as database:
            rows = database.execute(query, (tracker.get_slot("customer_id") or "",)).fetchall()
        orders: dict[str, Any] = {"count": len(rows)}
        if rows:
            orders["list"] = ", ".join(f"{row['id']} ({STATUS[row['status']]})" for row in rows)
        dispatcher.utter_message(json_message={"orders": orders})
        return []


class Stock(Action):
    def name(self) -> str:
        return "stock"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        asked = str(tracker.get_slot("product") or "").strip()
        with closing(open_shop()) as database:
            row = database.execute("SELECT * FROM product WHERE lower(name) = lower(?)", (asked,)).fetchone()
        dispatcher.utter_message(json_message=_stock(row) if row else {"error": "not_found"})
        return []


def _stock(row: sqlite3.Row) -> dict[str, Any]:
    product = {"name": row["name"], "price": money(row["cents"])}
    if row["stock"] == 0:
        return {"product": {**product, "stock": "sold_out", "back": day(row["back_in"])}}
    return {"product": {**product, "stock": "low" if row["stock"] <= FEW else "in_stock"}}


class RequestPerson(Action):
    def name(self) -> str:
        return "request_person"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        reason = tracker.get_slot("reason") or "asked"
        text = "I'm passing this on to a person. They see our conversation and will answer you here."
        dispatcher.utter_message(text=text, json_message={"handoff": reason})
        return []
