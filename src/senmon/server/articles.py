"""The articles that replies rest on, for whoever wants to read on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from senmon.errors import ArticleNotFound
from senmon.server.responses import errors
from senmon.server.schemas import ArticleBody
from senmon.server.services import Server, Visitor

router = APIRouter(tags=["packs"])


@router.get(
    "/v1/articles/{pack}/{id}",
    response_model=ArticleBody,
    responses=errors(401, 403, 404, 422, 429),
    summary="Read an article",
)
async def read_article(
    pack: Annotated[str, Path(max_length=48)],
    id: Annotated[str, Path(max_length=200)],
    identity: Visitor,
    server: Server,
) -> ArticleBody:
    """Its Markdown as the pack has it: text by others, to be rendered with the same care as a reply."""
    served = await server.served(pack, identity)
    for article in served.pack.articles:
        if article.id == id:
            return ArticleBody(id=article.id, title=article.title, url=article.url, markdown=article.text)
    raise ArticleNotFound("this pack has no such article", remedy="ids come with a reply's citations")
