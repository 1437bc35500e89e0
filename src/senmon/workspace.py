"""The composition root: settings → packs, base, adapters, store, router, engine, assistant.

`Workspace(settings)` is cheap (no torch); the expensive parts come when they are asked for. `start()` builds
what a server needs and watches packs and promotions from then on.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senmon.adapters import Adapter, AdapterStore
from senmon.bases.catalog import EMBEDDED, BaseFiles, resolve
from senmon.errors import AdapterError, ConfigError, PackError, PackNotFound
from senmon.packs.loader import discover, load_pack
from senmon.packs.pack import Pack
from senmon.packs.permission import Permissions
from senmon.settings import Settings, variable

if TYPE_CHECKING:
    from senmon.assistant import Assistant, Catalog
    from senmon.embedding import Encoder
    from senmon.engines.fleet import FleetLimits
    from senmon.engines.protocol import Engine
    from senmon.shelf import Shelf
    from senmon.store.store import Store

WATCH_SECONDS = 0.5
#: Before an adapter that the engine refused is offered again.
HOLD_SECONDS = 5.0

log = logging.getLogger(__name__)


class Workspace:
    """Everything that one process works with. One per process."""

    store: Store
    assistant: Assistant
    catalog: Catalog
    shelf: Shelf

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = settings.home.expanduser().absolute()
        self.adapters = AdapterStore(self.home)
        self.permissions = Permissions(self.home)
        self._watcher: asyncio.Task[None] | None = None
        self._engine: Engine | None = None
        self._started = False

    @classmethod
    def open(cls, settings: Settings | None = None) -> Workspace:
        return cls(settings or Settings.load())

    # --- packs

    @property
    def packs(self) -> Mapping[str, Pack]:
        """The packs that load, by name; read anew at each call."""
        return {pack.name: pack for pack in discover(self.settings.packs).packs}

    @property
    def broken(self) -> tuple[PackError, ...]:
        return tuple(discover(self.settings.packs).errors)

    def pack(self, name: str) -> Pack:
        """A pack by name or by folder. PackNotFound suggests near names; PackInvalid says what is wrong."""
        if "/" in name or name.startswith("."):
            return load_pack(Path(name))
        for root in self.settings.packs:
            if (root / name / "pack.yaml").is_file():
                return load_pack(root / name)
        packs = self.packs
        if name in packs:
            return packs[name]
        near = difflib.get_close_matches(name, packs, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise PackNotFound(
            f"there is no pack {name!r} in {', '.join(str(root) for root in self.settings.packs)}",
            remedy=f"{hint}`senmon packs` lists them, `senmon new {name}` makes one",
        )

    # --- the expensive parts

    @cached_property
    def base(self) -> BaseFiles:
        """The base that everything here runs on: the setting, else the packs' common choice."""
        if self.settings.base:
            return resolve(self.settings.base, self.settings.base_revision)
        recipes = {(p.manifest.recipe.base, p.manifest.recipe.revision) for p in self.packs.values()}
        if len(recipes) > 1:
            names = ", ".join(sorted(base for base, _ in recipes))
            raise ConfigError(
                f"the packs want different bases: {names}",
                remedy="serve them apart, or set SENMON_BASE to the one that all are tuned for",
            )
        return resolve(*next(iter(recipes), (EMBEDDED, None)))

    def base_for(self, pack: Pack) -> BaseFiles:
        """The base that a pack is tuned and judged on: the setting, else its own choice, wherever it lies."""
        if self.settings.base:
            return self.base
        return resolve(pack.manifest.recipe.base, pack.manifest.recipe.revision)

    @cached_property
    def encoder(self) -> Encoder | None:
        from senmon.embedding import Encoder

        encoder = Encoder.find(self.settings.encoder)
        if encoder is not None:
            encoder.keep_in(self.home / "vectors")
        return encoder

    @cached_property
    def device(self) -> str:
        from senmon.bases.catalog import best_device

        wanted = self.settings.device
        if wanted == "cpu":
            return wanted
        best = best_device()
        if wanted.startswith("cuda") and best != "cuda":
            raise ConfigError(
                f"SENMON_DEVICE={wanted}, but torch finds no CUDA GPU here",
                remedy="set SENMON_DEVICE=cpu or auto; `senmon doctor` says what this machine has",
            )
        return best if wanted == "auto" else wanted

    @property
    def threads(self) -> int:
        return self.settings.threads or os.cpu_count() or 1

    def engine(self) -> Engine:
        """The engine of the settings; made once."""
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine

    def _make_engine(self) -> Engine:
        settings = self.settings
        if settings.engine == "local":
            from senmon.engines.local import LocalEngine

            return LocalEngine(
                self.base,
                slots=settings.slots,
                queue=settings.queue,
                threads=self.threads,
                device=self.device,
            )
        return self._remote_engine()

    def _remote_engine(self) -> Engine:
        from senmon.engines.fleet_adapters import Loaded, Resolved
        from senmon.engines.openai import OpenAIEngine
        from senmon.engines.openai_tokens import TokenEngine

        settings = self.settings
        key = settings.engine_api_key.get_secret_value() if settings.engine_api_key else ""
        limits: FleetLimits = {"streams": settings.engine_streams, "queue": settings.queue}
        if settings.engine_lora == "given":
            model = settings.engine_model or self.base.spec
            return OpenAIEngine(settings.engine_url, key, model, **limits)
        loaded = Loaded(self.adapters.folder, settings.engine_lora_path)
        bringer = loaded if settings.engine_lora == "load" else Resolved(self.home / "vllm")
        return TokenEngine(
            settings.engine_url, self.base, bringer, key, model=settings.engine_model, **limits
        )

    # --- serving

    async def start(self) -> None:
        """Open the store, load the base, import releases, build the catalog, watch for changes."""
        from senmon.shelf import Shelf
        from senmon.store.store import Store

        self.home.mkdir(parents=True, exist_ok=True)
        target = self.settings.database_url or self.home / "senmon.db"
        self.store = await Store.open(target, lease=self.settings.lease)
        try:
            engine = await asyncio.to_thread(self.engine)
            self.shelf = Shelf(self, engine.base_digest or self.base.digest)
            self.catalog = await asyncio.to_thread(self.shelf.build)
            await self._hold_at_start()
            self.assistant = self.make_assistant()
        except BaseException:
            await self.stop()
            raise
        self._watcher = asyncio.create_task(self._watch(), name="senmon-watch")
        self._started = True

    def make_assistant(self) -> Assistant:
        from senmon.actions.runner import ActionRunner
        from senmon.assistant import Assistant

        actions = ActionRunner(self.permissions.allowed, variable)
        return Assistant(self.engine(), actions, lambda: self.catalog)

    async def stop(self) -> None:
        self._started = False
        if self._watcher:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        if self._engine is not None:
            await self._engine.close()
            self._engine = None
        if hasattr(self, "store"):
            await self.store.close()

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether messages can be answered, and the parts that say so."""
        if not self._started:
            return False, {"started": False}
        parts = {
            "started": True,
            "packs": len(self.catalog.packs),
            "router": self.catalog.router is not None,
            "problems": list(self.catalog.problems),
        }
        return True, parts

    def engine_figures(self) -> Mapping[str, float]:
        """The engine's own figures."""
        stats = getattr(self._engine, "stats", None)
        return {} if stats is None else asdict(stats())

    def runs(self) -> Sequence[Mapping[str, Any]]:
        """The newest tuning of each pack, whichever process runs it; `finished` is empty while it runs."""
        from senmon.lifecycle.runs import latest_runs

        return latest_runs(self.home)

    def _warm(self) -> None:
        """Load the encoder before the first message needs it."""
        if self.encoder is not None:
            self.encoder.encode(["hello"])

    async def _hold_at_start(self) -> None:
        """What the engine refuses is a problem that is shown; the other packs are served."""
        try:
            await self._hold(self.catalog)
        except AdapterError as error:
            log.error("%s", error)
            problems = (*self.catalog.problems, str(error))
            self.catalog = replace(self.catalog, problems=problems)

    async def _hold(self, catalog: Catalog) -> None:
        """An engine elsewhere loads the adapters of a catalog before its turns begin. Raises AdapterError."""
        from senmon.engines.protocol import Holds

        if isinstance(self._engine, Holds):
            await self._engine.hold(catalog.adapters())

    async def _watch(self) -> None:
        """Notice promotions and changed packs within a second; a turn under way keeps its snapshot."""
        await asyncio.to_thread(self._warm)
        seen = await asyncio.to_thread(self.shelf.stamp)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                now = await asyncio.to_thread(self.shelf.stamp)
                if now != seen:
                    catalog = await asyncio.to_thread(self.shelf.build)
                    await self._hold(catalog)
                    self.catalog, seen = catalog, now
                    log.info("catalog rebuilt: %s", ", ".join(self.catalog.packs))
            except AdapterError as error:
                log.error("what is served stays as it was: %s", error)
                await asyncio.sleep(HOLD_SECONDS)
            except Exception:
                log.exception("the catalog could not be rebuilt; the former one stays")


def promoted_here(workspace: Workspace, pack: Pack) -> Adapter | None:
    """The promoted adapter of a pack when it belongs to this workspace's base."""
    adapter = workspace.adapters.promoted(pack.name)
    return adapter if adapter and adapter.card.base_digest == workspace.base.digest else None
