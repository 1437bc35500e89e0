"""What to collect next: messages that went badly, in groups that ask the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from senmon.dataset.loading import load_dataset
from senmon.improvement.gaps import Gap, gaps
from senmon.server.console.library import beside, library_of, pack_of, packs_of
from senmon.server.console.pages import render
from senmon.server.console.route import ConsoleRoute
from senmon.store.store import Store

router = APIRouter(prefix="/console/gaps", route_class=ConsoleRoute, include_in_schema=False)
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
DAYS, LISTED = 30, 30


@router.get("")
async def page(request: Request) -> Response:
    chosen = request.query_params.get("pack", "")
    return render(request, "gaps.html", packs=sorted(packs_of(request)), chosen=chosen, days=DAYS)


@router.get("/{pack}")
async def groups(pack: Name, request: Request) -> Response:
    """Compares messages with one another and with the data: beside the server."""
    found, library = pack_of(request, pack), library_of(request)
    since = datetime.now(UTC) - timedelta(days=DAYS)

    async def work(store: Store) -> tuple[Gap, ...]:
        return await gaps(found, load_dataset(found), store, library.encoder, since=since)

    groups = await beside(request, work)
    most = max((gap.size for gap in groups), default=1)
    return render(request, "gaps_part.html", pack=pack, gaps=groups[:LISTED], total=len(groups), most=most)
