"""Rasa's REST channel (rasa `core/channels/rest.py`), so that its clients work unchanged."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from senmon.errors import EngineBusy, EngineUnavailable, PersonSpeaks, RunConflict, SenmonError
from senmon.messages import Event, Identity
from senmon.server.auth import sender_identity
from senmon.server.native import deliver
from senmon.server.responses import BODY, errors
from senmon.server.runturn import Turn
from senmon.server.services import Caller, Server, Services, note, noted
from senmon.server.sse import EventStream, compact
from senmon.server.text import SpokenText, check_length
from senmon.store.records import Run

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
_RESTART = "/restart"
_TRIES = 3

router = APIRouter(prefix="/webhooks/rest", tags=["rasa"])


class RasaMessage(BaseModel):
    """What Rasa's REST channel takes. `metadata` is accepted and not used: it proves nothing."""

    model_config = ConfigDict(extra="forbid")

    sender: str = Field("default", min_length=1, max_length=256)
    message: SpokenText
    input_channel: str | None = Field(None, max_length=64)
    metadata: dict[str, Any] | None = None


class RasaButton(BaseModel):
    """A choice to offer; its payload is sent back as the message."""

    title: str
    payload: str


class RasaItem(BaseModel):
    """One item of a reply."""

    recipient_id: str
    text: str | None = None
    buttons: list[RasaButton] | None = None


class RasaStatus(BaseModel):
    """The channel is there."""

    status: Literal["ok"] = "ok"


@router.get("/", response_model=RasaStatus, responses=errors(), summary="Is the Rasa channel there?")
async def status() -> RasaStatus:
    """As Rasa answers it."""
    return RasaStatus()


@router.post(
    "/webhook",
    response_model=list[RasaItem],
    response_model_exclude_none=True,
    responses=errors(*BODY, 401, 409, 429, 503),
    summary="Send a message over Rasa's REST channel",
)
async def webhook(
    body: RasaMessage,
    request: Request,
    caller: Caller,
    server: Server,
    stream: Annotated[bool, Query(description="Items as lines of JSON, as they come.")] = False,
) -> Response:
    """The reply as items, split at blank lines. A sender's conversation goes on until it says `/restart`."""
    check_length(body.message, server.workspace.settings.max_message_chars, "message")
    identity = sender_identity(caller, body.sender)
    if body.message.strip() == _RESTART:
        await server.workspace.store.create_conversation(identity, channel="rasa")
        return JSONResponse([])
    run = await _begin(body.message, identity, server)
    if run is None:
        return JSONResponse([])
    note(request, run_id=run.id)
    items = _items(body.sender, noted(request, server.runs.follow(run.id)))
    if stream:
        return EventStream(_lines(body.sender, items))
    return await _array(items)


async def _begin(text: str, identity: Identity, server: Services) -> Run | None:
    """Messages of one sender queue up, as they do in Rasa. None: a person has joined, and has the message."""
    conversation = await server.workspace.store.continue_conversation(identity, "rasa")
    for _ in range(_TRIES):
        await server.runs.idle(conversation.id)
        turn = Turn(conversation.id, secrets.token_urlsafe(16), text, identity)
        try:
            return await server.runs.begin(turn)
        except PersonSpeaks:
            if await deliver(server, turn):
                return None
        except RunConflict:
            continue
    raise RunConflict("this sender's earlier message is still being answered", remedy="retry in a moment")


async def _array(items: AsyncGenerator[RasaItem, None]) -> Response:
    async with aclosing(items) as source:
        return JSONResponse([item.model_dump(exclude_none=True) async for item in source])


async def _lines(sender: str, items: AsyncGenerator[RasaItem, None]) -> AsyncGenerator[bytes, None]:
    """Rasa calls this text/event-stream and sends lines of JSON; so do we."""
    async with aclosing(items) as source:
        try:
            async for item in source:
                yield _line(item)
        except SenmonError as error:
            yield _line(RasaItem(recipient_id=sender, text=error.message))


def _line(item: RasaItem) -> bytes:
    return f"{compact(item.model_dump(exclude_none=True))}\n".encode("ascii")


async def _items(sender: str, events: AsyncGenerator[Event, None]) -> AsyncGenerator[RasaItem, None]:
    """Paragraphs as soon as they are whole; the buttons of actions come with the last one.

    Raises EngineBusy or EngineUnavailable when that is why there is no reply.
    """
    text, said, buttons = "", False, list[RasaButton]()
    async with aclosing(events) as source:
        async for event in source:
            if event.type == "action":
                buttons += _buttons(event.data)
            elif event.type == "delta":
                *whole, text = _BLANK_LINE.split(text + str(event.data.get("text", "")))
                for paragraph in filter(str.strip, whole):
                    said = True
                    yield RasaItem(recipient_id=sender, text=paragraph.strip())
            elif event.type == "error":
                _raise_if_busy(event.data, said=said or bool(text.strip()))
                text = f"{text} {event.data.get('message', '')}"
    if text.strip() or buttons:
        yield RasaItem(recipient_id=sender, text=text.strip() or None, buttons=buttons or None)


def _raise_if_busy(error: Mapping[str, Any], *, said: bool) -> None:
    message, code = str(error.get("message", "")), error.get("code")
    if code == EngineBusy.code and not said:
        raise EngineBusy(message, retry_after=float(error.get("retry_after", 1.0)), remedy="try again")
    if code == EngineUnavailable.code and not said:
        raise EngineUnavailable(message, remedy="try again")


def _buttons(data: Mapping[str, Any]) -> list[RasaButton]:
    return [
        RasaButton(title=str(button["title"]), payload=str(button.get("payload", button["title"])))
        for button in data.get("buttons") or ()
        if "title" in button
    ]
