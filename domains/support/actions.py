"""Actions of the demonstration shop: plain rasa-sdk, in process or on an action server.

    python -m rasa_sdk --actions actions

`customer_id` is set by the server from the verified identity. An order that belongs to somebody else and an
order that does not exist get the same answer. An action takes what the customer has said so far: the result
says what is missing (`choose`, `missing`). A change is asked for first (`ask`) and made by `confirm` in the
very next message, so nothing that the model writes can change an order by itself.

The shop's database is `shop.sql` in memory; the variable SHOP_DATABASE names a file to keep it in.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

SHOP = Path(__file__).with_name("shop.sql")
STATUS = {
    "processing": "being packed",
    "shipped": "on its way",
    "delayed": "delayed",
    "delivered": "delivered",
    "cancelled": "cancelled",
    "returning": "on its way back to us",
    "returned": "returned",
}
OPEN = ("processing", "shipped", "delayed")
RETURN_DAYS = 30
FEW = 3
MOST_SHOWN = 6
NO = re.compile(
    r"(?i)\b(?:no|nope|nah|nein|non|negative|(?<!why )not|don'?t|dont|never|nevermind|stop|wait|keep|leave"
    r"|cancel that|wrong|scrap that|forget it|let it (?:be|stay)|take it back|changed my mind"
    r"|do nothing)\b|👎|❌"
)
#: A change needs one of these. Anything else, and any of UNCLEAR, is asked again.
YES = re.compile(
    r"(?i)\b(?:y|ye|yes+|yea|yeah+|yeh|yep|yup|jep|ja|si|oui|da|aye|mhm|uh huh|sure|surely|ok(?:ay|ey|i)?"
    r"|k|kk|alright|all right|right|spot on|why not|100|what i'?m asking"
    r"|correct|exactly|precisely|confirm(?:ed)?|agreed?|fine|perfect|great|good|absolutely|definitely|certainly"
    r"|of course|naturally|indeed|affirmative|totally|please|pls|plz|proceed|go (?:ahead|on|for it)|carry on"
    r"|do (?:it|that|so|this)|make it so|let'?s|by all means|with pleasure|appreciate|that one|that'?s it"
    r"|this one"
    r"|happy with|approve[ds]?|permission|green light|deal|positive|roger|will do|be my guest|you may|you can"
    r"|works for me|sounds)\b|👍|✅|👌|🙏|✔"
)
#: Putting it off, a condition or a question: neither a yes nor a no.
UNCLEAR = re.compile(
    r"(?i)\b(?:later|tomorrow|tonight|another time|maybe|perhaps|think(?:ing)?|hold on|hang on|hmm+|unless"
    r"|let me|ask my|check with|unsure|in a (?:minute|moment|bit|second|while)|wondering|depends|but|until)\b"
    r"|\?"
)
#: An order's number however it is typed: `A1001`, `a-1001`, `#1001`, `A 1 0 0 1`, `a1001pls`.
NUMBER = re.compile(r"(?i)(?<![\w€$£.,])#?(?:([a-z])[ -]?)?(\d(?:[ .]?\d){3})(?![\d]|[.,]\d)")
CORRECTS = re.compile(
    r"(?i)\b(?:no+|nope|not|isn'?t|wrong|meant|mean|sorry|oops|typo|mistake|wait|rather|actually|should be)\b"
)
#: Words of another wish: then the message is more than a number, a yes or a correction.
WISH = re.compile(
    r"(?i)\b(?:cancel\w*|return\w*|refund\w*|money|invoice|receipt|bill|address|deliver\w*|track\w*|where|when|what"
    r"|how|why|who|stock|price|cost|person|human|someone|agent|complain\w*)\b"
)
SHORT = 8
#: A message of nothing but these is a yes that no model need judge: `please help` and `good grief` are none.
AGREES = (
    r"y|yes+|yea|yeah+|yeh|yep|yup|jep|ja|si|oui|da|aye|sure|surely|ok(?:ay|ey|i)?|kk?|alright|all right"
    r"|go (?:ahead|on|for it)|do (?:it|that|so|this)|make it so|by all means|of course|proceed|carry on"
    r"|confirm(?:ed)?|correct|exactly|precisely|agreed|absolutely|definitely|certainly|affirmative|indeed"
    r"|be my guest|with pleasure|works for me|sounds good|👍|✅|👌|✔"
)
BESIDE = (
    r"please|pls|plz|thanks|thank you|thx|now|then|just|so|very much|a lot|thing|let'?s|that'?s|that is"
    r"|right|fine|good|great|perfect|🙏|🙂|😊"
)
PLAIN = re.compile(rf"(?i)\W*(?:(?:{AGREES}|{BESIDE})(?!\w)[\s.,!:;)(-]*)+")
#: Other words for goods, and how a thing is pointed at: `the tent`, `my old boots`, `the stove one`.
ALSO = {"rucksack": "backpack", "torch": "headlamp", "headtorch": "headlamp"}
POINTS = {"the", "my", "our", "those", "these", "that", "this", "both"}
POINTED = {"one", "ones", "order", "parcel"}
BUYS = re.compile(r"(?i)\b(?:in stock|sell|have you got|do you have|available)\b")
Events = list[dict[str, Any]]
Result = dict[str, Any]

_lock = threading.Lock()
_databases: dict[str, sqlite3.Connection] = {}


@contextmanager
def shop() -> Iterator[sqlite3.Connection]:
    """The shop's database, one connection for each place, used by one thread at a time."""
    place = os.environ.get("SHOP_DATABASE") or ":memory:"
    with _lock:
        if place not in _databases:
            _databases[place] = open_shop(place)
        with _databases[place] as database:
            yield database


def open_shop(place: str) -> sqlite3.Connection:
    database = sqlite3.connect(place, check_same_thread=False)
    database.row_factory = sqlite3.Row
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'purchase'").fetchone():
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


def order_number(text: Any) -> str:
    """`a-1001`, `#1001` and `1001` are A1001; `B1001` stays what it is, and no order has it."""
    letters = "".join(each for each in str(text) if each.isalpha()).upper()
    digits = "".join(each for each in str(text) if each.isdigit())
    return f"{letters or 'A'}{digits}"


def numbers_in(text: str) -> list[str]:
    """The order numbers in a message, each once, as the shop writes them."""
    return list(dict.fromkeys(order_number("".join(match.groups(""))) for match in NUMBER.finditer(text)))


def singular(word: str) -> str:
    return word if word.endswith("ss") else word.removesuffix("s")


def pointed_at(text: str) -> set[str]:
    """Words of the message that something is pointed at with, in the singular."""
    words = [singular(each) for each in re.findall(r"[a-z]+", text.casefold())]
    points, pointed = {singular(each) for each in POINTS}, {singular(each) for each in POINTED}
    found = set()
    for at, word in enumerate(words):
        if points.intersection(words[max(0, at - 3) : at]) or pointed.intersection(words[at + 1 : at + 2]):
            found.add(ALSO.get(word, word))
    return found


def with_goods(database: sqlite3.Connection, rows: list[sqlite3.Row], text: str) -> list[sqlite3.Row]:
    """The orders that hold what the message points at: `the tent`, `the stove one`."""
    if BUYS.search(text):
        return []
    words = pointed_at(text)
    found = []
    for row in rows:
        lines = database.execute("SELECT product FROM line WHERE purchase = ?", (row["id"],)).fetchall()
        names = [[singular(word) for word in line["product"].casefold().split()] for line in lines]
        if any(words.intersection((name[0], name[-1])) for name in names):
            found.append(row)
    return found


def counted(quantity: int, product: str) -> str:
    return f"{quantity} × {product}" if quantity > 1 else product


def contents(database: sqlite3.Connection, number: str) -> tuple[str, str]:
    """What is in an order, and its total."""
    query = "SELECT product, quantity, cents FROM line JOIN product ON name = product WHERE purchase = ?"
    lines = database.execute(query, (number,)).fetchall()
    items = ", ".join(counted(each["quantity"], each["product"]) for each in lines)
    return items, money(sum(each["quantity"] * each["cents"] for each in lines))


def known(**fields: str | None) -> Result:
    """The fields that have a value: a reply can't name others."""
    return {name: value for name, value in fields.items() if value is not None}


def describe(database: sqlite3.Connection, row: sqlite3.Row) -> Result:
    """What a reply may say of an order: only the fields that its status has."""
    items, total = contents(database, row["id"])
    paid_back = row["status"] in ("cancelled", "returned")
    return known(
        id=row["id"],
        status=row["status"],
        status_text=STATUS[row["status"]],
        items=items,
        total=total,
        carrier=row["carrier"],
        tracking=row["tracking"],
        ships=day(row["ships"]),
        eta=day(row["due"]),
        delivered=day(row["delivered"]),
        place=row["place"],
        reason=row["reason"],
        refund=total if paid_back else None,
        refunded=day(row["refunded"]),
    )


def short(database: sqlite3.Connection, row: sqlite3.Row, **more: str | None) -> Result:
    """An order by its number and state."""
    return known(id=row["id"], status_text=STATUS[row["status"]], **more)


class CustomerAction(Action, ABC):
    """An action on one order of the customer: named now, in talk, or the only one that fits."""

    #: States that an order must have to be taken without having been named.
    fits: tuple[str, ...] = OPEN

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        customer = tracker.get_slot("customer_id") or ""
        with shop() as database:
            row, problem = self.find(database, tracker, customer)
            result, events = (problem, []) if row is None else self.act(database, row, tracker)
        dispatcher.utter_message(json_message=result)
        named = None if row is None else row["id"]
        text = tracker.latest_message.get("text")
        last = {"action": self.name(), "order": named, "asked": text, "waits": waits(result)}
        slots = [SlotSet("order_id", named), SlotSet("last", last), *still_asked(tracker)]
        return [*slots, *self.keep(row, tracker), *events]

    def keep(self, row: sqlite3.Row | None, tracker: Tracker) -> Events:
        """What was said and still waits for an order."""
        return []

    def find(
        self, database: sqlite3.Connection, tracker: Tracker, customer: str
    ) -> tuple[sqlite3.Row | None, Result]:
        said, text = tracker.get_slot("order_id"), tracker.latest_message.get("text") or ""
        rows = database.execute(
            "SELECT * FROM purchase WHERE customer = ? ORDER BY placed DESC, id", (customer,)
        ).fetchall()
        meant = [] if numbers_in(text) else with_goods(database, rows, text)
        if len(meant) > 1:
            meant = [row for row in meant if row["status"] in self.fits]
        if len(meant) == 1:
            return meant[0], {}
        if said:
            number = order_number(said)
            row = next((row for row in rows if row["id"] == number), None)
            return row, {"error": "not_found", "order": {"id": number}}
        named = [row for row in rows if row["id"] in numbers_in(text)]
        fitting = named or [row for row in rows if row["status"] in self.fits]
        if len(fitting) == 1:
            return fitting[0], {}
        return None, choose(fitting or rows)

    @abstractmethod
    def act(self, database: sqlite3.Connection, row: sqlite3.Row, tracker: Tracker) -> tuple[Result, Events]:
        """The result for the order found, and what is to be remembered."""


def waits(result: Result) -> str:
    """What the customer was asked for: which order, or a value that is missing."""
    return "order" if "choose" in result else str(result.get("missing", ""))


def choose(rows: list[sqlite3.Row]) -> Result:
    if not rows:
        return {"error": "no_orders"}
    return {"choose": {"list": listed(rows)}}


def listed(rows: list[sqlite3.Row]) -> str:
    return ", ".join(f"{row['id']} ({STATUS[row['status']]})" for row in rows[:MOST_SHOWN])


def asks(what: str, order: Result, tracker: Tracker, **details: str) -> tuple[Result, Events]:
    """A change that waits for the customer's yes in the next message."""
    asked = {"change": what, "order": order["id"], "asked": tracker.latest_message.get("text")}
    return {"ask": what, "order": order}, [SlotSet("pending", {**asked, "shown": order, **details})]


def still_asked(tracker: Tracker) -> Events:
    """A change asked for in this very message waits on, whatever else it wants; an older one is off."""
    asked = (tracker.get_slot("pending") or {}).get("asked")
    return [] if asked == tracker.latest_message.get("text") else [SlotSet("pending", None)]


def refuses(why: str, order: Result) -> tuple[Result, Events]:
    return {"error": why, "order": order}, []


class OrderStatus(CustomerAction):
    def name(self) -> str:
        return "order_status"

    def act(self, database: sqlite3.Connection, row: sqlite3.Row, tracker: Tracker) -> tuple[Result, Events]:
        return {"order": describe(database, row)}, []


class CancelOrder(CustomerAction):
    fits = ("processing",)

    def name(self) -> str:
        return "cancel_order"

    def act(self, database: sqlite3.Connection, row: sqlite3.Row, tracker: Tracker) -> tuple[Result, Events]:
        if row["status"] != "processing":
            return refuses("too_late", short(database, row))
        return asks("cancel", short(database, row, items=contents(database, row["id"])[0]), tracker)


class ChangeAddress(CustomerAction):
    fits = ("processing",)

    def name(self) -> str:
        return "change_address"

    def act(self, database: sqlite3.Connection, row: sqlite3.Row, tracker: Tracker) -> tuple[Result, Events]:
        if row["status"] != "processing":
            return refuses("too_late", short(database, row))
        address = str(tracker.get_slot("address") or "").strip()
        if not address:
            return {"missing": "address", "order": short(database, row)}, []
        return asks("address", short(database, row, address=address), tracker, address=address)

    def keep(self, row: sqlite3.Row | None, tracker: Tracker) -> Events:
        return [SlotSet("address", tracker.get_slot("address") if row is None else None)]


class StartReturn(CustomerAction):
    fits = ("delivered",)

    def name(self) -> str:
        return "start_return"

    def act(self, database: sqlite3.Connection, row: sqlite3.Row, tracker: Tracker) -> tuple[Result, Events]:
        if row["status"] != "delivered":
            return refuses("not_delivered" if row["status"] in OPEN else "too_late", short(database, row))
        if row["delivered"] < -RETURN_DAYS:
            return refuses("too_old", short(database, row, delivered=day(row["delivered"])))
        return asks("return", short(database, row, items=contents(database, row["id"])[0]), tracker)


class RefundStatus(CustomerAction):
    fits = ("cancelled", "returned", "returning")

    def name(self) -> str:
        return "refund_status"

    def act(self, database: sqlite3.Connection, row: sqlite3.Row, tracker: Tracker) -> tuple[Result, Events]:
        total = contents(database, row["id"])[1]
        if row["status"] not in self.fits:
            return {"refund": {"state": "none"}, "order": short(database, row)}, []
        if row["refunded"] is None:
            return {"refund": {"state": "waiting", "amount": total}, "order": short(database, row)}, []
        paid = known(state="paid", amount=total, day=day(row["refunded"]))
        return {"refund": paid, "order": short(database, row)}, []


class ResendInvoice(CustomerAction):
    """To the customer's own address, which is never said in full."""

    fits = ("processing", "shipped", "delayed", "delivered")

    def name(self) -> str:
        return "resend_invoice"

    def act(self, database: sqlite3.Connection, row: sqlite3.Row, tracker: Tracker) -> tuple[Result, Events]:
        query = "SELECT mail FROM customer WHERE id = ?"
        mail = database.execute(query, (row["customer"],)).fetchone()["mail"]
        database.execute("INSERT INTO sent (purchase, what) VALUES (?, 'invoice')", (row["id"],))
        name, _, host = mail.partition("@")
        return {"done": "invoice sent", "order": {"id": row["id"], "mail": f"{name[0]}…@{host}"}}, []


class Confirm(Action):
    """Makes the change that was asked for, if the message before this one asked for it."""

    def name(self) -> str:
        return "confirm"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        pending, customer = tracker.get_slot("pending"), tracker.get_slot("customer_id") or ""
        result: Result = {"error": "nothing_open"}
        said = answer(tracker, pending) if pending else ""
        if said and "shown" in pending and not NO.search(said) and not is_yes(said):
            dispatcher.utter_message(json_message={"ask": pending["change"], "order": pending["shown"]})
            return [SlotSet("pending", {**pending, "asked": said})]
        if said and is_yes(said):
            with shop() as database:
                result = carry_out(database, pending, customer)
        dispatcher.utter_message(json_message=result)
        return [SlotSet("pending", None)]


def is_yes(said: str) -> bool:
    """A clear agreement: changes are not made on a guess."""
    return bool(YES.search(said)) and not NO.search(said) and not UNCLEAR.search(said)


def is_plain_yes(said: str) -> bool:
    """A yes and nothing else, so that it may count without the model."""
    agrees = re.search(rf"(?i)(?<!\w)(?:{AGREES})(?!\w)", said)
    return bool(agrees and PLAIN.fullmatch(said)) and is_yes(said)


def answer(tracker: Tracker, pending: Result) -> str:
    """What the customer said to the question of the turn before; empty when it was asked earlier."""
    said = [event.get("text") or "" for event in tracker.events if event.get("event") == "user"]
    return said[-1] if len(said) >= 2 and said[-2] == pending["asked"] else ""


def carry_out(database: sqlite3.Connection, pending: Result, customer: str) -> Result:
    """Only for the customer's own order, and only from the state that the change needs."""
    number, change = pending["order"], pending["change"]
    done, needs, update, values = CHANGES[change](pending)
    own = "WHERE id = ? AND customer = ? AND status = ?"
    changed = database.execute(f"UPDATE purchase SET {update} {own}", (*values, number, customer, needs))
    if not changed.rowcount:
        return {"error": "nothing_open"}
    more = {"refund": contents(database, number)[1]} if change == "cancel" else {}
    more |= {"address": pending["address"]} if change == "address" else {}
    return {"done": done, "order": {"id": number, **more}}


CANCELLED = "status = 'cancelled', carrier = NULL, ships = NULL, due = NULL, refunded = 0"
CHANGES: dict[str, Any] = {
    "cancel": lambda pending: ("cancelled", "processing", CANCELLED, ()),
    "return": lambda pending: ("return started", "delivered", "status = 'returning'", ()),
    "address": lambda pending: ("address changed", "processing", "address = ?", (pending["address"],)),
}


class ReadMessage(Action):
    """Rules for messages that leave no doubt: an answer to our question, a corrected number, a plain yes."""

    def name(self) -> str:
        return "read_message"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        text = tracker.latest_message.get("text") or ""
        if call := self.read(tracker, text):
            dispatcher.utter_message(json_message={"call": call, "keep": True})
        return []

    def read(self, tracker: Tracker, text: str) -> Result | None:
        if len(re.findall(r"[^\W\d]{2,}", text)) > SHORT or WISH.search(text):
            return None
        pending, last = tracker.get_slot("pending"), tracker.get_slot("last")
        if pending and not numbers_in(text) and answer(tracker, pending) and is_plain_yes(text):
            return {"name": "confirm", "arguments": {}}
        if not last or not answer(tracker, last):
            return None
        numbers = [number for number in numbers_in(text) if number != last["order"]]
        if len(numbers) != 1 or (last["waits"] != "order" and not CORRECTS.search(text)):
            return None
        return {"name": last["action"], "arguments": {"order_id": numbers[0]}}


class ListOrders(Action):
    def name(self) -> str:
        return "list_orders"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        query = "SELECT id, status FROM purchase WHERE customer = ? ORDER BY placed DESC, id"
        with shop() as database:
            rows = database.execute(query, (tracker.get_slot("customer_id") or "",)).fetchall()
        orders: Result = {"count": len(rows)}
        if rows:
            orders["list"] = listed(rows)
        dispatcher.utter_message(json_message={"orders": orders})
        return [SlotSet("order_id", None), *still_asked(tracker)]


class Stock(Action):
    def name(self) -> str:
        return "stock"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        asked = str(tracker.get_slot("product") or "").strip()
        with shop() as database:
            query = "SELECT * FROM product WHERE rtrim(lower(name), 's') = rtrim(lower(?), 's')"
            row = database.execute(query, (asked,)).fetchone()
        dispatcher.utter_message(json_message=_stock(row) if row else {"error": "not_found"})
        return []


def _stock(row: sqlite3.Row) -> Result:
    product = {"name": row["name"], "price": money(row["cents"])}
    if row["stock"] == 0:
        return {"product": {**product, "stock": "sold_out", "back": day(row["back_in"])}}
    return {"product": {**product, "stock": "low" if row["stock"] <= FEW else "in_stock"}}


class RequestPerson(Action):
    """Leaves a note for the team: who asks, why, what they said last, which order it is about."""

    def name(self) -> str:
        return "request_person"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        reason = tracker.get_slot("reason") or "asked"
        customer, order = tracker.get_slot("customer_id"), tracker.get_slot("order_id")
        with shop() as database:
            database.execute(
                "INSERT INTO handover (customer, reason, purchase, summary) VALUES (?, ?, ?, ?)",
                (customer, reason, order_number(order) if order else None, summary(tracker)),
            )
        text = "I'm passing this on to a person. They see our conversation and will answer you here."
        dispatcher.utter_message(text=text, json_message={"handoff": reason})
        return []


def summary(tracker: Tracker) -> str:
    """The visitor's last messages: an agent reads at a glance what it is about."""
    said = [str(event.get("text") or "") for event in tracker.events if event.get("event") == "user"]
    return " / ".join(each[:160] for each in said[-3:])
