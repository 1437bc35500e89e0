"""For the people who take over: which conversations wait, and what happened in them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path

from senmon.assistant.handover import handover_package
from senmon.server.responses import errors
from senmon.server.schemas import HandoverDetail, HandoverInfo, HandoverList
from senmon.server.services import Caller, Server
from senmon.store.records import ConversationRecord, Handover

router = APIRouter(tags=["handovers"])
Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]


@router.get(
    "/v1/handovers",
    response_model=HandoverList,
    responses=errors(401, 429),
    summary="List the conversations that wait for a person",
)
async def list_handovers(identity: Caller, server: Server) -> HandoverList:
    """The open ones of this key's site, oldest first. Needs an API key, or to be on this machine."""
    waiting = await server.workspace.store.desk.waiting(identity.site)
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
    handover, conversation = await store.desk.get(id, identity.site)
    events = await store.conversation_events(handover.conversation)
    package = asdict(handover_package(events, handover.reason))
    return HandoverDetail.model_validate({**_info(handover, conversation).model_dump(), **package})


@router.post(
    "/v1/handovers/{id}/close",
    response_model=HandoverInfo,
    responses=errors(401, 404, 422, 429),
    summary="Say that a person has taken over",
)
async def close_handover(id: Id, identity: Caller, server: Server) -> HandoverInfo:
    """It is no longer listed; it can still be read. Closing twice is no error."""
    await server.workspace.store.desk.close(id, identity.site)
    return _info(*await server.workspace.store.desk.get(id, identity.site))


def _info(handover: Handover, conversation: ConversationRecord) -> HandoverInfo:
    return HandoverInfo(
        id=handover.id,
        conversation_id=handover.conversation,
        run_id=handover.run,
        reason=handover.reason,
        state=handover.state,
        created=handover.created,
        customer=conversation.customer,
        channel=conversation.channel,
    )
