"""What a request handler works with, and who is asking."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from senmon.errors import PackNotFound
from senmon.messages import Event, Identity
from senmon.server.address import Addresses
from senmon.server.auth import Authenticator
from senmon.server.bus import Bus
from senmon.server.limits import Limits
from senmon.server.metrics import Metrics
from senmon.server.news import News
from senmon.server.ports import ServedPack, Workspace
from senmon.server.runs import RunManager
from senmon.server.sites import SiteRegistry


@dataclass(frozen=True, slots=True)
class Services:
    """Made once, when the server starts."""

    workspace: Workspace
    auth: Authenticator
    runs: RunManager
    news: News
    limits: Limits
    addresses: Addresses
    metrics: Metrics
    bus: Bus | None = None

    @property
    def sites(self) -> SiteRegistry:
        return self.auth.sites

    async def close(self) -> None:
        """End every stream and every run."""
        self.news.close()
        await self.runs.close()

    async def packs_of(self, identity: Identity) -> frozenset[str] | None:
        """The packs that answer this identity's site; None: all."""
        site = await self.sites.find(identity.site)
        return None if site is None or site.packs is None else frozenset(site.packs)

    async def served(self, pack: str, identity: Identity) -> ServedPack:
        """Raises PackNotFound, naming those that answer this identity's site."""
        allowed = await self.packs_of(identity)
        known = [name for name in self.workspace.catalog.packs if allowed is None or name in allowed]
        if pack not in known:
            raise PackNotFound(
                "this pack is not served", remedy=f"packs served: {', '.join(sorted(known)) or 'none'}"
            )
        return self.workspace.catalog.packs[pack]


def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


Server = Annotated[Services, Depends(services)]


def address_of(request: Request, server: Services) -> str:
    return server.addresses.of(request.client.host if request.client else "", request.headers)


async def _visitor(request: Request, server: Server) -> Identity:
    identity = await server.auth.visitor(request.headers)
    server.limits.read(identity)
    return identity


async def _speaking_visitor(request: Request, server: Server) -> Identity:
    identity = await server.auth.visitor(request.headers)
    await server.limits.speak(identity, address_of(request, server))
    return identity


async def _caller(request: Request, server: Server) -> Identity:
    identity = await server.auth.caller(request.headers)
    await server.limits.speak(identity, address_of(request, server))
    return identity


Visitor = Annotated[Identity, Depends(_visitor)]
#: A visitor whose request counts against the rate limits.
SpeakingVisitor = Annotated[Identity, Depends(_speaking_visitor)]
#: A back end (API key), or anybody on this machine; counts against the rate limits.
Caller = Annotated[Identity, Depends(_caller)]


def site_of(identity: Identity) -> str | None:
    """Whose conversations a back end may answer: its key's site; None, all, for the operator."""
    return None if "operator" in identity.roles else identity.site


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
