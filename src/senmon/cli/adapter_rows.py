"""What `senmon adapters` shows, and the release that it runs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from senmon.cli.tuning_session import Shown, judging_engine

if TYPE_CHECKING:
    from senmon.adapters import Adapter, AdapterStore
    from senmon.lifecycle import GateVerdict
    from senmon.packs.pack import Pack
    from senmon.workspace import Workspace


def adapter_rows(workspace: Workspace, name: str | None) -> list[dict[str, Any]]:
    """One row per version of the pack, or of all packs and of those that are gone but left adapters."""
    store = workspace.adapters
    packs = dict(workspace.packs) if name is None else {}
    left = [path.name for path in store.folder.iterdir() if path.is_dir()] if store.folder.is_dir() else []
    names = [name] if name else sorted({*packs, *left})
    rows: list[dict[str, Any]] = []
    for pack in names:
        digests = _digests(packs.get(pack) or _pack(workspace, pack))
        served = store.promoted(pack)
        rows += [_row(store, adapter, served, digests) for adapter in store.list(pack)]
    return rows


def base_digest(workspace: Workspace, name: str) -> str:
    """Of the base that the pack is served on; of the common one when the pack is gone."""
    pack = _pack(workspace, name)
    return (workspace.base_for(pack) if pack else workspace.base).digest


def _pack(workspace: Workspace, name: str) -> Pack | None:
    from senmon.errors import PackError

    with suppress(PackError):
        return workspace.pack(name)
    return None


def _digests(pack: Pack | None) -> dict[str, str]:
    """What the pack is now, so that an adapter can be called stale; nothing when the pack doesn't load."""
    from senmon.dataset.loading import load_dataset
    from senmon.errors import DataInvalid
    from senmon.rendering import prefix_digest
    from senmon.tuning.recipe import recipe_digest

    if pack is None:
        return {}
    with suppress(DataInvalid):
        return {
            "dataset_digest": load_dataset(pack).digest,
            "prefix_digest": prefix_digest(pack),
            "recipe_digest": recipe_digest(pack.manifest.recipe),
        }
    return {}


def _row(
    store: AdapterStore, adapter: Adapter, served: Adapter | None, digests: dict[str, str]
) -> dict[str, Any]:
    from senmon.adapters import stale

    verdicts = store.verdicts(adapter)
    return {
        "pack": adapter.pack,
        "version": adapter.version,
        "promoted": served is not None and served.version == adapter.version,
        "gate": None if not verdicts else bool(verdicts[-1].get("passed")),
        "stale": list(stale(adapter, **digests)),
        "created": adapter.card.created,
        "origin": adapter.card.origin,
        "base": adapter.card.base,
        "rank": adapter.card.rank,
        "metrics": adapter.card.metrics,
    }


def rows_table(rows: list[dict[str, Any]]) -> RenderableType:
    if not rows:
        return "no adapter yet: senmon tune PACK makes one"
    table = Table(title="Adapters")
    for column in ("pack", "version", "served", "gate", "made", "from"):
        table.add_column(column, no_wrap=True)
    table.add_column("remarks")
    gates = {None: "not judged", True: "[green]passed[/]", False: "[red]failed[/]"}
    for row in rows:
        table.add_row(
            row["pack"],
            row["version"][:12],
            "[green]yes[/]" if row["promoted"] else "",
            gates[row["gate"]],
            escape(row["created"][:16]),
            row["origin"],
            escape("; ".join(row["stale"])),
        )
    return table


def adapter_detail(store: AdapterStore, pack: str, version: str) -> dict[str, Any]:
    """Card, verdicts and history, after a check of the files. Raises AdapterNotFound, AdapterCorrupt."""
    adapter = store.get(pack, version)
    store.verify(adapter)
    return {
        "version": adapter.version,
        "path": str(adapter.path),
        "card": adapter.card.model_dump(mode="json"),
        "verdicts": list(store.verdicts(adapter)),
        "history": list(store.history(pack)),
    }


def detail_view(detail: dict[str, Any]) -> RenderableType:
    card = Table("field", "value", title=f"{detail['card']['pack']}@{detail['version'][:12]}")
    for name, value in detail["card"].items():
        if name not in ("files", "recipe", "metrics"):
            card.add_row(name, escape(str(value)))
    for name, value in detail["card"]["metrics"].items():
        card.add_row(name, f"{value:.4g}")
    card.add_row("path", escape(detail["path"]))
    events = Table("when", "what", "to", "why", title="History")
    for event in detail["history"]:
        version = event.get("version") or "bare base"
        events.add_row(
            str(event.get("time")), str(event.get("event")), version[:12], escape(str(event.get("reason")))
        )
    verdicts = Table("when", "gate", "mode", "reasons", title="Verdicts")
    for verdict in detail["verdicts"]:
        word = "passed" if verdict.get("passed") else "failed"
        reasons = escape("; ".join(map(str, verdict.get("reasons", ()))))
        verdicts.add_row(str(verdict.get("time")), word, str(verdict.get("mode")), reasons)
    return Group(card, verdicts, events)


async def released(
    workspace: Workspace, name: str, version: str | None, *, json: bool
) -> tuple[Path, GateVerdict]:
    """Run the full gate and write the release. Raises GateFailed, AdapterError."""
    from senmon.lifecycle import release

    pack = workspace.pack(name)
    base = workspace.base_for(pack)
    engine = judging_engine(workspace, base)
    shown = Shown(json=False)
    shown.progress.disable = json
    try:
        with shown.progress:
            return await release(
                pack,
                store=workspace.adapters,
                base=base,
                engine=engine,
                version=version,
                on_progress=None if json else shown.evaluation,
                encoder=workspace.encoder,
            )
    finally:
        await engine.close()
