"""The native API: conversations, messages, runs, feedback."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Query, Request
from starlette.responses import JSONResponse, Response

from senmon.errors import EngineBusy, EngineUnavailable, PersonSpeaks
from senmon.server.corrections import NOBODY, propose_topic
from senmon.server.history import public_messages
from senmon.server.prechat import check_prechat
from senmon.server.responses import BODY, EVENTS, errors
from senmon.server.runturn import Turn
from senmon.server.schemas import (
    ConversationCreated,
    ConversationRequest,
    FeedbackKept,
    FeedbackRequest,
    HandoverState,
    History,
    MessageRequest,
    PublicMessage,
    RunStarted,
    RunStopped,
)
from senmon.server.services import Server, Services, SpeakingVisitor, Visitor, note, noted
from senmon.server.sse import MEDIA_TYPE, EventStream, frames, last_seq
from senmon.server.text import check_length
from senmon.store.told import Told

router = APIRouter(tags=["conversations"])
Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]


@router.post(
    "/v1/conversations",
    status_code=201,
    response_model=ConversationCreated,
    responses=errors(*BODY, 401, 403, 429),
    summary="Start a conversation",
)
async def create_conversation(
    identity: SpeakingVisitor,
    server: Server,
    body: Annotated[ConversationRequest, Body()] = ConversationRequest(client_id=None, prechat=None),
) -> ConversationCreated:
    """A conversation that only this visitor can read and continue.

    `prechat` holds the answers that the site's schema asks for; signed-in customers need not give any.
    """
    site = await server.sites.find(identity.site)
    schema = site.prechat if site is not None else None
    answers = check_prechat(schema, body.prechat, needed=identity.customer is None)
    record = await server.workspace.store.create_conversation(
        identity, client_id=body.client_id, prechat=answers
    )
    return ConversationCreated(conversation_id=record.id)


@router.get(
    "/v1/conversations/{id}",
    response_model=History,
    responses=errors(401, 403, 404, 422),
    summary="Read a conversation",
)
async def read_conversation(
    id: Id,
    identity: Visitor,
    server: Server,
    last: Annotated[
        int | None, Query(ge=1, le=500, description="So many of the last exchanges only.")
    ] = None,
) -> History:
    """What was said, the run that is still being answered, and how a handover stands.

    All of it, which costs time in a long conversation, or the `last` exchanges; `earlier` counts the others.
    """
    store = server.workspace.store
    record = await store.conversation(id, identity)
    told = await store.told(id, identity.visitor, last)
    status = told.handover
    return History(
        conversation_id=id,
        created=record.created,
        messages=messages_of(server, told),
        active_run=next((run.id for run in told.runs if run.state == "running"), None),
        handover=HandoverState(status=status.status, agent=status.agent, position=status.position),
        rated=told.rated,
        last_event=told.last_event,
        earlier=told.earlier,
    )


def messages_of(server: Services, told: Told) -> list[PublicMessage]:
    """What was said, each speaker under a name."""
    packs = server.workspace.catalog.packs

    def persona(pack: str | None) -> str:
        return packs[pack].pack.manifest.persona.name if pack is not None and pack in packs else ""

    return public_messages(told.events, told.runs, told.said, told.thumbs, persona)


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
    `replaces` sends the last message again, or another in its place. While a person has joined, the message
    goes to the person: no run begins, and the answer is `{run_id: null, delivered: true}` in any case.
    """
    check_length(body.text, server.workspace.settings.max_message_chars, "text")
    if body.pack is not None:
        await server.served(body.pack, identity)
    await server.workspace.store.conversation(id, identity)
    turn = Turn(
        id,
        body.client_id,
        body.text,
        identity,
        pinned=body.pack,
        packs=await server.packs_of(identity),
        replaces=body.replaces,
    )
    try:
        run = await server.runs.begin(turn)
    except (PersonSpeaks, EngineBusy, EngineUnavailable):  # a person can be reached when the engine can't
        if not await deliver(server, turn):
            raise
        return JSONResponse(RunStarted(run_id=None, delivered=True).model_dump(), status_code=202)
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
    return EventStream(frames(noted(request, server.runs.follow(id, last_seq(last_event_id) or 0))))


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
    if body.topic not in (None, NOBODY):
        await server.served(str(body.topic), identity)
    store = server.workspace.store
    kept = await store.add_feedback(id, identity, body.rating, reason=body.reason, correction=body.correction)
    proposed = body.topic is not None and await propose_topic(
        server.workspace.settings.home.expanduser(), await store.events(id), body.topic
    )
    return FeedbackKept(feedback_id=kept.id, run_id=kept.run, rating=kept.rating, topic_proposed=proposed)


async def deliver(server: Services, turn: Turn) -> bool:
    """The message to the person who has joined; False when nobody has."""
    customer = turn.identity.customer
    done = await server.workspace.store.desk.deliver(turn.conversation, turn.client_id, turn.text, customer)
    server.runs.note_person(turn.conversation, speaks=done)
    if done:
        server.news.ring(turn.conversation)
    return done
