"""The demonstration shop as a REST service of its own: the same SQL data, other shapes and words.

What a support team's order API looks like: bearer token, statuses, nested JSON. No word of senmon in it.
"""

from __future__ import annotations

import importlib.util
import secrets
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

SUPPORT = Path(__file__).parents[1] / "domains/support"
TOKEN = "tok-8c1f5d3b9e"
#: Change → the state that an order needs, and the code when it has another.
NEEDS = {"cancel": "processing", "address": "processing", "return": "delivered"}


def shop_code() -> ModuleType:
    """The pack's own helpers for dates, money and contents."""
    name = "shop_code_for_the_service"
    if name not in sys.modules:
        path = next(
            each for each in (SUPPORT / "actions.py", SUPPORT / "actions/__init__.py") if each.is_file()
        )
        assert path is not None
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Shop:
    """`requests` are (method, path, idempotency key) as they came in."""

    def __init__(self, place: Path) -> None:
        self.code = shop_code()
        self.database: sqlite3.Connection = self.code.open_shop(str(place))
        self.lock = threading.Lock()
        self.tickets: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.app = FastAPI()
        self.app.middleware("http")(self.guard)
        for method, path, work in (
            ("GET", "/v1/customers/{customer}/order", self.order),
            ("GET", "/v1/customers/{customer}/orders", self.orders),
            ("GET", "/v1/customers/{customer}/refund", self.refund),
            ("POST", "/v1/customers/{customer}/invoices", self.invoice),
            ("POST", "/v1/customers/{customer}/changes", self.change),
            ("POST", "/v1/customers/{customer}/confirmations", self.confirm),
            ("GET", "/v1/products/{name}", self.product),
        ):
            self.app.add_api_route(path, work, methods=[method])

    async def guard(self, request: Request, call_next: Any) -> Any:
        self.requests.append((request.method, request.url.path, request.headers.get("idempotency-key")))
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"message": "who are you?"}, 401)
        with self.lock:
            answer = await call_next(request)
            self.database.commit()
        return answer

    def rows(self, customer: str) -> list[sqlite3.Row]:
        query = "SELECT * FROM purchase WHERE customer = ? ORDER BY placed DESC, id"
        return self.database.execute(query, (customer,)).fetchall()

    def one(self, customer: str, said: str | None, fits: tuple[str, ...]) -> Any:
        """The row, or the answer that says why there is none."""
        rows = self.rows(customer)
        if said:
            number = self.code.order_number(said)
            row = next((row for row in rows if row["id"] == number), None)
            return row or JSONResponse({"code": "not_found", "number": number}, 404)
        fitting = [row for row in rows if row["status"] in fits]
        if len(fitting) == 1:
            return fitting[0]
        if not rows:
            return JSONResponse({"code": "no_orders"}, 404)
        return JSONResponse({"choices": [self.line(row) for row in fitting or rows]})

    def line(self, row: sqlite3.Row) -> dict[str, str]:
        return {"number": row["id"], "state": row["status"]}

    async def order(self, customer: str, number: str | None = None) -> Any:
        row = self.one(customer, number, self.code.OPEN)
        if isinstance(row, JSONResponse):
            return row
        shown = self.code.describe(self.database, row)
        return {"data": {**self.line(row), "details": {**shown, "id": None, "status": None}}}

    async def orders(self, customer: str) -> Any:
        rows = self.rows(customer)
        return {"total": len(rows), **({"orders": [self.line(row) for row in rows]} if rows else {})}

    async def refund(self, customer: str, number: str | None = None) -> Any:
        row = self.one(customer, number, ("cancelled", "returned", "returning"))
        if isinstance(row, JSONResponse):
            return row
        total = self.code.contents(self.database, row["id"])[1]
        if row["status"] not in ("cancelled", "returned", "returning"):
            return {"data": self.line(row), "refund": {"state": "none"}}
        if row["refunded"] is None:
            return {"data": self.line(row), "refund": {"state": "waiting", "amount": total}}
        day = self.code.day(row["refunded"])
        return {"data": self.line(row), "refund": {"state": "paid", "amount": total, "day": day}}

    async def invoice(self, customer: str, request: Request) -> Any:
        said = (await request.json()).get("number")
        row = self.one(customer, said, ("processing", "shipped", "delayed", "delivered"))
        if isinstance(row, JSONResponse):
            return row
        query = "SELECT mail FROM customer WHERE id = ?"
        mail = self.database.execute(query, (customer,)).fetchone()["mail"]
        self.database.execute("INSERT INTO sent (purchase, what) VALUES (?, 'invoice')", (row["id"],))
        name, _, host = mail.partition("@")
        return {"number": row["id"], "sent_to": f"{name[0]}…@{host}"}

    async def change(self, customer: str, request: Request) -> Any:
        body = await request.json()
        what = body["change"]
        row = self.one(customer, body.get("number"), (NEEDS[what],))
        if isinstance(row, JSONResponse):
            return row
        if row["status"] != NEEDS[what]:
            late = what != "return" or row["status"] not in self.code.OPEN
            return JSONResponse({"code": "too_late" if late else "not_delivered", **self.line(row)}, 409)
        address = (body.get("address") or "").strip()
        if what == "address" and not address:
            return {"wanted": "address", **self.line(row)}
        ticket = secrets.token_hex(8)
        self.tickets[ticket] = {"change": what, "order": row["id"], "customer": customer, "address": address}
        items = self.code.contents(self.database, row["id"])[0]
        more = {"address": address} if what == "address" else {"items": items}
        return {"ticket": ticket, "question": what, **self.line(row), **more}

    async def confirm(self, customer: str, request: Request) -> Any:
        pending = self.tickets.pop((await request.json()).get("ticket", ""), None)
        if pending is None or pending["customer"] != customer:
            return JSONResponse({"code": "nothing_open"}, 410)
        result = self.code.carry_out(self.database, pending, customer)
        return result if "done" in result else JSONResponse(result, 410)

    async def product(self, name: str) -> Any:
        query = "SELECT * FROM product WHERE lower(name) = lower(?)"
        row = self.database.execute(query, (name,)).fetchone()
        if row is None:
            return JSONResponse({"code": "unknown"}, 404)
        state = "sold_out" if row["stock"] == 0 else "low" if row["stock"] <= self.code.FEW else "in_stock"
        price = self.code.money(row["cents"])
        back = self.code.day(row["back_in"]) if row["stock"] == 0 else None
        return {"name": row["name"], "price": {"text": price}, "availability": {"state": state, "back": back}}


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of a uvicorn that serves `app` on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def http_actions(url: str) -> dict[str, Any]:
    """The `actions` of the support pack by declaration: service, and request by action."""
    where = f"{url}/v1"
    state = {
        "processing": "being packed",
        "shipped": "on its way",
        "delayed": "delayed",
        "delivered": "delivered",
        "cancelled": "cancelled",
        "returning": "on its way back to us",
        "returned": "returned",
    }
    words = {"order.status_text": state}
    not_found = {"fields": {"error": "code", "order.id": "number"}}
    late = {"fields": {"error": "code", "order.id": "number", "order.status_text": "state"}}
    choose = {
        "choose.list": {
            "path": "choices",
            "limit": 6,
            "fields": {"id": "number", "state": "state"},
            "item": "{id} ({state})",
            "values": {"state": state},
        }
    }
    short = {"order.id": "number", "order.status_text": "state"}
    keep = {"remember": {"order_id": "number"}}

    def change(what: str, **more: Any) -> dict[str, Any]:
        return {
            "method": "POST",
            "url": "customers/{customer_id}/changes",
            "body": {"change": what, "number": "{order_id}", **more},
            "result": {
                "ask": "question",
                "missing": "wanted",
                **short,
                "order.items": "items",
                "order.address": "address",
            },
            "lists": choose,
            "values": words,
            "errors": {404: not_found, 409: late},
            "remember_once": {"pending": "ticket"},
            **keep,
        }

    details = (
        "items",
        "total",
        "carrier",
        "tracking",
        "ships",
        "eta",
        "delivered",
        "place",
        "reason",
        "refund",
    )
    calls = {
        "order_status": {
            "url": "customers/{customer_id}/order",
            "query": {"number": "{order_id}"},
            "result": {
                "order.id": "data.number",
                "order.status": "data.state",
                "order.status_text": "/data/state",
                **{f"order.{name}": f"data.details.{name}" for name in (*details, "refund", "refunded")},
            },
            "lists": choose,
            "values": words,
            "errors": {404: not_found},
            "remember": {"order_id": "data.number"},
        },
        "list_orders": {
            "url": "customers/{customer_id}/orders",
            "result": {"orders.count": "total"},
            "lists": {"orders.list": {**choose["choose.list"], "path": "orders"}},
        },
        "cancel_order": change("cancel"),
        "change_address": change("address", address="{address}"),
        "start_return": change("return"),
        "refund_status": {
            "url": "customers/{customer_id}/refund",
            "query": {"number": "{order_id}"},
            "result": {
                "refund.state": "refund.state",
                "refund.amount": "refund.amount",
                "refund.day": "refund.day",
                "order.id": "data.number",
                "order.status_text": "data.state",
            },
            "lists": choose,
            "values": words,
            "errors": {404: not_found},
            "remember": {"order_id": "data.number"},
        },
        "resend_invoice": {
            "method": "POST",
            "url": "customers/{customer_id}/invoices",
            "body": {"number": "{order_id}"},
            "result": {"order.id": "number", "order.mail": "sent_to"},
            "constants": {"done": "invoice sent"},
            "lists": choose,
            "errors": {404: not_found},
            **keep,
        },
        "confirm": {
            "method": "POST",
            "url": "customers/{customer_id}/confirmations",
            "body": {"ticket": "{pending}"},
            "result": {
                "done": "done",
                "order.id": "order.id",
                "order.refund": "order.refund",
                "order.address": "order.address",
            },
            "errors": {410: {"error": "nothing_open"}},
        },
        "stock": {
            "url": "products/{product}",
            "result": {
                "product.name": "name",
                "product.price": "price.text",
                "product.stock": "availability.state",
                "product.back": "availability.back",
            },
        },
    }
    service = {"url": where, "headers": {"Authorization": "Bearer ${SHOP_TOKEN}"}}
    return {"http": service, "calls": calls}
