"""The native API: conversations, messages, runs, feedback."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request
from starlette.responses import JSONResponse, Response

from senmon.errors import PackNotFound, RequestInvalid
from senmon.server.corrections import NOBODY, propose_topic
from senmon.server.history import public_messages
from senmon.server.responses import BODY, EVENTS, errors
from senmon.server.runs import Turn
from senmon.server.schemas import (
    ConversationCreated,
    FeedbackKept,
    FeedbackRequest,
    History,
    MessageRequest,
    RunStarted,
    RunStopped,
)
from senmon.server.services import Server, Services, SpeakingVisitor, Visitor, note, noted
from senmon.server.sse import MEDIA_TYPE, EventStream, frames
from senmon.server.text import check_length

router = APIRouter(tags=["conversations"])
Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]


@router.post(
    "/v1/conversations",
    status_code=201,
    response_model=ConversationCreated,
    responses=errors(401, 422, 429),
    summary="Start a conversation",
)
async def create_conversation(identity: SpeakingVisitor, server: Server) -> ConversationCreated:
    """A conversation that only this visitor can read and continue."""
    record = await server.workspace.store.create_conversation(identity)
    return ConversationCreated(conversation_id=record.id)


@router.get(
    "/v1/conversations/{id}",
    response_model=History,
    responses=errors(401, 403, 404, 422),
    summary="Read a conversation",
)
async def read_conversation(id: Id, identity: Visitor, server: Server) -> History:
    """What was said, and the run that is still being answered."""
    store = server.workspace.store
    record = await store.conversation(id, identity)
    events = await store.conversation_events(id)
    ratings = {
        given.run: given.rating
        for run_id in dict.fromkeys(event.run_id for event in events)
        for given in await store.feedback(run_id)
        if given.visitor == identity.visitor
    }
    active = await store.running(id)
    return History(
        conversation_id=id,
        created=record.created,
        messages=public_messages(events, ratings),
        active_run=active.id if active else None,
    )


@router.post(
    "/v1/conversations/{id}/messages",
    status_code=202,
    response_model=RunStarted,
    responses={**EVENTS, **errors(*BODY, 401, 403, 404, 409, 429, 503)},
    summary="Send a message",
)
async def send_message(
    id: Id,
    body: MessageRequest,
    request: Request,
    identity: SpeakingVisitor,
    server: Server,
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """Starts a run and gives its id; with `Accept: text/event-stream`, its events instead.

    The same client_id with the same text is the same run, so a client may send again what it is not sure of.
    """
    check_length(body.text, server.workspace.settings.max_message_chars, "text")
    _check_pack(server, body.pack)
    await server.workspace.store.conversation(id, identity)
    run = await server.runs.begin(Turn(id, body.client_id, body.text, identity, pinned=body.pack))
    note(request, run_id=run.id, pack=body.pack)
    if MEDIA_TYPE in accept:
        return EventStream(frames(noted(request, server.runs.follow(run.id))))
    return JSONResponse(RunStarted(run_id=run.id).model_dump(), status_code=202)


@router.get(
    "/v1/runs/{id}/events",
    response_class=Response,
    response_model=None,
    responses={**EVENTS, **errors(401, 403, 404, 422)},
    summary="Follow a run",
)
async def follow_run(
    id: Id,
    request: Request,
    identity: Visitor,
    server: Server,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """The run's events from the first, or after Last-Event-ID, until `done` or `error`.

    A comment comes every 15 s of silence. A run that nobody follows for 30 s is stopped.
    """
    run = await server.workspace.store.run(id, identity)
    note(request, run_id=run.id)
    return EventStream(frames(noted(request, server.runs.follow(id, _seq(last_event_id)))))


@router.delete(
    "/v1/runs/{id}",
    response_model=RunStopped,
    responses=errors(401, 403, 404, 422),
    summary="Stop a run",
)
async def stop_run(id: Id, request: Request, identity: Visitor, server: Server) -> RunStopped:
    """Ends with `done` and finish_reason `cancelled`. What was said before stays said."""
    run = await server.workspace.store.run(id, identity)
    note(request, run_id=run.id)
    await server.runs.stop(id)
    run = await server.workspace.store.run(id, identity)
    return RunStopped(run_id=run.id, state=run.state)


@router.post(
    "/v1/runs/{id}/feedback",
    status_code=201,
    response_model=FeedbackKept,
    responses=errors(*BODY, 401, 403, 404, 429),
    summary="Rate a reply",
)
async def give_feedback(
    id: Id, body: FeedbackRequest, request: Request, identity: SpeakingVisitor, server: Server
) -> FeedbackKept:
    """Thumbs, with a reason and a correction if there is one; `topic` where another pack should have
    answered. What is proposed so changes no route until an operator accepts it."""
    note(request, run_id=id)
    if body.topic != NOBODY:
        _check_pack(server, body.topic)
    store = server.workspace.store
    kept = await store.add_feedback(id, identity, body.rating, reason=body.reason, correction=body.correction)
    proposed = body.topic is not None and await propose_topic(
        server.workspace.settings.home.expanduser(), await store.events(id), body.topic
    )
    return FeedbackKept(feedback_id=kept.id, run_id=kept.run, rating=kept.rating, topic_proposed=proposed)


def _check_pack(server: Services, pack: str | None) -> None:
    known = server.workspace.catalog.packs
    if pack is not None and pack not in known:
        raise PackNotFound(
            "this pack is not served", remedy=f"packs served: {', '.join(sorted(known)) or 'none'}"
        )


def _seq(last_event_id: str) -> int:
    if not last_event_id:
        return 0
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 9:
        raise RequestInvalid(
            "Last-Event-ID is not a seq", param="Last-Event-ID", remedy="send the last `id` that you got"
        )
    return int(last_event_id)
