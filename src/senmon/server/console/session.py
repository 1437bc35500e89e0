"""Who is signed in: a random token in a cookie that no script reads, and a CSRF token bound to it."""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from typing import cast

from fastapi import Request
from starlette.responses import Response

from senmon.errors import Forbidden
from senmon.server.console.passwords import Verifier
from senmon.server.console.throttle import SignInThrottle
from senmon.server.origins import is_own
from senmon.server.secret import load_secret
from senmon.server.services import Services
from senmon.store.staff import SESSION, Staff

COOKIE = "senmon_console"
#: Before anybody has signed in, the sign-in form is bound to this one.
VISIT = "senmon_console_visit"
HEADER = "x-csrf-token"
FIELD = "csrf"
PATH = "/console"


@dataclass(slots=True)
class Door:
    """Made once per server."""

    secret: bytes
    verifier: Verifier = field(default_factory=Verifier)
    throttle: SignInThrottle = field(default_factory=SignInThrottle)


def server_of(request: Request) -> Services:
    return cast(Services, request.app.state.services)


def door_of(request: Request) -> Door:
    state = request.app.state
    if not hasattr(state, "console_door"):
        home = server_of(request).workspace.settings.home.expanduser().absolute()
        state.console_door = Door(load_secret(home))
    return cast(Door, state.console_door)


async def signed_in(request: Request) -> Staff | None:
    token = request.cookies.get(COOKIE, "")
    return await server_of(request).workspace.store.staff.session(token) if token else None


def csrf_of(request: Request, cookie: str | None = None) -> str:
    """Good as long as the cookie that it is bound to."""
    bound = cookie or request.cookies.get(COOKIE) or request.cookies.get(VISIT) or ""
    digest = hmac.digest(door_of(request).secret, f"console csrf\0{bound}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def check_change(request: Request, given: str) -> None:
    """Raises Forbidden unless the change comes from a page of ours that was made for this very session."""
    origin = request.headers.get("origin", "")
    fetch_site = request.headers.get("sec-fetch-site", "same-origin")
    foreign = bool(origin) and not is_own(origin, request.headers)
    if foreign or fetch_site not in ("same-origin", "none"):
        raise Forbidden("this change comes from another site's page", remedy="do it in the console itself")
    bound = request.cookies.get(COOKIE) or request.cookies.get(VISIT)
    if not bound or not hmac.compare_digest(given.encode(), csrf_of(request).encode()):
        raise Forbidden(
            "this page is out of date, or the browser keeps no cookie of it",
            remedy="load it again; the console needs cookies, and HTTPS unless it is on this machine",
        )


def new_visit() -> str:
    return secrets.token_urlsafe(18)


def put_cookie(request: Request, response: Response, name: str, value: str) -> None:
    settings = server_of(request).workspace.settings
    secure = not settings.loopback or request.headers.get("origin", "").startswith("https:")
    response.set_cookie(
        name,
        value,
        path=PATH,
        httponly=True,
        samesite="lax",
        secure=secure,
        max_age=int(SESSION.total_seconds()),
    )


def drop_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, path=PATH)
