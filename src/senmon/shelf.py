"""What is on offer now: builds the catalog from packs on disk, promoted adapters and the router."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from senmon.adapters import Adapter, stale
from senmon.adapters.canary import read_canary
from senmon.assistant import Catalog, ServedPack
from senmon.assistant.catalog import Trial
from senmon.checks.protocol import Check
from senmon.checks.registry import build_checks
from senmon.dataset.example import Dataset
from senmon.dataset.kept import learnt_of
from senmon.dataset.routing import Learnt, routing_digest, routing_examples
from senmon.errors import AdapterError, SenmonError
from senmon.improvement.asked import articles_as_asked
from senmon.knowledge import Knowledge
from senmon.messages import Message
from senmon.packs.loader import discover
from senmon.packs.manifest_file import MANIFEST
from senmon.packs.pack import Pack
from senmon.policy.artifact import load as load_policy
from senmon.policy.model import Policy
from senmon.rendering import prefix_digest, prefix_message
from senmon.routing.corrections import FILE as CORRECTIONS
from senmon.routing.corrections import corrected, read_corrections
from senmon.routing.router import PackRoutes, Router
from senmon.tuning.recipe import recipe_digest

if TYPE_CHECKING:
    from senmon.workspace import Workspace

KEPT_ROUTERS = 4
#: Folder of the state for what was read of the packs' data.
KEPT = "packs"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is derived from a pack's content alone; made once per digest."""

    prefix: Message
    prefix_digest: str
    dataset_digest: str
    recipe_digest: str
    knowledge: Knowledge
    checks: tuple[Check, ...]
    routes: PackRoutes
    #: By what an adapter learnt of reviewers.
    as_asked: dict[frozenset[str], Knowledge] = field(default_factory=dict)


class Shelf:
    """Builds catalogs. Not thread-safe: one build at a time."""

    def __init__(self, workspace: Workspace, base_digest: str) -> None:
        self._workspace = workspace
        self._base_digest = base_digest
        self._prepared: dict[tuple[str, str], _Prepared] = {}
        self._router: tuple[str, Router] | None = None

    def stamp(self) -> tuple[object, ...]:
        """Changes whenever a pack's files or a promotion change; costs a few hundred stat calls."""
        roots = [root for root in self._workspace.settings.packs if root.is_dir()]
        # A root may be a pack itself; elsewhere its own files belong to none.
        patterns = ((root, "**/*" if (root / MANIFEST).is_file() else "*/**/*") for root in roots)
        files = [entry for root, pattern in patterns for entry in sorted(root.glob(pattern))]
        files.append(self._workspace.home / CORRECTIONS)
        return (self._workspace.adapters.stamp(), tuple(filter(None, map(_stamp, files))))

    def build(self) -> Catalog:
        """The catalog of now. A pack that can't be loaded is a problem in it, never a failure of it."""
        found = discover(self._workspace.settings.packs)
        problems = [str(error) for error in found.errors]
        served: dict[str, ServedPack] = {}
        routes: list[PackRoutes] = []
        for pack in found.packs:
            try:
                prepared = self._prepare(pack)
            except SenmonError as error:
                problems.append(f"{pack.name}: {error}")
                continue
            served[pack.name] = self._serve(pack, prepared, problems)
            routes.append(prepared.routes)
        return Catalog(packs=served, router=self._route(tuple(routes)), problems=tuple(problems))

    def _prepare(self, pack: Pack) -> _Prepared:
        key = (pack.name, pack.digest)
        if key not in self._prepared:
            self._prepared = {known: made for known, made in self._prepared.items() if known[0] != pack.name}
            self._prepared[key] = _prepare(pack, self._workspace)
        return self._prepared[key]

    def _serve(self, pack: Pack, prepared: _Prepared, problems: list[str]) -> ServedPack:
        adapter = self._adapter(pack, problems)
        policy = self._policy(adapter, problems) if adapter else None
        digests = (prepared.dataset_digest, prepared.prefix_digest, prepared.recipe_digest)
        return ServedPack(
            pack=pack,
            prefix=prepared.prefix,
            knowledge=self._knowledge(pack, prepared, adapter),
            checks=prepared.checks,
            adapter=adapter,
            dataset_digest=prepared.dataset_digest,
            prefix_digest=prepared.prefix_digest,
            stale=stale(adapter, *digests) if adapter else (),
            policy=policy,
            trial=self._trial(pack, prepared, problems),
        )

    def _knowledge(self, pack: Pack, prepared: _Prepared, adapter: Adapter | None) -> Knowledge:
        """The articles as the adapter knows them: with the questions of what reviewers taught it."""
        learnt = frozenset(adapter.card.reviewed) if adapter else frozenset()
        if learnt not in prepared.as_asked:
            articles = articles_as_asked(pack, learnt)
            prepared.as_asked[learnt] = (
                Knowledge(articles, self._workspace.encoder)
                if articles != pack.articles
                else prepared.knowledge
            )
        return prepared.as_asked[learnt]

    def _trial(self, pack: Pack, prepared: _Prepared, problems: list[str]) -> Trial | None:
        """The version on trial; None, and so the promoted one for everybody, when it does not fit."""
        store = self._workspace.adapters
        canary = read_canary(store, pack.name)
        if canary is None:
            return None
        try:
            adapter = store.get(pack.name, canary.version)
            store.verify(adapter)
        except AdapterError as error:
            problems.append(f"{pack.name}: on trial: {error}")
            return None
        if adapter.card.base_digest != self._base_digest:
            problems.append(f"{pack.name}: the version on trial belongs to another base")
            return None
        knowledge = self._knowledge(pack, prepared, adapter)
        return Trial(adapter, canary.share, self._policy(adapter, problems), knowledge)

    def _policy(self, adapter: Adapter, problems: list[str]) -> Policy | None:
        """What the adapter was tuned beside; without it (another sentence encoder) it still answers."""
        try:
            return load_policy(adapter.path, self._workspace.encoder)
        except AdapterError as error:
            problems.append(f"{adapter.pack}: {error}")
            return None

    def _adapter(self, pack: Pack, problems: list[str]) -> Adapter | None:
        """The promoted adapter, after the pack's own release had its chance; None when it does not fit."""
        store = self._workspace.adapters
        try:
            if pack.released_adapter.is_dir() and not store.import_release(pack, self._base_digest):
                problems.append(f"{pack.name}: {store.release_obstacle(pack, self._base_digest)}")
            adapter = store.promoted(pack.name)
            if adapter is None:
                return None
            if adapter.card.base_digest != self._base_digest:
                problems.append(f"{pack.name}: the promoted adapter belongs to another base; tune it again")
                return None
            store.verify(adapter)
            return adapter
        except AdapterError as error:
            problems.append(f"{pack.name}: {error}")
            return None

    def _route(self, routes: tuple[PackRoutes, ...]) -> Router | None:
        if not routes:
            return None
        encoder = self._workspace.encoder
        routes = with_corrections(routes, self._workspace.home)
        key = Router.key(routes, encoder)
        if self._router and self._router[0] == key:
            return self._router[1]
        folder = self._workspace.home / "router" / key[:16]
        router = _saved(folder, encoder) or _fitted(routes, encoder, folder)
        self._router = (key, router)
        return router


def with_corrections(routes: tuple[PackRoutes, ...], home: Path) -> tuple[PackRoutes, ...]:
    """With what operators accepted of people's complaints about the topic."""
    try:
        return corrected(routes, read_corrections(home))
    except SenmonError as error:
        log.warning("the corrections of the router are left out: %s", error)
        return routes


def _saved(folder: Path, encoder: object) -> Router | None:
    if not folder.is_dir():
        return None
    try:
        return Router.load(folder, encoder)  # type: ignore[arg-type]
    except (SenmonError, OSError, ValueError) as error:
        log.warning("the saved router is unusable and is built again: %s", error)
        return None


def _fitted(routes: tuple[PackRoutes, ...], encoder: object, folder: Path) -> Router:
    router = Router.fit(routes, encoder)  # type: ignore[arg-type]
    router.save(folder)
    siblings = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in siblings[KEPT_ROUTERS:]:
        shutil.rmtree(old, ignore_errors=True)
    return router


def _prepare(pack: Pack, workspace: Workspace) -> _Prepared:
    dataset = learnt_of(pack, workspace.home / KEPT)
    return _Prepared(
        prefix=prefix_message(pack),
        prefix_digest=prefix_digest(pack),
        dataset_digest=dataset.digest,
        recipe_digest=recipe_digest(pack.manifest.recipe),
        knowledge=Knowledge(pack.articles, workspace.encoder),
        checks=build_checks(pack.manifest.checks, system=pack.system),
        routes=pack_routes(pack, dataset),
    )


def pack_routes(pack: Pack, dataset: Dataset | Learnt) -> PackRoutes:
    """What the router learns of a pack."""
    return PackRoutes(
        pack=pack.name,
        digest=routing_digest(dataset, pack.requests),
        examples=routing_examples(dataset, pack.requests),
        negatives=pack.negatives,
        always=frozenset(pack.manifest.routing.always),
        promise=pack.manifest.routing.promise,
    )


def _stamp(path: Path) -> tuple[str, int, int] | None:
    if "__pycache__" in path.parts:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return (str(path), status.st_mtime_ns, status.st_size)
