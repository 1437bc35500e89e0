"""What is served, and what is being tuned."""

from __future__ import annotations

from fastapi import APIRouter

from senmon.server.ports import ServedPack
from senmon.server.responses import errors
from senmon.server.schemas import PackInfo, PackList, Tuning, TuningList
from senmon.server.services import Server

router = APIRouter(tags=["packs"])


@router.get("/v1/packs", response_model=PackList, responses=errors(), summary="List the packs")
async def list_packs(server: Server) -> PackList:
    """The packs served now, with their greetings and suggestions. Public."""
    tuning = server.workspace.runs()
    packs = server.workspace.catalog.packs
    return PackList(packs=[_info(served, tuning=name in tuning) for name, served in sorted(packs.items())])


def _info(served: ServedPack, *, tuning: bool) -> PackInfo:
    manifest = served.pack.manifest
    return PackInfo(
        name=manifest.name,
        title=manifest.title,
        description=manifest.description,
        version=manifest.version,
        language=list(manifest.language),
        status="tuning" if tuning and served.adapter is None else served.status,
        stale=list(served.stale),
        adapter=served.adapter.version if served.adapter else None,
        greeting=manifest.texts.greeting,
        suggestions=list(manifest.texts.suggestions),
    )


@router.get(
    "/v1/tunings", response_model=TuningList, responses=errors(), summary="List the tunings under way"
)
async def list_tunings(server: Server) -> TuningList:
    """How far each is. Public."""
    return TuningList(
        tunings=[
            Tuning(
                pack=pack,
                phase=progress.phase,
                step=progress.step,
                steps=progress.steps,
                loss=progress.loss,
                eta_seconds=progress.eta_seconds,
                note=progress.note,
            )
            for pack, progress in sorted(server.workspace.runs().items())
        ]
    )
