"""What stands before every handler: host, size and kind of the body, headers, and the last resort."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from senmon.server.errors import error_response
from senmon.settings import Settings

MAX_BODY = 256 * 1024
BODY_SECONDS = 30.0
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'"
)
_ALONE = "frame-ancestors 'none'"
#: The widget makes its elements through lit alone; no other code turns text into elements or scripts.
_TRUSTED = "require-trusted-types-for 'script'; trusted-types lit-html"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

log = logging.getLogger(__name__)


def page_policy(around: Sequence[str]) -> str:
    """For a page with the widget, which pages of `around` (exact origins) may show in a frame."""
    ancestors = f"frame-ancestors {' '.join(around)}" if around else _ALONE
    return f"{_PAGE_POLICY}; {_TRUSTED}; {ancestors}"


class SecurityHeaders:
    """Headers of every answer; a page may load its own files and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        page = scope["path"] == "/" or scope["path"].startswith("/static/")

        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                policy = f"{_PAGE_POLICY}; {_ALONE}" if page else _API_POLICY
                headers.setdefault("Content-Security-Policy", policy)
                headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
                if _ALONE in headers["Content-Security-Policy"]:
                    headers["X-Frame-Options"] = "DENY"
                if not page:
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, dress)


class LastResort:
    """An exception that nobody expected becomes a 500 without a word about its inside."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            if scope["type"] != "http":
                raise
            log.error("a request failed", exc_info=error)
            if not started:
                answer = error_response(scope["path"], 500, "internal_error", "Something broke on our side.")
                await answer(scope, receive, send)


class HostGuard:
    """On loopback, only names of this machine: a web page that points its own name here gets nothing.

    The hosts of `allowed_origins` are let in too, for a proxy that passes the name on.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.hosts = _LOOPBACK_NAMES | _host_names(settings.allowed_origins) if settings.loopback else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.hosts is None or _host_name(scope) in self.hosts:
            await self.app(scope, receive, send)
            return
        answer = error_response(
            scope["path"],
            403,
            "forbidden_host",
            "this server answers to local names only",
            remedy="use http://127.0.0.1, or name the site in SENMON_ALLOWED_ORIGINS",
        )
        await answer(scope, receive, send)


class BodyGuard:
    """Reads the body, at most 256 KiB of it, before anybody parses it. A body must be declared as JSON."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        declared = headers.get("content-length", "0")
        try:
            body = None if _too_large(declared, self.limit) else await self._read(receive)
        except TimeoutError:
            await error_response(path, 408, "timeout", "the body did not come in time")(scope, receive, send)
            return
        if body is None:
            remedy = f"send at most {self.limit // 1024} KiB"
            answer = error_response(path, 413, "body_too_large", "the body is too large", remedy=remedy)
            await answer(scope, receive, send)
        elif body and not _is_declared(path, headers.get("content-type", "")):
            remedy = "send Content-Type: application/json"
            answer = error_response(path, 415, "not_json", "the body is not declared as JSON", remedy=remedy)
            await answer(scope, receive, send)
        else:
            await self.app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """None: too large."""
        body = bytearray()
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return bytes(body)
                body += message.get("body", b"")
                if len(body) > self.limit:
                    return None
                if not message.get("more_body"):
                    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """`receive` with the body in one piece, then whatever comes: the client's leaving."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _too_large(declared: str, limit: int) -> bool:
    return not declared.isdigit() or len(declared) > 12 or int(declared) > limit


def _is_declared(path: str, content_type: str) -> bool:
    """JSON; forms in the console alone, which knows whose they are."""
    form = content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"
    return form if path.startswith("/console/") else _is_json(content_type)


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _host_name(scope: Scope) -> str | None:
    try:
        return urlsplit("//" + Headers(scope=scope).get("host", "")).hostname
    except ValueError:
        return None


def _host_names(origins: Iterable[str]) -> frozenset[str]:
    return frozenset(host for origin in origins if (host := urlsplit(origin).hostname))
