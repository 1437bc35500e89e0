"""Coming in and going out: sign-in, links, the own password, and the console's files."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from senmon.errors import ConfigError, Forbidden, SenmonError, Unauthenticated
from senmon.server.console.access import may
from senmon.server.console.naming import account_name, shown_name
from senmon.server.console.pages import MENU, STATIC, render
from senmon.server.console.route import ConsoleRoute, form_of, go, page_status, staff_of
from senmon.server.console.session import (
    COOKIE,
    VISIT,
    csrf_of,
    door_of,
    drop_cookie,
    new_visit,
    put_cookie,
    server_of,
    signed_in,
)
from senmon.server.errors import retry_after
from senmon.server.files import FolderFiles
from senmon.server.services import address_of
from senmon.store.staff import Staff

router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)
_files = FolderFiles(STATIC)
#: Where somebody wanted to go: a page of the console, with no way out of it.
_PLACE = re.compile(r"/console(?:/(?!\.)[\w.~-]+)*(?:\?[\w=&%.~+-]*)?")
Token = Annotated[str, Path(pattern=r"^[\w-]{20,100}$")]


@router.get("/static/{name}")
async def file(name: Annotated[str, Path(max_length=60)], request: Request) -> Response:
    found = _files.answer(name, request.headers, {"Cache-Control": "public, max-age=31536000, immutable"})
    if found is None:
        raise HTTPException(404)
    return found


@router.get("")
async def front(request: Request) -> Response:
    """The first page that the role has."""
    role = staff_of(request).role
    place = next((href for href, _, _ in MENU if may(role, "GET", href)), "/console/account")
    return RedirectResponse(place, status_code=303)


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    if await signed_in(request) is not None:
        return RedirectResponse("/console", status_code=303)
    return await _sign_in_page(request, place=request.query_params.get("next", ""))


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    form, door, server = form_of(request), door_of(request), server_of(request)
    name, place = form.text("name", 100).lower(), form.text("next", 500)
    address = address_of(request, server)
    try:
        door.throttle.attempt(name, address)
        found = await server.workspace.store.staff.find(name)
        right = await door.verifier.matches(found.password if found else None, form.raw("password"))
        if found is None or not right or found.disabled:
            if found is not None:
                await server.workspace.store.audit.record(found.name, found.role, "failed to sign in")
            raise Unauthenticated("name or password is wrong", remedy="an owner can give you a new link")
    except SenmonError as error:
        return await _sign_in_page(request, error=error, name=name, place=place)
    door.throttle.succeeded(name, address)
    return await _enter(request, found, place)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    await server_of(request).workspace.store.staff.end_session(request.cookies.get(COOKIE, ""))
    response = go(request, "/console/sign-in")
    drop_cookie(response)
    return response


@router.get("/setup/{token}")
async def setup_page(token: Token, request: Request) -> Response:
    """Where a link leads that `senmon up`, `senmon staff` or an owner gave."""
    return await _setup_page(request, token)


@router.post("/setup/{token}")
async def set_up(token: Token, request: Request) -> Response:
    form, store = form_of(request), server_of(request).workspace.store
    good, whose = await store.staff.link(token)
    if not good:
        return await _setup_page(request, token)
    try:
        name = whose.name if whose else account_name(form.text("name"))
        shown = whose.display if whose else shown_name(form.text("display") or name)
        if form.raw("password") != form.raw("again"):
            raise ConfigError("the two passwords differ", remedy="write the same twice")
        password = await door_of(request).verifier.hashed(form.raw("password"), name, shown)
        if not await store.staff.use_link(token):
            raise Forbidden("this link was used already", remedy="ask an owner for another")
        if whose is None:
            made = await store.staff.add(name, shown, "owner", password, first=True)
            await store.audit.record(made.name, made.role, "became the first owner", made.name)
        else:
            made = await store.staff.change(name, password=password)
            await store.audit.record(made.name, made.role, "chose a password by link", made.name)
    except SenmonError as error:
        return await _setup_page(request, token, error=error)
    return await _enter(request, made, "")


@router.get("/account")
async def account(request: Request) -> Response:
    return render(request, "account.html", error=None)


@router.post("/account")
async def change_password(request: Request) -> Response:
    """Signs out everywhere else."""
    staff, form, door = staff_of(request), form_of(request), door_of(request)
    address = address_of(request, server_of(request))
    try:
        door.throttle.attempt(staff.name, address)
        if not await door.verifier.matches(staff.password, form.raw("old")):
            raise Unauthenticated("the old password is wrong", remedy="write it again")
        door.throttle.succeeded(staff.name, address)
        if form.raw("password") != form.raw("again"):
            raise ConfigError("the two passwords differ", remedy="write the same twice")
        password = await door.verifier.hashed(form.raw("password"), staff.name, staff.display)
    except SenmonError as error:
        answer = render(request, "account.html", error=error)
        answer.status_code = page_status(error)
        return answer
    changed = await server_of(request).workspace.store.staff.change(staff.name, password=password)
    return await _enter(request, changed, "/console/account", told=False)


async def _enter(request: Request, staff: Staff, place: str, *, told: bool = True) -> Response:
    """A new session: the one before, and its cookie, are worth nothing any more."""
    store = server_of(request).workspace.store
    if old := request.cookies.get(COOKIE):
        await store.staff.end_session(old)
    token = await store.staff.open_session(staff.id)
    if told:
        await store.audit.record(staff.name, staff.role, "signed in")
    response = RedirectResponse(place if _PLACE.fullmatch(place) else "/console", status_code=303)
    put_cookie(request, response, COOKIE, token)
    return response


async def _sign_in_page(
    request: Request, *, error: SenmonError | None = None, name: str = "", place: str = ""
) -> Response:
    anybody = await server_of(request).workspace.store.staff.any()
    return _with_visit(
        request,
        "sign_in.html",
        error=error,
        name=name,
        next=place if _PLACE.fullmatch(place) else "",
        anybody=anybody,
    )


async def _setup_page(request: Request, token: str, *, error: SenmonError | None = None) -> Response:
    good, whose = await server_of(request).workspace.store.staff.link(token)
    if not good:
        error = Forbidden("this link is not good any more", remedy="links are good once, for a day")
    return _with_visit(request, "setup.html", error=error, good=good, whose=whose, token=token)


def _with_visit(request: Request, template: str, *, error: SenmonError | None, **context: object) -> Response:
    """A page with a form for somebody who is not signed in: the form is bound to a cookie all the same."""
    bound = request.cookies.get(COOKIE) or request.cookies.get(VISIT)
    visit = bound or new_visit()
    answer = render(request, template, error=error, **{**context, "csrf": csrf_of(request, visit)})
    if not bound:
        put_cookie(request, answer, VISIT, visit)
    if error is not None:
        answer.status_code = page_status(error)
        if (wait := retry_after(error)) is not None:
            answer.headers["Retry-After"] = str(max(1, round(wait)))
    return answer
