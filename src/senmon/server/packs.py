"""What is served, and what is being tuned."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from senmon.server.ports import ServedPack
from senmon.server.responses import errors
from senmon.server.schemas import PackInfo, PackList, Tuning, TuningList
from senmon.server.services import Server, Services

router = APIRouter(tags=["packs"])


@router.get("/v1/packs", response_model=PackList, responses=errors(), summary="List the packs")
async def list_packs(server: Server) -> PackList:
    """The packs served now, with their greetings and suggestions. Public."""
    tuning = {tuning.pack for tuning in await _tunings(server) if not tuning.finished}
    packs = server.workspace.catalog.packs
    return PackList(packs=[_info(served, tuning=name in tuning) for name, served in sorted(packs.items())])


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
    )


@router.get("/v1/tunings", response_model=TuningList, responses=errors(), summary="List the tunings")
async def list_tunings(server: Server) -> TuningList:
    """How far the newest tuning of each pack is. Public."""
    return TuningList(tunings=await _tunings(server))


async def _tunings(server: Services) -> list[Tuning]:
    """Read from disk, so not on the event loop."""
    return [Tuning.model_validate(run) for run in await asyncio.to_thread(server.workspace.runs)]
