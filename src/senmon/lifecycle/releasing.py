"""Releasing: the promoted adapter goes into the pack's own folder, after the full gate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from senmon.adapters import Adapter, AdapterStore, durable, folder, model_card
from senmon.adapters.store import write_folder
from senmon.bases.catalog import BaseFiles
from senmon.dataset.loading import load_dataset
from senmon.embedding import Encoder
from senmon.engines.protocol import Engine
from senmon.errors import AdapterError, AdapterMismatch, AdapterNotFound, GateFailed
from senmon.evaluation.evaluate import CANDIDATE, EvalProgress, Mode
from senmon.lifecycle.gating import GateVerdict, gate
from senmon.packs.pack import Pack

#: Released adapters live in the repository and in packages: they must stay small.
RELEASE_BYTES = 6_000_000
#: For the card and the model card, which are written anew.
ROOM = 100_000


async def release(
    pack: Pack,
    *,
    store: AdapterStore,
    base: BaseFiles,
    engine: Engine,
    version: str | None = None,
    mode: Mode = "full",
    on_progress: Callable[[EvalProgress], None] | None = None,
    encoder: Encoder | None = None,
) -> tuple[Path, GateVerdict]:
    """Judge the promoted adapter (or `version`) by the full gate, then write it to `<pack>/adapter/`.

    Raises AdapterNotFound when nothing is promoted, AdapterMismatch for another base, AdapterError when it
    is larger than 6 MB, GateFailed with every reason; the folder is replaced only after all that.
    """
    adapter = chosen(store, pack, version)
    store.verify(adapter)
    check_fit(adapter, base)
    check_size(adapter.path)
    dataset = load_dataset(pack)
    verdict = await gate(
        pack,
        dataset,
        adapter,
        None,
        engine=engine,
        base=base,
        mode=mode,
        on_progress=on_progress,
        encoder=encoder,
    )
    store.add_verdict(adapter, {**verdict.summary(), "release": pack.label})
    if not verdict.passed:
        raise GateFailed(
            f"{adapter.label} may not be released: {'; '.join(verdict.reasons)}",
            remedy=f"see what it gets wrong: senmon eval {pack.name} --full; improve the data and tune again",
        )
    try:
        return write_release(pack, adapter, verdict), verdict
    except OSError as error:
        raise AdapterError(
            f"{pack.released_adapter}: the release could not be written ({error.strerror or error})",
            remedy="free disk space or check permissions, then release again",
        ) from error


def chosen(store: AdapterStore, pack: Pack, version: str | None) -> Adapter:
    """The version that is meant, else the promoted one. Raises AdapterNotFound."""
    if version:
        return store.get(pack.name, version)
    promoted = store.promoted(pack.name)
    if promoted is None:
        raise AdapterNotFound(
            f"{pack.name}: nothing is promoted, so there is nothing to release",
            remedy=f"senmon tune {pack.name}, or name a version (senmon adapters list {pack.name})",
        )
    return promoted


def check_fit(adapter: Adapter, base: BaseFiles) -> None:
    if adapter.card.base_digest != base.digest:
        raise AdapterMismatch(
            f"{adapter.label} was tuned for base {adapter.card.base} ({adapter.card.base_digest[:12]}), "
            f"this base is {base.digest[:12]}",
            remedy=f"tune for this base first: senmon tune {adapter.pack}",
        )


def check_size(path: Path) -> None:
    """What can't be left out must fit. Raises AdapterError."""
    needed = (path / name for name in (folder.WEIGHTS, folder.CONFIG, folder.POLICY))
    size = sum(each.stat().st_size for each in needed if each.is_file())
    if size > RELEASE_BYTES - ROOM:
        raise AdapterError(
            f"{path / folder.WEIGHTS}: {size / 1e6:.1f} MB, a release may have {RELEASE_BYTES / 1e6:.0f} MB",
            remedy="lower recipe.lora.rank or name fewer recipe.lora.target_modules, then tune again",
        )


def write_release(pack: Pack, adapter: Adapter, verdict: GateVerdict) -> Path:
    """Replaces `<pack>/adapter/` in one step and returns it. A large tokenizer stays with its base."""
    target = pack.released_adapter
    card = adapter.card.model_copy(update={"origin": "release", "pack_version": pack.manifest.version})
    measured = {name: round(metric.value, 4) for name, metric in verdict.metrics[CANDIDATE].items()}
    whole = sum(path.stat().st_size for path in adapter.path.iterdir())
    small = whole <= RELEASE_BYTES - ROOM
    readme = model_card.model_card(
        card,
        figures=verdict.figures(),
        verdict=verdict.markdown(),
        measured=measured,
        curve=folder.CURVE if small and (adapter.path / folder.CURVE).is_file() else "",
    )
    config = folder.read_config(adapter.path)
    # Beside the pack, not in it: a folder in the pack would change the pack's digest for a moment.
    with durable.temporary_folder(pack.path.parent) as temporary:
        write_folder(temporary, adapter.path, config, card, readme=readme, companions=small)
        durable.install_folder(temporary, target)
    return target
