"""Documented answers of a route."""

from __future__ import annotations

from typing import Any

from senmon.server.errors import ErrorBody, OpenAIErrorBody
from senmon.server.schemas import ConversationEventBody, EventBody

_WHY = {
    400: "The body is not valid JSON.",
    401: "No valid token.",
    403: "Not yours, or not here.",
    404: "There is no such thing.",
    409: "Another run is under way, or the client_id was used before.",
    413: "The body is larger than 256 KiB.",
    415: "The body is not declared as JSON.",
    422: "A field is wrong.",
    429: "Too many requests; see Retry-After.",
    500: "Something broke on our side.",
    503: "Not ready; see Retry-After or GET /readyz.",
}
BODY = (400, 413, 415, 422)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody, "description": _WHY[status]} for status in sorted({*statuses, 500})}


def errors_beside_text(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors of a route whose own answer is text: FastAPI would document a model under that media type."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
    return {status: {"content": content, "description": _WHY[status]} for status in sorted({*statuses, 500})}


def openai_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    documented: dict[int | str, dict[str, Any]] = {
        status: {"model": OpenAIErrorBody, "description": _WHY[status]} for status in sorted({*statuses, 500})
    }
    # Declared, so that FastAPI adds no 422 of its own.
    documented["4XX"] = {"model": OpenAIErrorBody, "description": "The request was refused."}
    return documented


#: A 200 that streams events.
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events; the schema is that of each one's data, and `id` is its seq.",
        "content": {"text/event-stream": {"schema": EventBody.model_json_schema()}},
    }
}

#: The same, of a conversation's events.
CONVERSATION_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events; the schema is that of each one's data, and `id` is its seq.",
        "content": {"text/event-stream": {"schema": ConversationEventBody.model_json_schema()}},
    }
}
