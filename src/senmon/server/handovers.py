"""Conversations that a person takes over: the visitor asks, a person of the site joins, says and closes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query

from senmon.assistant.handover import MAX_LINES, handover_package
from senmon.messages import Identity
from senmon.server.native import messages_of
from senmon.server.responses import BODY, errors
from senmon.server.schemas import (
    AcceptRequest,
    AgentMessage,
    AgentMessageKept,
    HandoverDetail,
    HandoverInfo,
    HandoverLine,
    HandoverList,
    HandoverRequest,
    HandoverState,
    PublicMessage,
)
from senmon.server.services import Caller, Server, Services, SpeakingVisitor, site_of
from senmon.store.records import ConversationRecord, Handover, HandoverStatus

router = APIRouter(tags=["handovers"])
Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]


@router.get(
    "/v1/handovers",
    response_model=HandoverList,
    responses=errors(401, 422, 429),
    summary="List the conversations that wait for a person",
)
async def list_handovers(
    identity: Caller,
    server: Server,
    joined: Annotated[bool, Query(description="Those that a person has joined too.")] = False,
) -> HandoverList:
    """The open ones of this key's site, oldest first. Needs an API key, or to be on this machine.

    The operator (a key of SENMON_API_KEYS, or somebody on this machine) sees those of all sites.
    """
    desk, site = server.workspace.store.desk, site_of(identity)
    waiting = await (desk.active(site) if joined else desk.waiting(site))
    return HandoverList(handovers=[_info(*each) for each in waiting])


@router.get(
    "/v1/handovers/{id}",
    response_model=HandoverDetail,
    responses=errors(401, 404, 422, 429),
    summary="Read a conversation that waits for a person",
)
async def read_handover(id: Id, identity: Caller, server: Server) -> HandoverDetail:
    """Summary, transcript, routes, actions, failed checks, and the facts that the visitor was shown.

    Later messages of the conversation are in it too.
    """
    store = server.workspace.store
    handover, conversation = await store.desk.get(id, site_of(identity))
    told = await store.told(handover.conversation, None)
    package = asdict(handover_package(told.events, handover.reason))
    messages = messages_of(server, told)
    package["transcript"] = [_line(message) for message in messages[-MAX_LINES:]]
    given = {"prechat": conversation.prechat, **_info(handover, conversation).model_dump()}
    return HandoverDetail.model_validate({**given, **package})


@router.post(
    "/v1/handovers/{id}/close",
    response_model=HandoverInfo,
    responses=errors(401, 404, 422, 429),
    summary="End a handover",
)
async def close_handover(id: Id, identity: Caller, server: Server) -> HandoverInfo:
    """The assistant answers again. It is no longer listed; it can still be read. Twice is no error."""
    await server.workspace.store.desk.close(id, site_of(identity))
    return await _changed(id, identity, server)


@router.post(
    "/v1/handovers/{id}/accept",
    response_model=HandoverInfo,
    responses=errors(*BODY, 401, 404, 409, 429),
    summary="Join a conversation",
)
async def accept_handover(id: Id, body: AcceptRequest, identity: Caller, server: Server) -> HandoverInfo:
    """The visitor sees who has joined; from now on the assistant is silent. A reply under way is stopped."""
    store = server.workspace.store
    handover = await store.desk.accept(id, site_of(identity), body.agent)
    server.runs.note_person(handover.conversation, speaks=True)
    if (running := await store.running(handover.conversation)) is not None:
        await server.runs.stop(running.id)
    return await _changed(id, identity, server)


@router.post(
    "/v1/handovers/{id}/messages",
    status_code=201,
    response_model=AgentMessageKept,
    responses=errors(*BODY, 401, 404, 409, 429),
    summary="Answer as a person",
)
async def say_as_person(id: Id, body: AgentMessage, identity: Caller, server: Server) -> AgentMessageKept:
    """Only between `accept` and `close`. It is part of the conversation, and the assistant will know it."""
    desk, site = server.workspace.store.desk, site_of(identity)
    handover, _ = await desk.get(id, site)
    seq = await desk.say(id, site, body.text)
    server.news.ring(handover.conversation)
    return AgentMessageKept(seq=seq)


@router.post(
    "/v1/conversations/{id}/handover",
    response_model=HandoverState,
    responses=errors(*BODY, 401, 403, 404, 429),
    summary="Ask for a person",
)
async def request_handover(
    id: Id,
    identity: SpeakingVisitor,
    server: Server,
    body: Annotated[HandoverRequest, Body()] = HandoverRequest(note=""),
) -> HandoverState:
    """Queues the conversation; the assistant goes on answering until somebody joins. Twice is no error."""
    store = server.workspace.store
    await store.conversation(id, identity)
    status = await store.desk.request(id, body.note)
    server.news.ring(id, queue=identity.site)
    return _state(status)


@router.delete(
    "/v1/conversations/{id}/handover",
    response_model=HandoverState,
    responses=errors(401, 403, 404, 422, 429),
    summary="No longer ask for a person",
)
async def withdraw_handover(id: Id, identity: SpeakingVisitor, server: Server) -> HandoverState:
    """Leaves the queue, or ends the talk with the person who has joined. The assistant answers again."""
    store = server.workspace.store
    await store.conversation(id, identity)
    status = await store.desk.withdraw(id)
    server.news.ring(id, queue=identity.site)
    return _state(status)


async def _changed(id: str, identity: Identity, server: Services) -> HandoverInfo:
    """As it is now; who follows the conversation or waits behind it hears of it."""
    handover, conversation = await server.workspace.store.desk.get(id, site_of(identity))
    server.news.ring(conversation.id, queue=conversation.site)
    return _info(handover, conversation)


def _state(status: HandoverStatus) -> HandoverState:
    return HandoverState(status=status.status, agent=status.agent, position=status.position)


def _line(message: PublicMessage) -> HandoverLine:
    role = {"visitor": "visitor", "bot": "assistant", "agent": "agent"}[message.author.kind]
    return HandoverLine.model_validate({"role": role, "text": message.text})


def _info(handover: Handover, conversation: ConversationRecord) -> HandoverInfo:
    return HandoverInfo(
        id=handover.id,
        conversation_id=handover.conversation,
        run_id=handover.run,
        site=conversation.site,
        reason=handover.reason,
        note=handover.note,
        agent=handover.agent,
        state=handover.state,
        created=handover.created,
        customer=conversation.customer,
        channel=conversation.channel,
    )
