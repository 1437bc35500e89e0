"""The review queue: turns that deserve a look, the most valuable first, and what a person decides."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from senmon.errors import PackNotFound, RequestInvalid
from senmon.improvement.deciding import MAX_REPLY, Desk
from senmon.improvement.signals import SIGNALS, Item, ranked, signals_of
from senmon.improvement.talk import read_talk
from senmon.packs.pack import Pack
from senmon.server.console.forms import Form
from senmon.server.console.pages import query_of, render
from senmon.server.console.route import ConsoleRoute, form_of, go, note, staff_of
from senmon.server.console.session import server_of
from senmon.store.exchanges import Exchange, Review
from senmon.store.reviews import handle

router = APIRouter(prefix="/console/review", route_class=ConsoleRoute, include_in_schema=False)
Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]
DAYS = 90
#: Exchanges that are looked at, the newest; and those of them that are listed.
NEWEST, LISTED = 1000, 50


@router.get("")
async def queue(request: Request) -> Response:
    decided = request.query_params.get("decided") == "1"
    found = [] if decided else await _queue(request)
    done = [each for each in await _exchanges(request, undecided=False) if each.review] if decided else []
    return render(
        request,
        "review.html",
        items=found[:LISTED],
        total=len(found),
        done=done[:LISTED],
        decided=decided,
        signals=SIGNALS,
        packs=sorted(server_of(request).workspace.catalog.packs),
        filters=_filters(request),
        query=urlencode(_filters(request)),
    )


@router.get("/{id}")
async def turn(id: Id, request: Request) -> Response:
    store = server_of(request).workspace.store
    exchange = await store.reviews.exchange(id)
    talk = await read_talk(store, exchange.conversation)
    this = talk.turn(exchange.run)
    packs = {name: each.pack for name, each in server_of(request).workspace.catalog.packs.items()}
    pack = packs.get(exchange.pack or "")
    return render(
        request,
        "turn.html",
        turn=this,
        exchange=exchange,
        before=talk.before(exchange.run),
        signals=signals_of(exchange),
        calls=_calls(this.messages),
        raw=this.messages[-1].content if this.messages else "",
        provenance=json.dumps(dict(exchange.provenance), indent=1, ensure_ascii=False),
        packs=sorted(packs),
        articles=sorted((one.id, one.title) for one in pack.articles) if pack else [],
        actions=sorted(pack.actions) if pack else [],
        filters=_filters(request),
        query=urlencode(_filters(request)),
    )


@router.get("/{id}/next")
async def following(id: Id, request: Request) -> Response:
    """The one after this in the queue; the first when this is decided."""
    return RedirectResponse(await _next(request, id), status_code=303)


@router.post("/{id}/good")
async def good(id: Id, request: Request) -> Response:
    return await _decide(request, id, lambda desk, form: desk.good(id, note=form.text("note", 2000)))


@router.post("/{id}/correct")
async def correct(id: Id, request: Request) -> Response:
    def decide(desk: Desk, form: Form) -> Awaitable[tuple[Review, bool]]:
        articles = tuple(form.all("article")) if form.text("articles_given") else None
        return desk.correct(
            id,
            reply=form.text("reply", MAX_REPLY),
            pack=form.text("pack") or None,
            intent=form.text("intent") or None,
            articles=articles,
            alone=bool(form.text("alone")),
            note=form.text("note", 2000),
        )

    return await _decide(request, id, decide)


@router.post("/{id}/reroute")
async def reroute(id: Id, request: Request) -> Response:
    pack = form_of(request).text("pack")
    if not pack:
        raise RequestInvalid("no pack was chosen", param="pack", remedy="choose one, or `no pack`")
    chosen = None if pack == "-" else pack
    return await _decide(
        request, id, lambda desk, form: desk.reroute(id, chosen, note=form.text("note", 2000))
    )


@router.post("/{id}/eval")
async def mark_eval(id: Id, request: Request) -> Response:
    form = form_of(request)
    action = form.text("action")
    expect: dict[str, Any] = {"contains": form.lines("contains"), "absent": form.lines("absent")}
    expect = {name: lines for name, lines in expect.items() if lines}
    if action:
        expect = {"action": None if action == "-" else action}
    if not expect:
        raise RequestInvalid(
            "what must a right reply have?",
            param="contains",
            remedy="a word that it has or has not, or an action",
        )
    return await _decide(
        request,
        id,
        lambda desk, form: desk.mark_eval(
            id, expect, pack=form.text("pack") or None, note=form.text("note", 2000)
        ),
    )


@router.post("/{id}/dismiss")
async def dismiss(id: Id, request: Request) -> Response:
    return await _decide(request, id, lambda desk, form: desk.dismiss(id, note=form.text("note", 2000)))


@router.post("/{id}/undo")
async def undo(id: Id, request: Request) -> Response:
    await _desk(request).undo(id)
    return go(request, f"/console/review/{id}")


async def _decide(
    request: Request, id: str, decide: Callable[[Desk, Form], Awaitable[tuple[Review, bool]]]
) -> Response:
    review, _ = await decide(_desk(request), form_of(request))
    note(request, handle(review.run)[:8], pack=review.pack)
    return go(request, await _next(request, id))


def _desk(request: Request) -> Desk:
    workspace = server_of(request).workspace
    home = workspace.settings.home.expanduser().absolute()

    def find(name: str) -> Pack:
        if name not in workspace.catalog.packs:
            raise PackNotFound("this pack is not served", remedy="choose another")
        return workspace.catalog.packs[name].pack

    return Desk(workspace.store, home, find, staff_of(request).display)


async def _queue(request: Request) -> tuple[Item, ...]:
    given = _filters(request)
    kind = given.get("kind")
    chosen = kind if kind in SIGNALS else None
    return ranked(await _exchanges(request, undecided=True), pack=given.get("pack"), kind=chosen)


async def _exchanges(request: Request, *, undecided: bool) -> list[Exchange]:
    since = datetime.now(UTC) - timedelta(days=DAYS)
    reviews = server_of(request).workspace.store.reviews
    return [each async for each in reviews.exchanges(since=since, undecided=undecided, most=NEWEST)]


async def _next(request: Request, id: str) -> str:
    items = [handle(item.exchange.run) for item in await _queue(request)]
    this = next((at for at, each in enumerate(items) if each.startswith(id)), -1)
    query = urlencode(_filters(request))
    rest = items[this + 1 :]
    if not rest:
        return f"/console/review?{query}"
    return f"/console/review/{rest[0][:12]}?{query}"


def _filters(request: Request) -> dict[str, str]:
    given = request.query_params
    return dict(query_of({name: given.get(name, "")[:64] for name in ("pack", "kind")}))


def _calls(messages: Any) -> list[dict[str, str]]:
    """What was called with what, and what came of it."""
    results = {one.tool_call_id: one.content for one in messages if one.role == "tool" and one.tool_call_id}
    return [
        {
            "name": call.name,
            "arguments": json.dumps(dict(call.arguments), ensure_ascii=False),
            "result": str(results.get(call.id, ""))[:1000],
        }
        for one in messages
        for call in one.tool_calls
    ]
