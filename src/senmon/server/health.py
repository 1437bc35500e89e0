"""Whether the process lives, whether it can answer, and its figures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, PlainTextResponse, Response

from senmon import __version__
from senmon.errors import Forbidden, SenmonError
from senmon.server.responses import errors, errors_beside_text
from senmon.server.schemas import Alive, Ready
from senmon.server.services import Server

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Alive, responses=errors(), summary="Is the process alive?")
async def healthz() -> Alive:
    """Looks at nothing else."""
    return Alive(version=__version__)


@router.get(
    "/readyz",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "Not yet, or no longer."}, **errors()},
    summary="Can messages be answered?",
)
async def readyz(server: Server) -> Response:
    """Base loaded, router built, store writable."""
    ready, checks = server.workspace.ready()
    store = await _store(server)
    found = {**_public(checks), "store": store}
    up = server.bus is None or server.bus.up
    if server.bus is not None:
        found["redis"] = "ok" if up else "unreachable: start it, or correct SENMON_REDIS_URL"
    body = Ready(ready=ready and store == "ok" and up, checks=found)
    return JSONResponse(body.model_dump(mode="json"), status_code=200 if body.ready else 503)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=errors_beside_text(401, 403),
    summary="Figures for Prometheus",
)
async def metrics(request: Request, server: Server) -> Response:
    """For SENMON_METRICS_KEY, a key of SENMON_API_KEYS, or somebody on this machine as long as there are no
    keys."""
    if not server.auth.reads_metrics(request.headers):
        identity = await server.auth.caller(request.headers)
        if "operator" not in identity.roles:
            remedy = "send SENMON_METRICS_KEY, or a key of SENMON_API_KEYS, as Bearer"
            raise Forbidden("these figures are the operator's", remedy=remedy)
    await server.metrics.state.read(server.workspace)
    text = await asyncio.to_thread(server.metrics.text)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _public(checks: Mapping[str, Any]) -> dict[str, Any]:
    """Lists are counted: their entries name files."""
    return {name: len(value) if isinstance(value, list | tuple) else value for name, value in checks.items()}


async def _store(server: Server) -> str:
    try:
        await server.workspace.store.check()
    except SenmonError as error:
        return error.code
    return "ok"
