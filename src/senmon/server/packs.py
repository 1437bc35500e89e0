"""What is served, and what is being tuned."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from senmon.server.ports import ServedPack
from senmon.server.responses import errors
from senmon.server.schemas import PackInfo, PackList, Tuning, TuningList
from senmon.server.services import Server, Services

router = APIRouter(tags=["packs"])


#: The check of a tutor who must not tell: whoever has it leads with hints.
_LEADS_WITH_HINTS = "no_telling"


@router.get("/v1/packs", response_model=PackList, responses=errors(401, 403), summary="List the packs")
async def list_packs(request: Request, server: Server) -> PackList:
    """The packs served now, with their greetings and suggestions. Public; with a token, those of its site."""
    allowed = None
    if "authorization" in request.headers:
        allowed = await server.packs_of(await server.auth.visitor(request.headers))
    tuning = {tuning.pack for tuning in await _tunings(server) if not tuning.finished}
    packs = sorted(server.workspace.catalog.packs.items())
    return PackList(
        packs=[
            _info(served, tuning=name in tuning)
            for name, served in packs
            if allowed is None or name in allowed
        ]
    )


def _info(served: ServedPack, *, tuning: bool) -> PackInfo:
    manifest = served.pack.manifest
    return PackInfo(
        name=manifest.name,
        title=manifest.title,
        persona=manifest.persona.name,
        description=manifest.description,
        version=manifest.version,
        language=list(manifest.language),
        status="tuning" if tuning and served.adapter is None else served.status,
        stale=list(served.stale),
        adapter=served.adapter.version if served.adapter else None,
        greeting=manifest.texts.greeting,
        suggestions=list(manifest.texts.suggestions),
        progress="hints" if any(check.name == _LEADS_WITH_HINTS for check in manifest.checks) else None,
    )


@router.get("/v1/tunings", response_model=TuningList, responses=errors(), summary="List the tunings")
async def list_tunings(server: Server) -> TuningList:
    """How far the newest tuning of each pack is. Public."""
    return TuningList(tunings=await _tunings(server))


async def _tunings(server: Services) -> list[Tuning]:
    """Read from disk, so not on the event loop."""
    return [Tuning.model_validate(run) for run in await asyncio.to_thread(server.workspace.runs)]
