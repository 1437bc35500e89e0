"""Which web pages may ask: exact origins, those of the settings and those of the sites."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from senmon.errors import ConfigError
from senmon.settings import Settings

METHODS = "GET, POST, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, X-Senmon-Customer, Last-Event-ID"
RESPONSE_HEADERS = "Retry-After, Content-Disposition"
PREFLIGHT_SECONDS = 600
#: Files of the widget are for every page; they carry headers of their own.
PUBLIC = "/widget/"
_SHAPE = re.compile(r"https?://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::\d{1,5})?")
_PORTS = {"http": ":80", "https": ":443"}


def exact_origin(text: str, where: str) -> str:
    """As a browser writes it. ConfigError for anything with a path, a `*`, capitals or a default port."""
    scheme = text.partition("://")[0]
    if not _SHAPE.fullmatch(text) or text.endswith(_PORTS.get(scheme, "\0")):
        raise ConfigError(
            f"{where}: {text!r} is no origin",
            remedy="write each like https://shop.example, in small letters, no * and no path",
        )
    return text


def is_own(origin: str, headers: Mapping[str, str]) -> bool:
    """Whether the page is one of this server's own, as the browser tells by Origin and Host.

    Schemes are not compared: a proxy that ends TLS passes the host on, not the scheme.
    """
    try:
        return bool(origin) and urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""
    except ValueError:
        return False


class OriginGuard:
    """CORS for exactly the allowed origins, without credentials. Every answer varies by Origin."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.allowed = frozenset(settings.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(PUBLIC):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        allowed = bool(origin) and await self._allows(scope, origin)

        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.add_vary_header("Origin")
                if allowed:
                    answer["Access-Control-Allow-Origin"] = origin
                    answer["Access-Control-Expose-Headers"] = RESPONSE_HEADERS
            await send(message)

        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(allowed)(scope, receive, dress)
            return
        await self.app(scope, receive, dress)

    async def _allows(self, scope: Scope, origin: str) -> bool:
        if origin in self.allowed:
            return True
        services = getattr(scope["app"].state, "services", None)
        return services is not None and await services.sites.allows(origin)


def _preflight(allowed: bool) -> Response:
    if not allowed:
        return Response("this origin is not allowed", status_code=403, media_type="text/plain")
    return Response(
        status_code=200,
        headers={
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )
