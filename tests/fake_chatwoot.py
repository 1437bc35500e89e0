"""A Chatwoot as its public documentation describes it: the application API that a bot uses, and its webhook.

https://developers.chatwoot.com/api-reference: `api_access_token` header; POST …/conversations/{id}/messages
with content, message_type, private; POST …/conversations/{id}/toggle_status with status.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

TOKEN = "bot-token"
_PLACE = re.compile(r"/api/v1/accounts/(\d+)/conversations/(\d+)/(messages|toggle_status)")


@dataclass
class FakeChatwoot:
    """`said` holds (conversation, text) of the bot; `status` of each conversation. `failing`: answers to give
    instead, in turn."""

    url: str = ""
    bot: str = ""
    said: list[tuple[int, str]] = field(default_factory=list)
    status: dict[int, str] = field(default_factory=dict)
    failing: list[int] = field(default_factory=list)
    messages: int = 100

    def visitor_says(self, conversation: int, text: str, *, id: int | None = None, **other: Any) -> int:
        """Post the event to the bot; the status of its answer."""
        self.messages += 1
        status = self.status.setdefault(conversation, "pending")
        payload = {
            "event": "message_created",
            "id": id or self.messages,
            "content": text,
            "created_at": "2026-03-03T13:05:57.000Z",
            "message_type": "incoming",
            "content_type": "text",
            "content_attributes": {},
            "private": False,
            "source_id": None,
            "sender": {"id": 9, "name": "Visitor", "type": "contact"},
            "inbox": {"id": 3, "name": "API"},
            "conversation": {"id": conversation, "inbox_id": 3, "status": status, "channel": "Channel::Api"},
            "account": {"id": 7, "name": "Shop"},
            **other,
        }
        return httpx.post(self.bot, json=payload, timeout=10).status_code

    def answer(self, place: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        found = _PLACE.fullmatch(place)
        if token != TOKEN:
            return 401, {"error": "You need to sign in or sign up before continuing."}
        if self.failing:
            return self.failing.pop(0), {}
        if found is None or found[1] != "7":
            return 404, {"error": "Resource could not be found"}
        conversation = int(found[2])
        if found[3] == "messages":
            assert set(body) == {"content", "message_type", "private"}, body
            assert body["message_type"] == "outgoing" and body["private"] is False
            self.said.append((conversation, body["content"]))
            return 200, {"id": 1000 + len(self.said), "content": body["content"], "message_type": 1}
        assert body["status"] in ("open", "resolved", "pending", "snoozed")
        self.status[conversation] = body["status"]
        return 200, {"meta": {}, "payload": {"success": True, "current_status": body["status"]}}


def eventually(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@contextmanager
def chatwoot() -> Iterator[FakeChatwoot]:
    fake = FakeChatwoot()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            code, answer = fake.answer(self.path, self.headers.get("api_access_token", ""), body)
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *parts: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
