"""The inbox: conversations as they go on, and answering in them in place of the assistant."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from senmon.assistant.handover import handover_package
from senmon.errors import HandoverConflict, RequestInvalid
from senmon.server.console.pages import live, query_of, render
from senmon.server.console.route import ConsoleRoute, form_of, go, is_part, note, staff_of
from senmon.server.console.session import server_of
from senmon.server.native import messages_of
from senmon.store.inbox import OUTCOMES, Search, Summary
from senmon.store.records import Handover
from senmon.store.staff import Staff
from senmon.store.store import Store

router = APIRouter(prefix="/console/inbox", route_class=ConsoleRoute, include_in_schema=False)
Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]
PAGE = 30
#: More are found by the filter.
MOST_WAITING = 100
MOST_CHARS = 4000


@router.get("")
async def inbox(request: Request) -> Response:
    return render(request, "inbox.html", chosen=None, **await _listing(request))


@router.get("/list")
async def listing(request: Request) -> Response:
    return live(
        request, "inbox_list.html", chosen=request.query_params.get("chosen"), **await _listing(request)
    )


@router.get("/waiting")
async def waiting(request: Request) -> Response:
    return live(request, "waiting.html", waiting=await server_of(request).workspace.store.inbox.waiting())


@router.get("/{id}")
async def conversation(id: Id, request: Request) -> Response:
    return render(
        request, "conversation.html", chosen=id, **await _listing(request), **await _thread(request, id)
    )


@router.get("/{id}/thread")
async def thread(id: Id, request: Request) -> Response:
    return live(request, "thread.html", **await _thread(request, id))


@router.post("/{id}/take")
async def take(id: Id, request: Request) -> Response:
    """From now on the person answers; a reply under way is stopped."""
    server = server_of(request)
    record = await server.workspace.store.inbox.conversation(id)
    await server.workspace.store.desk.take(id, staff_of(request).display)
    if (running := await server.workspace.store.running(id)) is not None:
        await server.runs.stop(running.id)
    server.news.ring(id, queue=record.site)
    return await _after(request, id)


@router.post("/{id}/say")
async def say(id: Id, request: Request) -> Response:
    text = form_of(request).text("text", MOST_CHARS)
    if not text:
        raise RequestInvalid("an empty answer", param="text", remedy="write something")
    server = server_of(request)
    handover = await _mine(request, id)
    seq = await server.workspace.store.desk.say(handover.id, None, text)
    server.news.ring(id)
    note(request, id, message=seq, characters=len(text))
    return await _after(request, id)


@router.post("/{id}/return")
async def give_back(id: Id, request: Request) -> Response:
    """The assistant answers again."""
    handover = await _mine(request, id, or_owner=True)
    await server_of(request).workspace.store.desk.give_back(handover.id, None)
    return await _ended(request, id)


@router.post("/{id}/close")
async def close(id: Id, request: Request) -> Response:
    """It is settled: the visitor is told, and may say how it was."""
    handover = await _mine(request, id, or_owner=True)
    await server_of(request).workspace.store.desk.close(handover.id, None)
    return await _ended(request, id)


async def _ended(request: Request, id: str) -> Response:
    server = server_of(request)
    record = await server.workspace.store.inbox.conversation(id)
    server.news.ring(id, queue=record.site)
    return await _after(request, id)


async def _after(request: Request, id: str) -> Response:
    """The conversation as it is then."""
    if is_part(request):
        answer = render(request, "thread_and_answer.html", seen="", **await _thread(request, id))
        answer.headers["HX-Trigger"] = "changed"
        return answer
    return go(request, f"/console/inbox/{id}")


async def _mine(request: Request, id: str, *, or_owner: bool = False) -> Handover:
    """The handover through which this person answers. HandoverConflict when it is another's, or over."""
    found, staff = await server_of(request).workspace.store.inbox.handover(id), staff_of(request)
    if found is None or found.state != "joined":
        raise HandoverConflict("nobody has taken this conversation over", remedy="take it over first")
    if found.agent != staff.display and not (or_owner and staff.role == "owner"):
        raise HandoverConflict(
            f"{found.agent} answers here", remedy="talk to them, or wait until they close it"
        )
    return found


async def _listing(request: Request) -> dict[str, Any]:
    """The list with its filters. What can't be a filter is none."""
    given, store = request.query_params, server_of(request).workspace.store
    outcome = given.get("outcome", "")
    search = Search(
        given.get("q", "")[:200],
        given.get("pack", "")[:64],
        given.get("site", "")[:64],
        outcome if outcome in OUTCOMES else None,
    )
    before = _moment(given.get("before", ""))
    found = await store.inbox.page(_calm(search), before=before, most=PAGE + 1)
    first = () if before or search.outcome else await _waiting_first(store, search)
    filters = query_of(
        {"q": search.text, "pack": search.pack, "site": search.site, "outcome": search.outcome or ""}
    )
    more = found[PAGE - 1].active.isoformat() if len(found) > PAGE else ""
    return {
        "items": (*first, *found[:PAGE]),
        "filters": filters,
        "query": urlencode(filters),
        "older": urlencode({**filters, "before": more}) if more else "",
        "before": given.get("before", ""),
        "packs": sorted(server_of(request).workspace.catalog.packs),
        "sites": await store.inbox.sites(),
        "outcomes": OUTCOMES,
        "waiting": await store.inbox.waiting(),
    }


def _calm(search: Search) -> Search:
    """Who waits comes first already."""
    return search if search.outcome else replace(search, calm=True)


async def _waiting_first(store: Store, search: Search) -> tuple[Summary, ...]:
    """Who waits for a person, the longest first."""
    found = await store.inbox.page(replace(search, outcome="waiting"), most=MOST_WAITING)
    return tuple(sorted(found, key=lambda one: one.handover.created if one.handover else one.active))


async def _thread(request: Request, id: str) -> dict[str, Any]:
    server = server_of(request)
    store, staff = server.workspace.store, staff_of(request)
    record = await store.inbox.conversation(id)
    told, handover = await store.told(id, record.visitor), await store.inbox.handover(id)
    package = asdict(handover_package(told.events, handover.reason if handover else ""))
    return {
        "record": record,
        "messages": messages_of(server, told),
        "typing": any(run.state == "running" for run in told.runs),
        "handover": handover,
        "mine": _is_mine(handover, staff),
        "package": package,
        "rated": told.rated,
    }


def _is_mine(handover: Handover | None, staff: Staff) -> bool:
    return handover is not None and handover.state == "joined" and handover.agent == staff.display


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
