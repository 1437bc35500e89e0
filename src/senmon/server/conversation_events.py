"""Following a conversation: handovers, a person's messages, runs that another tab began."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Header, Path
from starlette.responses import Response

from senmon.server.news import News
from senmon.server.responses import CONVERSATION_EVENTS, errors
from senmon.server.services import Server, Visitor
from senmon.server.sse import PING, PING_SECONDS, EventStream, last_seq, pinged
from senmon.store.records import ConversationRecord

router = APIRouter(tags=["conversations"])
Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]


@router.get(
    "/v1/conversations/{id}/events",
    response_class=Response,
    response_model=None,
    responses={**CONVERSATION_EVENTS, **errors(401, 403, 404, 422, 429)},
    summary="Follow a conversation",
)
async def follow_conversation(
    id: Id,
    identity: Visitor,
    server: Server,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """What happens beside the runs, after Last-Event-ID; without it, how the handover stands, then news.

    A comment comes every 15 s of silence. After 15 minutes the stream ends: follow again with a fresh token.
    """
    after = last_seq(last_event_id)
    record = await server.workspace.store.conversation(id, identity)
    server.news.admit(_key(record))
    return EventStream(_frames(server.news, record, after))


async def _frames(news: News, record: ConversationRecord, after: int | None) -> AsyncGenerator[bytes, None]:
    with news.stream_of(_key(record)):
        async with aclosing(pinged(news.follow(record, after), PING_SECONDS)) as source:
            async for each in source:
                yield PING if each is None else each.frame()


def _key(record: ConversationRecord) -> str:
    return f"{record.site}/{record.visitor}"
