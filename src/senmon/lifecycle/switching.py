"""Changing by hand what is served."""

from __future__ import annotations

from senmon.adapters import Adapter, AdapterStore
from senmon.errors import GateFailed


def promote(
    store: AdapterStore, pack: str, version: str, *, base_digest: str, reason: str = "", force: bool = False
) -> Adapter:
    """Serve a version from now on. Its newest gate verdict must have passed, unless `force`.

    Raises AdapterNotFound, AdapterCorrupt, AdapterMismatch, GateFailed.
    """
    adapter = store.get(pack, version)
    verdict = (store.verdicts(adapter) or ({},))[-1]
    judged = bool(verdict.get("passed"))
    came_judged = adapter.card.origin == "release" and not verdict
    if not (judged or came_judged or force):
        reasons = "; ".join(map(str, verdict.get("reasons", ()))) or "it was never judged"
        raise GateFailed(
            f"{adapter.label} has not passed the gate: {reasons}",
            remedy=f"judge it (senmon eval {pack} --version {adapter.version[:12]}), or insist with --force",
        )
    why = reason or ("promoted by hand" if judged or came_judged else "promoted by hand against the gate")
    return store.promote(pack, adapter.version, reason=why, base_digest=base_digest)


def rollback(store: AdapterStore, pack: str, *, reason: str = "") -> Adapter | None:
    """Serve what was served before; None is the bare base. AdapterNotFound when nothing is promoted."""
    return store.rollback(pack, reason=reason or "rolled back by hand")
