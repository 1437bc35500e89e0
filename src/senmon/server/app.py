"""The FastAPI application around a workspace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from senmon import __version__
from senmon.errors import ConfigError, SenmonError
from senmon.server import (
    articles,
    classes,
    conversation_events,
    endings,
    handovers,
    health,
    native,
    openai,
    packs,
    page,
    rasa,
    visitors,
    widget,
)
from senmon.server import people as erasures
from senmon.server.address import Addresses
from senmon.server.admission import Admission
from senmon.server.auth import Authenticator
from senmon.server.bus import Bus, open_bus
from senmon.server.console import router as console
from senmon.server.door import Door
from senmon.server.eventlog import StoredEventLog
from senmon.server.guards import BodyGuard, HostGuard, LastResort, SecurityHeaders
from senmon.server.handlers import add_handlers
from senmon.server.leasing import keep_leases
from senmon.server.limits import Limits
from senmon.server.logging import RequestLog
from senmon.server.measuring import Measured
from senmon.server.metrics import Metrics
from senmon.server.news import News
from senmon.server.origins import OriginGuard, exact_origin
from senmon.server.ports import Workspace
from senmon.server.retention import retain
from senmon.server.runs import IDLE_SECONDS, RunManager
from senmon.server.secret import load_secret
from senmon.server.services import Services
from senmon.server.traces import Traces
from senmon.server.watching import watch
from senmon.server.webhooks import chatwoot
from senmon.server.webhooks.courier import Courier, stopped
from senmon.settings import Settings

log = logging.getLogger(__name__)


def create_app(workspace: Workspace, *, idle_seconds: float = IDLE_SECONDS) -> FastAPI:
    """The application; it starts and stops the workspace. ConfigError for origins that aren't exact."""
    settings = workspace.settings
    app = FastAPI(
        title="senmon",
        version=__version__,
        summary="Domain chatbots: native API, OpenAI API, Rasa REST channel.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(workspace, idle_seconds),
    )
    people = (visitors, classes, native, conversation_events, handovers, endings, articles, erasures)
    rooms = (*people, packs, openai, rasa, chatwoot, health)
    for room in rooms:
        app.include_router(room.router)
    if settings.demo and settings.loopback:
        app.include_router(visitors.demo_router)
        app.include_router(widget.demo_router)
    app.include_router(widget.router)
    for each in console.routers:
        app.include_router(each)
    app.include_router(page.router)
    app.mount("/static", page.files)
    add_handlers(app)
    _add_guards(app, settings)
    return app


def _add_guards(app: FastAPI, settings: Settings) -> None:
    """The last one added is the first to see a request."""
    for origin in settings.allowed_origins:
        exact_origin(origin, "SENMON_ALLOWED_ORIGINS")
    app.add_middleware(BodyGuard)
    app.add_middleware(Door)
    app.add_middleware(HostGuard, settings=settings)
    app.add_middleware(LastResort)
    app.add_middleware(OriginGuard, settings=settings)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog)
    app.add_middleware(Measured)


def _lifespan(workspace: Workspace, idle_seconds: float):  # type: ignore[no-untyped-def]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.failure = None
        traces = Traces(workspace.settings)
        try:
            traces.begin()
            await workspace.start()
            bus = open_bus(workspace.settings)
            services = _services(workspace, idle_seconds, bus)
            if bus is not None:
                await bus.start()
            await _demand_keys(services)
            await services.auth.classes.take_in(workspace.settings.home.expanduser().absolute())
        except Exception as error:
            # Whoever serves the application tells the operator; a traceback is for faults of ours only.
            app.state.failure = error
            if not isinstance(error, SenmonError):
                log.error("start-up failed", exc_info=error)
            await workspace.stop()
            await traces.stop()
            raise
        app.state.services = services
        home = workspace.settings.home.expanduser().absolute()
        forgetting = asyncio.create_task(retain(workspace.store, workspace.settings.retention_days))
        master = load_secret(home)
        courier = asyncio.create_task(Courier(workspace.store, workspace.settings, master).run())
        watching = asyncio.create_task(watch(workspace.store, home))
        leasing = asyncio.create_task(keep_leases(workspace.store, services.runs, bus))
        try:
            yield
        finally:
            forgetting.cancel()
            for task in (courier, watching, leasing):
                await stopped(task)
            await services.close()
            if bus is not None:
                await bus.close()
            await workspace.stop()
            await traces.stop()

    return lifespan


def _services(workspace: Workspace, idle_seconds: float, bus: Bus | None) -> Services:
    settings = workspace.settings
    auth = Authenticator(workspace, load_secret(settings.home.expanduser().absolute()))
    news = News(workspace.store, bus)
    metrics = Metrics(workspace.engine_figures)
    log = StoredEventLog(workspace.store, bus)
    runs = RunManager(
        workspace,
        log,
        news,
        metrics,
        bus=bus,
        idle_seconds=idle_seconds,
        admission=Admission(settings.live_runs),
    )
    addresses = Addresses(settings.trusted_proxies)
    return Services(workspace, auth, runs, news, Limits(settings, bus), addresses, metrics, bus)


async def _demand_keys(services: Services) -> None:
    settings = services.workspace.settings
    if not settings.loopback and not await services.auth.has_keys():
        raise ConfigError(
            f"listening on {settings.host} demands an API key",
            remedy="set SENMON_API_KEYS=sk-… (openssl rand -hex 32), or listen on 127.0.0.1",
        )
