"""Every route of the console: who may, whether the change is meant, and that it is written down."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from senmon.errors import (
    AdapterError,
    AdapterNotFound,
    ConfigError,
    Forbidden,
    GateFailed,
    ProblemsError,
    RequestInvalid,
    SenmonError,
    Unauthenticated,
)
from senmon.server.console.access import Rule, rule_of
from senmon.server.console.forms import Form, read_form
from senmon.server.console.pages import render
from senmon.server.console.session import FIELD, HEADER, check_change, server_of, signed_in
from senmon.server.errors import retry_after, status_of
from senmon.store.staff import Staff

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
SIGN_IN = "/console/sign-in"


class ConsoleRoute(APIRoute):
    """Asks the table of access before the handler, and tells the audit log after it."""

    def get_route_handler(self) -> Handler:
        handle, path = super().get_route_handler(), self.path

        async def guarded(request: Request) -> Response:
            try:
                return await _answer(request, rule_of(request.method, path), handle)
            except Unauthenticated:
                return _to_sign_in(request)
            except RequestValidationError:
                return failure(request, RequestInvalid("this address is wrong", remedy="follow a link"))
            except SenmonError as error:
                return failure(request, error)

        return guarded


async def _answer(request: Request, rule: Rule, handle: Handler) -> Response:
    staff = await signed_in(request)
    request.state.staff, request.state.form = staff, Form({})
    request.state.noted = {"subject": "", "data": {}}
    if rule.roles is not None:
        if staff is None:
            raise Unauthenticated("nobody is signed in", remedy="sign in")
        if staff.role not in rule.roles:
            raise Forbidden(f"not as {staff.role}", remedy="ask an owner for another role")
    if request.method in ("GET", "HEAD"):
        return await handle(request)
    request.state.form = await read_form(request)
    check_change(request, request.headers.get(HEADER) or request.state.form.raw(FIELD))
    response = await handle(request)
    if rule.does and staff is not None and response.status_code < 400:
        await _audit(request, staff, rule.does)
    return response


async def _audit(request: Request, staff: Staff, does: str) -> None:
    subject = request.state.noted["subject"] or str(request.path_params.get("id", ""))
    data = request.state.noted["data"]
    await server_of(request).workspace.store.audit.record(staff.name, staff.role, does, subject, data)


def note(request: Request, subject: str = "", **data: Any) -> None:
    """What the audit log tells beside who, what and when. No visitor's words."""
    request.state.noted = {"subject": subject, "data": data}


def staff_of(request: Request) -> Staff:
    found = request.state.staff
    assert isinstance(found, Staff)  # the table of access has let nobody else in
    return found


def form_of(request: Request) -> Form:
    found = request.state.form
    assert isinstance(found, Form)
    return found


def is_part(request: Request) -> bool:
    """Whether the page asks for a part of itself."""
    return request.headers.get("hx-request") == "true"


def go(request: Request, place: str) -> Response:
    """To another page after a change."""
    if is_part(request):
        return Response(status_code=204, headers={"HX-Redirect": place})
    return RedirectResponse(place, status_code=303)


def failure(request: Request, error: SenmonError) -> Response:
    """The error as a page, or as the notice of a page."""
    problems = [problem.why for problem in error.problems] if isinstance(error, ProblemsError) else []
    template = "notice.html" if is_part(request) else "error.html"
    status = page_status(error)
    answer = render(request, template, error=error, problems=problems, status=status)
    answer.status_code = status
    if (wait := retry_after(error)) is not None:
        answer.headers["Retry-After"] = str(max(1, round(wait)))
    return answer


def page_status(error: SenmonError) -> int:
    """What a person typed wrong is no fault of the server's."""
    if isinstance(error, AdapterNotFound):
        return 404
    if isinstance(error, AdapterError | GateFailed):
        return 409
    return 422 if isinstance(error, ConfigError | ProblemsError) else status_of(error)


def _to_sign_in(request: Request) -> Response:
    place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"{SIGN_IN}?next={quote(place, safe='')}" if request.method == "GET" else SIGN_IN
    if is_part(request):
        return Response(status_code=401, headers={"HX-Redirect": SIGN_IN})
    return RedirectResponse(target, status_code=303)
