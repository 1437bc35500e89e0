"""What is learnt and what is served: dataset changes before a version is cut, runs, adapters."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from senmon.errors import AdapterNotFound, RunNotFound
from senmon.improvement.course import read_course
from senmon.improvement.lines import Line
from senmon.improvement.screening import DATA, SUITE, Plan, planned
from senmon.lifecycle import promote, rollback
from senmon.lifecycle.runs import RunProgress, runs
from senmon.packs.jsonl import read_jsonl
from senmon.packs.pack import Pack
from senmon.server.console import plots
from senmon.server.console.library import (
    RUN,
    adapters_of,
    beside,
    home_of,
    library_of,
    pack_of,
    packs_of,
)
from senmon.server.console.pages import render
from senmon.server.console.route import ConsoleRoute, form_of, go, note
from senmon.store.store import Store

router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
MOST_BYTES = 5_000_000
LISTED = 30
#: Of each kind of change. More can't be read, and a browser would take its time.
MOST_SHOWN = 60


@router.get("/data")
async def data(request: Request) -> Response:
    return render(request, "data.html", packs=_served(request), chosen=request.query_params.get("pack", ""))


@router.get("/data/{pack}")
async def changes(pack: Name, request: Request) -> Response:
    """What `senmon improve` would take into the pack. It reads all of the pack's data: beside the server."""
    found = pack_of(request, pack)

    async def work(store: Store) -> Plan:
        return await planned(found, store)

    plan = await beside(request, work)
    return render(
        request,
        "data_part.html",
        pack=pack,
        plan=plan,
        before=await asyncio.to_thread(_lines_before, found),
        course=read_course(home_of(request), pack),
        shown=_shown,
        outdated=_outdated(plan),
        most=MOST_SHOWN,
    )


def _outdated(plan: Plan) -> list[dict[str, Any]]:
    """The outdated replies, each once, with how many lines of a file teach it."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in plan.outdated:
        told = {"path": one.path, "intent": one.intent, "reply": one.reply, "rejected": one.rejected}
        found.setdefault((one.path, one.intent, one.reply), {**told, "count": 0})["count"] += 1
    return list(found.values())


def _lines_before(pack: Pack) -> dict[str, str]:
    """Id → what the line says now."""
    found = {}
    for name in (DATA, SUITE):
        for line in read_jsonl(pack.path / name) if (pack.path / name).exists() else ():
            record = getattr(line, "record", None)
            if isinstance(record, dict):
                found[str(record.get("id"))] = _dialogue(record)
    return found


def _shown(line: Line) -> str:
    return _dialogue(line.record)


def _dialogue(record: dict[str, Any]) -> str:
    """The last messages of a line, one below the other."""
    told = []
    for message in record.get("messages", ())[-4:]:
        words = str(message.get("content") or "")[:600]
        for call in message.get("tool_calls") or ():
            words += f" → {call.get('function', {}).get('name')} {call.get('function', {}).get('arguments')}"
        shown = ", ".join(map(str, message.get("passages") or ()))
        told.append(f"articles shown: {shown}" if shown else f"{message.get('role')}: {words}")
    if record.get("expect"):
        told.append(f"expect: {json.dumps(record['expect'], ensure_ascii=False)}")
    return "\n".join(told)


@router.get("/runs")
async def all_runs(request: Request) -> Response:
    home = home_of(request)
    found = await asyncio.to_thread(
        lambda: {pack: [(run, _curve(home, run)) for run in _newest(home, pack)] for pack in _served(request)}
    )
    return render(request, "runs.html", runs=found)


@router.get("/runs/{pack}/{run}")
async def one_run(pack: Name, run: str, request: Request) -> Response:
    home = home_of(request)
    found = [each for each in await asyncio.to_thread(runs, home, pack) if each.id == run]
    if not found or not RUN.fullmatch(run):
        raise RunNotFound("there is no such run", remedy="the list of runs has them all")
    verdict = _verdict(request, pack, found[0].version)
    metrics = plots.intervals((verdict or {}).get("metrics") or {})
    drawn = _curve(home, found[0])
    return render(request, "run.html", run=found[0], drawn=drawn, verdict=verdict, metrics=metrics)


def _newest(home: Any, pack: str) -> list[RunProgress]:
    return list(reversed(runs(home, pack)))[:LISTED]


def _curve(home: Any, run: RunProgress) -> plots.Curve | None:
    path = home / "runs" / run.pack / run.id / "curve.json"
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return plots.curve(rows) if isinstance(rows, dict) else None


def _verdict(request: Request, pack: str, version: str | None) -> dict[str, Any] | None:
    store = adapters_of(request)
    try:
        found = store.verdicts(store.get(pack, version)) if version else ()
    except AdapterNotFound:
        return None
    return found[-1] if found else None


@router.get("/adapters")
async def adapters(request: Request) -> Response:
    found = await asyncio.to_thread(lambda: [_shelf(request, pack) for pack in _served(request)])
    return render(request, "adapters.html", shelves=found)


def _shelf(request: Request, pack: str) -> dict[str, Any]:
    store = adapters_of(request)
    promoted, served = store.promoted(pack), packs_of(request)[pack]
    rows = []
    for adapter in sorted(store.list(pack), key=lambda one: one.card.created, reverse=True)[:LISTED]:
        verdict = (store.verdicts(adapter) or (None,))[-1]
        rows.append(
            {
                "adapter": adapter,
                "promoted": promoted is not None and promoted.version == adapter.version,
                "verdict": verdict,
                "metrics": plots.intervals((verdict or {}).get("metrics") or {}),
                "may_serve": bool((verdict or {}).get("passed"))
                or (verdict is None and adapter.card.origin == "release"),
            }
        )
    return {
        "pack": pack,
        "title": served.pack.manifest.title,
        "stale": list(served.stale),
        "rows": rows,
        "promoted": promoted,
        "history": list(reversed(store.history(pack)))[:LISTED],
    }


@router.post("/adapters/{pack}/promote")
async def promote_adapter(pack: Name, request: Request) -> Response:
    """The running server follows within a second. What has not passed the gate is refused."""
    form, found = form_of(request), pack_of(request, pack)
    version, reason = form.text("version", 64), form.text("reason", 300)

    def work() -> str:
        base = library_of(request).base_for(found)
        made = promote(adapters_of(request), pack, version, base_digest=base.digest, reason=reason)
        return made.version

    done = await asyncio.to_thread(work)
    note(request, pack, version=done, reason=reason)
    return go(request, "/console/adapters")


@router.post("/adapters/{pack}/rollback")
async def roll_back(pack: Name, request: Request) -> Response:
    pack_of(request, pack)
    reason = form_of(request).text("reason", 300)
    back = await asyncio.to_thread(rollback, adapters_of(request), pack, reason=reason)
    note(request, pack, version=back.version if back else None, reason=reason)
    return go(request, "/console/adapters")


def _served(request: Request) -> list[str]:
    return sorted(packs_of(request))
