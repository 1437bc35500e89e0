"""A scripted assistant for the widget's tests, and pages of another origin that embed it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from senmon.messages import Event
from server_rig import PASSAGE, ScriptedAssistant, done

HERE = Path(__file__).parent / "widget"
#: Before a page's own scripts: what its policy refused.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
KEY = "pk_widgettest"
#: The essentials always run; the rest takes minutes.
thorough = pytest.mark.skipif(
    not os.environ.get("SENMON_WIDGET_ALL"), reason="takes longer: set SENMON_WIDGET_ALL=1"
)
PLAIN_PAGE = "<!doctype html><html lang=en><head><meta charset=utf-8><title>Host</title>{tag}</head><body>{body}</body></html>"


class WidgetAssistant(ScriptedAssistant):
    """Also says what it is told to, slowly or at once, and maths."""

    def __init__(self) -> None:
        super().__init__()
        #: What `say` answers, sentence by sentence, with a pause before each.
        self.lines: list[str] = []
        self.pause = 0.0
        self.go_on: asyncio.Event | None = None

    async def _script(self, word: str) -> AsyncIterator[Event]:
        if word == "say":
            for line in self.lines:
                await asyncio.sleep(self.pause)
                yield Event("delta", {"text": line})
            yield done("stop")
        elif word == "half":
            yield Event("delta", {"text": "The first half. "})
            self.go_on = asyncio.Event()
            await asyncio.wait_for(self.go_on.wait(), 20)
            yield Event("delta", {"text": "The second half."})
            yield done("stop")
        elif word == "hint":
            yield Event("action", {"name": "next_hint", "label": "looking for a hint", "status": "started"})
            yield Event(
                "action",
                {"name": "next_hint", "status": "finished", "buttons": [], "progress": {"step": 2, "of": 4}},
            )
            yield Event("delta", {"text": r"Take \(7\) from both sides: \[3x = 18\]"})
            yield done("stop")
        elif word == "mine":
            yield Event("delta", {"text": f"Orders of {self.asked[-1][2].customer or 'nobody'}."})
            yield done("stop")
        elif word == "cited":
            yield Event("passages", {"items": [PASSAGE]})
            yield Event("delta", {"text": "Within **30 days**."})
            yield done("stop")
        else:
            async for event in super()._script(word):
                yield event


@dataclass
class HostSite:
    """Pages of another origin; `pages` maps a path to (headers, body)."""

    url: str
    pages: dict[str, tuple[dict[str, str], str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, body: str, *, policy: str = "") -> str:
        headers = {"Content-Type": "text/html; charset=utf-8"}
        if policy:
            headers["Content-Security-Policy"] = policy
        self.pages[path] = (headers, body)
        return f"{self.url}{path}"


@contextmanager
def hosting() -> Iterator[HostSite]:
    site = HostSite("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            site.asked.append(self.path)
            headers, body = site.pages.get(path, ({"Content-Type": "text/plain"}, ""))
            self.send_response(200 if path in site.pages else 404)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode("utf-8"))

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    # Another name than the server's, so another site to the browser as well.
    site.url = f"http://localhost:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def embed(url: str, nonce: str = "", **attributes: str) -> str:
    """The one line of a site, for the server at `url`."""
    given = {"site-key": KEY, **attributes}
    words = " ".join(f'data-{name}="{value}"' for name, value in given.items())
    signed = f' nonce="{nonce}"' if nonce else ""
    return f'<script type="module"{signed} src="{url}/widget/v1/senmon-chat.js" {words}></script>'


class Widget:
    """The widget in a page, as somebody uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.get_by_label("Your message")
        self.log = page.locator("senmon-chat .log")

    def open(self) -> Widget:
        self.page.get_by_role("button", name="Open the chat").click()
        expect(self.box).to_be_visible()
        return self

    def say(self, words: str) -> Widget:
        self.box.fill(words)
        self.box.press("Enter")
        return self

    @property
    def answers(self) -> Locator:
        return self.page.locator("senmon-chat .message.assistant[aria-busy]")

    def heard(self, words: str) -> Locator:
        """The last answer, which says so and has ended."""
        last = self.answers.last
        expect(last).to_have_attribute("aria-busy", "false")
        expect(last.locator(".bubble")).to_contain_text(words)
        return last


class Line:
    """A network line between the browser and the server that can be cut, and closed."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.closed = False
        self.sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            if self.closed:
                here.close()
                continue
            there = socket.create_connection(("127.0.0.1", self.target))
            self.sockets += [here, there]
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Every connection breaks, as when a train enters a tunnel."""
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.sockets.clear()

    def end(self) -> None:
        self.listener.close()
        self.cut()
