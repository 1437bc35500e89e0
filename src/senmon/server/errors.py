"""Errors as HTTP: one table of statuses, two shapes (native and OpenAI's)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from senmon import errors
from senmon.errors import SenmonError

STATUS: Mapping[type[SenmonError], int] = {
    errors.SenmonError: 500,
    errors.RequestInvalid: 422,
    errors.PackNotFound: 404,
    errors.PromptTooLong: 413,
    errors.EngineBusy: 429,
    errors.EngineUnavailable: 503,
    errors.TuningInProgress: 409,
    errors.ActionUnknown: 404,
    errors.ActionRejected: 422,
    errors.ActionDenied: 403,
    errors.ActionFailed: 502,
    errors.PackCodeNotAllowed: 403,
    errors.StoreError: 503,
    errors.ConversationNotFound: 404,
    errors.RunNotFound: 404,
    errors.HandoverNotFound: 404,
    errors.RunConflict: 409,
    errors.HandoverConflict: 409,
    errors.AlreadyRated: 409,
    errors.SiteNotFound: 404,
    errors.WebhookNotFound: 404,
    errors.StaffNotFound: 404,
    errors.ArticleNotFound: 404,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.RateLimited: 429,
}
_BY_CODE = {kind.code: status for kind, status in STATUS.items()}
_TYPES = {401: "authentication", 403: "permission", 404: "not_found", 409: "conflict", 429: "rate_limit"}
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_MAX_PROBLEMS = 20


class FieldProblem(BaseModel):
    """One wrong field of a request."""

    field: str
    why: str


class ErrorDetail(BaseModel):
    """What went wrong, and what to do about it."""

    type: str = Field(
        description="invalid_request, authentication, permission, not_found, conflict, rate_limit, server"
    )
    code: str = Field(description="Stable and machine-readable.")
    message: str
    remedy: str = ""
    problems: list[FieldProblem] = []


class ErrorBody(BaseModel):
    """Every error of the native API and of the Rasa channel."""

    error: ErrorDetail


class OpenAIErrorDetail(BaseModel):
    """OpenAI's error object."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIErrorBody(BaseModel):
    """Every error of the OpenAI API."""

    error: OpenAIErrorDetail


def status_of(error: SenmonError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def status_of_code(code: str) -> int:
    """The status for the code in an `error` event."""
    return _BY_CODE.get(code, 500)


def retry_after(error: object) -> float | None:
    """Seconds after which the same request may work."""
    if isinstance(error, errors.RunConflict):
        return 1.0
    wait = getattr(error, "retry_after", None)
    return float(wait) if wait is not None else None


def event_data(error: SenmonError) -> dict[str, Any]:
    """An error as the data of an `error` event."""
    data: dict[str, Any] = {"code": error.code, "message": error.message, "remedy": error.remedy}
    if (wait := retry_after(error)) is not None:
        data["retry_after"] = wait
    return data


def is_openai(path: str) -> bool:
    return path.startswith(("/v1/chat/", "/v1/models"))


def error_response(
    path: str,
    status: int,
    code: str,
    message: str,
    *,
    remedy: str = "",
    problems: Sequence[FieldProblem] = (),
    param: str | None = None,
    wait: float | None = None,
) -> Response:
    """The answer in the shape that the clients of `path` understand."""
    headers = {"Retry-After": str(math.ceil(wait))} if wait is not None else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if is_openai(path):
        status = 400 if status == 422 else status
        param = param or (problems[0].field if problems else None)
        words = "; ".join([message, *(f"{problem.field}: {problem.why}" for problem in problems)])
        body: BaseModel = openai_error(status, code, words, remedy=remedy, param=param)
    else:
        kind = _TYPES.get(status, "server" if status >= 500 else "invalid_request")
        if param and not problems:
            problems = (FieldProblem(field=param, why=message),)
        detail = ErrorDetail(
            type=kind, code=code, message=message, remedy=remedy, problems=list(problems[:_MAX_PROBLEMS])
        )
        body = ErrorBody(error=detail)
    return JSONResponse(body.model_dump(), status_code=status, headers=headers)


def openai_error(
    status: int, code: str, message: str, *, remedy: str = "", param: str | None = None
) -> OpenAIErrorBody:
    kind = _OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    words = f"{message} ({remedy})" if remedy else message
    return OpenAIErrorBody(error=OpenAIErrorDetail(message=words, type=kind, param=param, code=code))


def senmon_response(path: str, error: SenmonError) -> Response:
    return error_response(
        path,
        status_of(error),
        error.code,
        error.message,
        remedy=error.remedy,
        param=getattr(error, "param", None) or None,
        wait=retry_after(error),
    )
