"""OpenAI's chat completions over the same runs (platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from senmon.messages import Event, Identity
from senmon.server.errors import error_response, openai_error, status_of_code
from senmon.server.openai_schema import ChatRequest, Folded, fold, refuse_unsupported
from senmon.server.responses import openai_errors
from senmon.server.runturn import Turn
from senmon.server.services import Caller, Server, Services, note, noted
from senmon.server.sse import PING, PING_SECONDS, EventStream, Patient, compact, until_gone
from senmon.store.records import Run

AUTO = "auto"
#: An error that comes this early still becomes an HTTP status, which clients know how to retry.
PEEK_SECONDS = 0.1
_FINISH = {"stop": "stop", "length": "length", "content_filter": "content_filter"}

router = APIRouter(tags=["openai"])


class Model(BaseModel):
    """A model: `auto`, or a pack."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "senmon"
    root: str | None = None
    parent: str | None = None


class ModelList(BaseModel):
    """OpenAI's list of models."""

    object: str = "list"
    data: list[Model]


class ChatCompletion(BaseModel):
    """OpenAI's chat completion; `senmon` says who answered, and from what."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any]
    senmon: dict[str, Any]


@dataclass
class _Answer:
    """What the events of a run add up to."""

    run: Run
    model: str
    created: int = field(default_factory=lambda: int(time.time()))
    text: str = ""
    finish: str = "stop"
    usage: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return f"chatcmpl-{self.run.id}"

    def take(self, event: Event) -> None:
        data = event.data
        if event.type == "delta":
            self.text += str(data.get("text", ""))
        elif event.type == "verdict" and data.get("outcome") == "block":
            self.finish = "content_filter"
        elif event.type == "done":
            self.finish = (
                self.finish if self.finish != "stop" else _FINISH.get(data.get("finish_reason", ""), "stop")
            )
            self.usage = dict(data.get("usage", {}))
            self.provenance = dict(data.get("provenance", {}))
        elif event.type == "error":
            self.error = dict(data)

    def totals(self) -> dict[str, Any]:
        """OpenAI's `usage`."""
        prompt, completion = self.usage.get("prompt_tokens", 0), self.usage.get("completion_tokens", 0)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": self.usage.get("cached_tokens", 0)},
        }

    def senmon(self) -> dict[str, Any]:
        return {"run_id": self.run.id, "conversation_id": self.run.conversation, **self.provenance}


@router.get(
    "/v1/models", response_model=ModelList, responses=openai_errors(401, 429), summary="List the models"
)
async def list_models(identity: Caller, server: Server) -> ModelList:
    """`auto` routes each message; a pack's name pins it."""
    packs = sorted(server.workspace.catalog.packs.items())
    return ModelList(
        data=[
            Model(id=AUTO),
            *(
                Model(id=name, root=served.adapter.version if served.adapter else None)
                for name, served in packs
            ),
        ]
    )


@router.post(
    "/v1/chat/completions",
    response_model=ChatCompletion,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **openai_errors(400, 401, 403, 404, 409, 413, 415, 429, 503),
    },
    summary="Complete a chat",
)
async def complete_chat(body: ChatRequest, request: Request, identity: Caller, server: Server) -> Response:
    """OpenAI's contract, streaming or not. Closing the connection stops the generation at once."""
    refuse_unsupported(body)
    folded = fold(body.messages, server.workspace.settings.max_message_chars)
    if body.model != AUTO and body.model not in server.workspace.catalog.packs:
        return error_response(
            request.scope["path"],
            404,
            "model_not_found",
            "the model does not exist",
            remedy="GET /v1/models",
            param="model",
        )
    run = await _begin(body, folded, identity, server)
    note(request, run_id=run.id)
    events = Patient(noted(request, server.runs.follow(run.id)))
    if body.stream:
        return await _stream(_Answer(run, body.model), events, body, request, server)
    try:
        answer = await until_gone(request.receive, _collect(_Answer(run, body.model), events))
    finally:
        await _leave(events, run, server)
    return Response(status_code=499) if answer is None else _whole(answer, request.scope["path"])


async def _begin(body: ChatRequest, folded: Folded, identity: Identity, server: Services) -> Run:
    store = server.workspace.store
    known = (body.metadata or {}).get("conversation_id")
    if known is None:
        conversation = await store.create_conversation(identity, channel="openai")
    else:
        conversation = await store.conversation(known, identity)
    turn = Turn(
        conversation.id,
        secrets.token_urlsafe(16),
        folded.text,
        identity,
        pinned=None if body.model == AUTO else body.model,
        system=folded.system,
        history=() if known else folded.history,
    )
    return await server.runs.begin(turn)


async def _leave(events: Patient[Event], run: Run, server: Services) -> None:
    """Nobody can come back to an OpenAI run, so it does not outlive its connection."""
    await events.aclose()
    await server.runs.stop(run.id)


async def _collect(answer: _Answer, events: Patient[Event]) -> _Answer:
    while True:
        try:
            event = await events.next(PING_SECONDS)
        except StopAsyncIteration:
            return answer
        if event is not None:
            answer.take(event)


def _whole(answer: _Answer, path: str) -> Response:
    if answer.error is not None:
        return _refusal(answer.error, path)
    message = {"role": "assistant", "content": answer.text.rstrip(), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
    body = ChatCompletion(
        id=answer.id,
        created=answer.created,
        model=answer.model,
        choices=[choice],
        usage=answer.totals(),
        senmon=answer.senmon(),
    )
    return JSONResponse(body.model_dump())


def _refusal(error: dict[str, Any], path: str) -> Response:
    code = str(error.get("code", "internal_error"))
    return error_response(
        path,
        status_of_code(code),
        code,
        str(error.get("message", "")),
        remedy=str(error.get("remedy", "")),
        wait=error.get("retry_after"),
    )


async def _stream(
    answer: _Answer, events: Patient[Event], body: ChatRequest, request: Request, server: Services
) -> Response:
    async def leave() -> None:
        await _leave(events, answer.run, server)

    opening = await _opening(events)
    if opening and opening[-1].type == "error":
        await leave()
        return _refusal(dict(opening[-1].data), request.scope["path"])
    return EventStream(_chunks(answer, opening, events, body.include_usage), on_close=leave)


async def _opening(events: Patient[Event]) -> list[Event]:
    """What happens within the first moment, up to the first word."""
    seen: list[Event] = []
    until = time.monotonic() + PEEK_SECONDS
    while (left := until - time.monotonic()) > 0:
        event = await events.next(left)
        if event is None:
            break
        seen.append(event)
        if event.type in ("delta", "action", "done", "error"):
            break
    return seen


async def _chunks(
    answer: _Answer, opening: list[Event], events: Patient[Event], include_usage: bool
) -> AsyncGenerator[bytes, None]:
    extra: dict[str, Any] = {"usage": None} if include_usage else {}
    yield _chunk(answer, {"role": "assistant", "content": ""}, **extra)
    async with aclosing(_rest(opening, events)) as rest:
        async for event in rest:
            if event is None:
                yield PING
                continue
            answer.take(event)
            if event.type == "delta":
                yield _chunk(answer, {"content": str(event.data.get("text", ""))}, **extra)
    if answer.error is not None:
        yield _error_chunk(answer.error)
    else:
        yield _chunk(answer, {}, finish=answer.finish, senmon=answer.senmon(), **extra)
        if include_usage:
            yield _chunk(answer, None, usage=answer.totals())
    yield b"data: [DONE]\n\n"


async def _rest(opening: list[Event], events: Patient[Event]) -> AsyncGenerator[Event | None, None]:
    for event in opening:
        yield event
    while True:
        try:
            yield await events.next(PING_SECONDS)
        except StopAsyncIteration:
            return


def _chunk(
    answer: _Answer, delta: dict[str, Any] | None, *, finish: str | None = None, **extra: Any
) -> bytes:
    """`delta` None: the last chunk, which has no choice."""
    choices = (
        [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
    )
    head = {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.model,
    }
    return f"data: {compact({**head, 'choices': choices, **extra})}\n\n".encode("ascii")


def _error_chunk(error: dict[str, Any]) -> bytes:
    code = str(error.get("code", "internal_error"))
    body = openai_error(
        status_of_code(code), code, str(error.get("message", "")), remedy=str(error.get("remedy", ""))
    )
    return f"data: {compact(body.model_dump())}\n\n".encode("ascii")
