"""The widget's files for every page, the page for iframes, and the pages that show both."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParam
from starlette.exceptions import HTTPException
from starlette.responses import Response

from senmon.server.files import FolderFiles
from senmon.server.guards import page_policy
from senmon.server.responses import errors
from senmon.server.services import Server

STATIC = Path(__file__).parent / "static"

router = APIRouter(tags=["widget"])
demo_router = APIRouter(tags=["demo"])
_widget = FolderFiles(STATIC / "widget" / "v1")
_demo = FolderFiles(STATIC / "demo")
#: esbuild's `name-HASH.ext`: another content has another name.
_HASHED = re.compile(r".+-[A-Z0-9]{8}\.\w+")
_PUBLIC = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
_CHAT = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Chat</title>
<link rel="icon" href="static/icon.svg" type="image/svg+xml">
<script type="module" src="widget/v1/senmon-chat.js" data-site-key="" data-page></script>
</head>
<body>
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
"""


def _file(media: str, what: str) -> dict[int | str, dict[str, Any]]:
    content = {media: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": what, "content": content}, **errors(404, 422)}


@router.get(
    "/widget/v1/{name}",
    response_class=Response,
    responses=_file("text/javascript", "The file."),
    summary="Files of the widget",
)
async def widget_file(name: Annotated[str, PathParam(max_length=128)], request: Request) -> Response:
    """`senmon-chat.js` has a stable name and is asked for again each time; the rest never changes."""
    caching = "public, max-age=31536000, immutable" if _HASHED.fullmatch(name) else "public, no-cache"
    found = _widget.answer(name, request.headers, {**_PUBLIC, "Cache-Control": caching})
    if found is None:
        raise HTTPException(404)
    return found


@router.get(
    "/chat",
    response_class=Response,
    responses={**_file("text/html", "The page."), **errors(404, 422)},
    summary="The chat as a page, for iframes",
)
async def chat_page(
    server: Server,
    site_key: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Only the site's own pages may show it in a frame. The page itself reads `lang`, `theme` and `pack`."""
    if site_key is not None:
        around = (await server.sites.by_key(site_key)).origins
    else:
        around = ("'self'", *server.workspace.settings.allowed_origins)
    headers = {
        "Content-Security-Policy": page_policy(around),
        "Cache-Control": "no-cache",
        # Who may show it, the policy says; a page that isolates itself (COEP) wants this said too.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return Response(_CHAT, media_type="text/html; charset=utf-8", headers=headers)


@demo_router.get(
    "/demo/{name}",
    response_class=Response,
    responses=_file("text/html", "The page, or a file of it."),
    summary="Demonstration pages",
)
async def demo_page(name: Annotated[str, PathParam(max_length=128)], request: Request) -> Response:
    """A shop and a classroom that embed the widget as real sites do. Only with SENMON_DEMO, on loopback."""
    headers = {"Content-Security-Policy": page_policy(()), "Cache-Control": "no-cache"}
    found = _demo.answer(name if "." in name else f"{name}.html", request.headers, headers)
    if found is None:
        raise HTTPException(404)
    return found


def front() -> str | None:
    """The page of demonstrations that `/` leads to."""
    return "demo/index" if _demo.has("index.html") else None
