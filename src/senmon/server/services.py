"""What a request handler works with, and who is asking."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from senmon.messages import Event, Identity
from senmon.server.auth import Authenticator
from senmon.server.limits import RateLimiter
from senmon.server.ports import Workspace
from senmon.server.runs import RunManager


@dataclass(frozen=True, slots=True)
class Services:
    """Made once, when the server starts."""

    workspace: Workspace
    auth: Authenticator
    runs: RunManager
    limiter: RateLimiter


def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


Server = Annotated[Services, Depends(services)]


async def _visitor(request: Request, server: Server) -> Identity:
    return await server.auth.visitor(request.headers)


async def _caller(request: Request, server: Server) -> Identity:
    identity = await server.auth.caller(request.headers)
    server.limiter.check(limit_key(identity))
    return identity


Visitor = Annotated[Identity, Depends(_visitor)]


async def _speaking_visitor(identity: Visitor, server: Server) -> Identity:
    server.limiter.check(limit_key(identity))
    return identity


#: A visitor whose request counts against the rate limit.
SpeakingVisitor = Annotated[Identity, Depends(_speaking_visitor)]
#: A back end (API key), or anybody on this machine; counts against the rate limit.
Caller = Annotated[Identity, Depends(_caller)]


def limit_key(identity: Identity) -> str:
    return f"{identity.site}/{identity.visitor}"


def note(request: Request, **facts: str | None) -> None:
    """Facts for the request's log line: ids and names only."""
    request.scope.setdefault("senmon.log", {}).update(facts)


async def noted(request: Request, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The events; the pack that they are routed to goes into the log line."""
    async with aclosing(events) as source:
        async for event in source:
            if event.type == "route":
                note(request, pack=event.data.get("pack"))
            yield event
