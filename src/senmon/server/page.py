"""The front page: the demonstrations where there are some, else how to embed the chat."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from senmon.server.services import Server
from senmon.server.widget import front

STATIC = Path(__file__).parent / "static"

router = APIRouter()
files = StaticFiles(directory=STATIC)


@router.get("/", include_in_schema=False)
async def page(server: Server) -> Response:
    settings = server.workspace.settings
    if settings.demo and settings.loopback and (demo := front()) is not None:
        return RedirectResponse(demo, status_code=307)
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})
