"""How a conversation ends: a rating, and a transcript to keep."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from senmon.server.native import messages_of
from senmon.server.responses import BODY, errors
from senmon.server.schemas import RatingKept, RatingRequest
from senmon.server.services import Server, SpeakingVisitor, Visitor
from senmon.server.transcript import transcript

router = APIRouter(tags=["conversations"])
Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]


@router.post(
    "/v1/conversations/{id}/rating",
    status_code=201,
    response_model=RatingKept,
    responses=errors(*BODY, 401, 403, 404, 409, 429),
    summary="Rate a conversation",
)
async def rate(id: Id, body: RatingRequest, identity: SpeakingVisitor, server: Server) -> RatingKept:
    """From 1 (bad) to 5 (good), once."""
    store = server.workspace.store
    await store.conversation(id, identity)
    await store.opinions.rate(id, body.score, body.comment)
    server.news.ring(id)
    return RatingKept(score=body.score)


@router.get(
    "/v1/conversations/{id}/transcript",
    response_class=Response,
    responses={
        200: {
            "description": "The conversation as Markdown, to be saved.",
            "content": {"text/markdown": {"schema": {"type": "string"}}},
        },
        **errors(401, 403, 404, 422, 429),
    },
    summary="Download a conversation",
)
async def download(
    id: Id,
    identity: Visitor,
    server: Server,
    lang: Annotated[str, Query(pattern=r"^[A-Za-z-]{2,35}$", description="Of the labels: en or ja.")] = "en",
) -> Response:
    """Who said what and when, without what was replaced by a retry."""
    store = server.workspace.store
    record = await store.conversation(id, identity)
    text = transcript(messages_of(server, await store.told(id, None)), record.created, lang)
    name = f"conversation-{record.created:%Y-%m-%d}.md"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/markdown; charset=utf-8", headers=headers)
