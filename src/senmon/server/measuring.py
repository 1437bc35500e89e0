"""Counts requests, and takes up the trace that a caller goes on with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import cast

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from senmon import tracing
from senmon.server.services import Services


class Measured:
    """Around the whole application, once it has started."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = getattr(scope["app"].state, "services", None) if scope["type"] == "http" else None
        if services is None:
            await self.app(scope, receive, send)
            return
        status, metrics = 500, cast(Services, services).metrics

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics.in_flight.inc()
        try:
            with _trace(scope, services) if tracing.is_on() else nullcontext():
                await self.app(scope, receive, watch)
        finally:
            metrics.in_flight.dec()
            path = getattr(scope.get("route"), "path", "-")
            metrics.answered(path, status, scope.get("senmon.log", {}).get("code", ""))


def _trace(scope: Scope, services: Services) -> AbstractContextManager[None]:
    """Runs of this request have the caller's span as parent where a proxy of ours passed it on."""
    traceparent = Headers(scope=scope).get("traceparent")
    if not traceparent:
        return nullcontext()
    peer = (scope.get("client") or ("", 0))[0]
    return tracing.called_with(traceparent[:200], services.addresses.trusts(peer))
