"""The FastAPI application around a workspace."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from senmon import __version__
from senmon.errors import ConfigError, SenmonError
from senmon.server import handovers, health, native, openai, packs, page, rasa, visitors
from senmon.server.auth import Authenticator
from senmon.server.eventlog import StoredEventLog
from senmon.server.guards import BodyGuard, HostGuard, LastResort, SecurityHeaders
from senmon.server.handlers import add_handlers
from senmon.server.limits import RateLimiter
from senmon.server.logging import RequestLog
from senmon.server.ports import Workspace
from senmon.server.runs import IDLE_SECONDS, RunManager
from senmon.server.secret import load_secret
from senmon.server.services import Services
from senmon.settings import Settings

log = logging.getLogger(__name__)

_ALLOWED_HEADERS = ["Authorization", "Content-Type", "X-Senmon-Customer", "Last-Event-ID"]


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
    rooms = (visitors, native, handovers, packs, openai, rasa, health)
    for room in rooms:
        app.include_router(room.router)
    if settings.demo and settings.loopback:
        app.include_router(visitors.demo_router)
    app.include_router(page.router)
    app.mount("/static", page.files)
    add_handlers(app)
    _add_guards(app, settings)
    return app


def _add_guards(app: FastAPI, settings: Settings) -> None:
    """The last one added is the first to see a request."""
    _check_origins(settings.allowed_origins)
    app.add_middleware(BodyGuard)
    app.add_middleware(HostGuard, settings=settings)
    app.add_middleware(LastResort)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.allowed_origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=_ALLOWED_HEADERS,
        expose_headers=["Retry-After"],
    )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog)


def _check_origins(origins: tuple[str, ...]) -> None:
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or "*" in origin:
            raise ConfigError(
                f"SENMON_ALLOWED_ORIGINS: {origin!r} is no origin",
                remedy="write each like https://shop.example, no * and no path",
            )


def _lifespan(workspace: Workspace, idle_seconds: float):  # type: ignore[no-untyped-def]
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.failure = None
        try:
            await workspace.start()
            services = _services(workspace, idle_seconds)
            await _demand_keys(services)
        except Exception as error:
            # Whoever serves the application tells the operator; a traceback is for faults of ours only.
            app.state.failure = error
            if not isinstance(error, SenmonError):
                log.error("start-up failed", exc_info=error)
            await workspace.stop()
            raise
        app.state.services = services
        try:
            yield
        finally:
            await services.runs.close()
            await workspace.stop()

    return lifespan


def _services(workspace: Workspace, idle_seconds: float) -> Services:
    settings = workspace.settings
    auth = Authenticator(workspace, load_secret(settings.home.expanduser().absolute()))
    runs = RunManager(workspace, StoredEventLog(workspace.store), idle_seconds=idle_seconds)
    return Services(workspace, auth, runs, RateLimiter(settings.rate_limit_per_minute))


async def _demand_keys(services: Services) -> None:
    settings = services.workspace.settings
    if not settings.loopback and not await services.auth.has_keys():
        raise ConfigError(
            f"listening on {settings.host} demands an API key",
            remedy="set SENMON_API_KEYS=sk-… (openssl rand -hex 32), or listen on 127.0.0.1",
        )
