"""Exceptions that reach FastAPI, turned into answers. None quotes what the caller sent."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from senmon.errors import SenmonError
from senmon.server.errors import FieldProblem, error_response, senmon_response
from senmon.server.services import note

_HTTP = {
    404: ("not_found", "nothing is at this path", "see /openapi.json"),
    405: ("method_not_allowed", "this path does not take this method", "see /openapi.json"),
    400: ("malformed_json", "the body is not valid JSON in UTF-8", "send a JSON object"),
}
_FIELD_CHARS = 100


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(SenmonError, _on_senmon_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_senmon_error(request: Request, error: Exception) -> Response:
    note(request, code=cast(SenmonError, error).code)
    return senmon_response(request.scope["path"], cast(SenmonError, error))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    status = cast(HTTPException, error).status_code
    code, message, remedy = _HTTP.get(status, ("http_error", "the request was refused", ""))
    note(request, code=code)
    return error_response(request.scope["path"], status, code, message, remedy=remedy)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    faults = cast(RequestValidationError, error).errors()
    malformed = bool(faults) and faults[0]["type"] == "json_invalid"
    note(request, code="malformed_json" if malformed else "request_invalid")
    if malformed:
        return _malformed(request, faults[0])
    problems = [
        FieldProblem(field=_place(fault), why=fault["msg"].removeprefix("Value error, ")) for fault in faults
    ]
    summary = "the request has wrong fields" if problems else "the request is invalid"
    return error_response(
        request.scope["path"], 422, "request_invalid", summary, problems=problems, remedy="see /openapi.json"
    )


def _malformed(request: Request, fault: Any) -> Response:
    place, why = fault["loc"][-1], fault.get("ctx", {}).get("error", "")
    message = f"the body is not valid JSON: {why} at character {place}"
    return error_response(request.scope["path"], 400, "malformed_json", message, remedy="send a JSON object")


def _place(fault: Any) -> str:
    """`messages.0.content`, without the leading `body`."""
    parts = [str(part) for part in fault["loc"]]
    if len(parts) > 1 and parts[0] == "body":
        parts = parts[1:]
    return ".".join(parts)[:_FIELD_CHARS]
