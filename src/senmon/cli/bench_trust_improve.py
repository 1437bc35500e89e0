"""Improvements that are killed: what reviewers decided is learnt once, pack and adapter stay whole.

The candidate's weights are made before: what can go wrong while tuning is another part's.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from senmon.adapters import AdapterStore
from senmon.bases.catalog import EMBEDDED_PATH, BaseFiles, resolve
from senmon.bench.killing import (
    changes_of,
    forked,
    killed_after,
    killed_at_commit,
    killed_before,
    watch_commits,
)
from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.bench.trust_adapters import write_adapter
from senmon.bench.trust_disk import Case, tried
from senmon.dataset.loading import load_dataset
from senmon.engines.scripted import ScriptedEngine
from senmon.evaluation.suite import load_suites
from senmon.improvement.course import history, read_course
from senmon.improvement.deciding import Desk
from senmon.improvement.improving import Bench, Improvement, improve
from senmon.improvement.screening import DATA, SUITE, planned
from senmon.improvement.taking import take
from senmon.messages import Event, Identity, Message
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.packs.scaffold import scaffold
from senmon.rendering import prefix_digest
from senmon.store.store import Store
from senmon.tuning.recipe import recipe_digest

#: What was asked, and what a reviewer says should have been answered.
DECIDED = tuple(
    (f"do you {verb} {thing}", f"Yes, we {verb} {thing}, any weekday.")
    for verb, thing in itertools.product(("repair", "rent out", "buy back"), ("bicycles", "wooden skis"))
)
#: Of so many points, one is a full disk: those take longer.
FEW = 4
ASKED = "may I bring a dog inside"
REPLY = "Sorry, I do not know that."


@dataclass(frozen=True, slots=True)
class Place:
    """What an improvement reads and writes, all of it below `root`."""

    root: Path

    @property
    def pack(self) -> Pack:
        return load_pack(self.root / "packs" / "shop")

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def database(self) -> Path:
        return self.home / "senmon.db"

    def seen(self) -> tuple[bytes, bytes]:
        """The data and the suite that reviewers gave."""
        return self._bytes(DATA), self._bytes(SUITE)

    def _bytes(self, name: str) -> bytes:
        path = self.root / "packs" / "shop" / name
        return path.read_bytes() if path.is_file() else b""


def run(effort: Effort, tell: Tell, *, disks: bool = True) -> Sequence[Row]:
    """`disks`: full ones too, which take longer."""
    with workbench() as root:
        tell("improve: decisions of a reviewer")
        base = resolve(str(EMBEDDED_PATH))
        start = Place(root / "start")
        first, second = asyncio.run(_prepared(start, root, base))
        place = Place(root / "tried")
        work = lambda: _improved(place, base)  # noqa: E731 — forked at once
        places = _measured(start, place, work)
        wanted = place.seen()
        must(len(wanted[0].splitlines()) == len(DECIDED) and wanted[1] != b"", "the improvement took nothing")
        count = Count("improve", "improver killed: pack and adapter whole, old or new; decisions learnt once")
        draw = effort.draw("improve")
        for number in range(effort.points):
            if number % 10 == 0:
                tell(f"improve: {number} of {effort.points} kills")
            _fresh(start, place)
            kind, point = number % 3, draw.random()
            with count.point(f"{('file', 'commit', 'time')[kind]} at {point:.3f} of the whole"):
                ended = _killed(work, place, kind, point, places)
                must(ended < 0 or kind == 2, f"was not killed ({ended})")
                _whole(place, {b"", wanted[0]}, {b"", wanted[1]}, {first, second})
                for _ in range(2):  # the second time there is nothing left to do
                    must(forked(work) == 0, "it can't be gone on with")
                    _learnt_once(place, wanted, second)
        note = f"{places.changes} changes of files, {places.commits} commits in an improvement"
        told = count.row(f"{note}; a third each killed at these, and at drawn times")
        if not disks:
            return [told]
        tell("improve: disk full")
        case = Case(
            "improve",
            start.root,
            lambda root: _improved(Place(root), base),
            lambda root: _whole(Place(root), {b"", wanted[0]}, {b"", wanted[1]}, {first, second}),
            lambda root: _learnt_once(Place(root), wanted, second),
        )
        few = replace(effort, points=max(1, effort.points // FEW))
        return [told, *tried(root, case, few, part="improve")]


# --- the start


async def _prepared(start: Place, root: Path, base: BaseFiles) -> tuple[str, str]:
    """Decisions that wait, an adapter that is served, and a judged candidate of what will be the data."""
    start.home.mkdir(parents=True)
    scaffold("shop", start.root / "packs")
    store = await Store.open(start.database, serving=False)
    try:
        desk = Desk(store, start.home, lambda name: start.pack, "Ann")
        for text, reply in DECIDED:
            run_id = await _talk(store, text)
            await desk.correct(run_id, reply=reply, pack="shop", intent="services")
        await desk.mark_eval(await _talk(store, ASKED), {"contains": ["dog"]}, pack="shop", intent="dogs")
        draft = Place(root / "draft")
        shutil.copytree(start.root, draft.root)
        pack = take(draft.pack, await planned(draft.pack, store, hold_out=0))
    finally:
        await store.close()
    return _adapters(start, root, pack, base)


def _adapters(start: Place, root: Path, pack: Pack, base: BaseFiles) -> tuple[str, str]:
    adapters = AdapterStore(start.home)
    made = []
    for seed in (0, 1):
        card = _card(write_adapter(root / f"source-{seed}", seed), base, pack if seed else None)
        made.append(adapters.publish(root / f"source-{seed}", card))
    adapters.add_verdict(made[1], {"passed": True, "reasons": []})
    adapters.promote("shop", made[0].version, reason="first")
    return made[0].version, made[1].version


def _card(card: Any, base: BaseFiles, pack: Pack | None) -> Any:
    changes: dict[str, Any] = {"base_digest": base.digest}
    if pack is not None:
        changes |= {
            "dataset_digest": load_dataset(pack).digest,
            "prefix_digest": prefix_digest(pack),
            "recipe_digest": recipe_digest(pack.manifest.recipe),
        }
    return card.model_copy(update=changes)


async def _talk(store: Store, text: str) -> str:
    """One exchange as a server leaves it; the id of its run."""
    made = await store.create_conversation(Identity("local", f"visitor of {text}"))
    opening = Event("run", {}, {"messages": [Message("user", text).to_json()]})
    run_id = (await store.start_run(made.id, "1", text, opening=opening)).id
    route = {"pack": "shop", "score": 0.8, "margin": 0.5, "intent": "services", "scores": {"shop": 0.8}}
    end = {"text": REPLY, "provenance": {"pack": "shop@0.1.0", "adapter": None}}
    for event in (Event("route", route), Event("delta", {"text": REPLY}, {"raw": REPLY}), Event("done", end)):
        await store.append(run_id, event)
    await store.finish_run(run_id, "done")
    return run_id


# --- the work


def _improved(place: Place, base: BaseFiles) -> None:
    asyncio.run(_improve(place, base))


async def _improve(place: Place, base: BaseFiles) -> Improvement:
    store = await Store.open(place.database, serving=False)
    engine = ScriptedEngine({"*": "A dog may come in."}, base_digest=base.digest)
    try:
        bench = Bench(store, AdapterStore(place.home), base, place.home, lambda: engine)
        return await improve(place.pack, bench, hold_out=0)
    finally:
        await store.close()


@dataclass(frozen=True, slots=True)
class Places:
    """Where it can be killed."""

    changes: int
    commits: int
    seconds: float


def _measured(start: Place, place: Place, work: Any) -> Places:
    _fresh(start, place)
    changes = changes_of(work, place.root)
    _fresh(start, place)
    told = place.root.with_suffix(".count")

    def counted() -> None:
        watch_commits(lambda count, before: _tell(told, count))
        work()

    begun = time.monotonic()
    must(forked(counted) == 0, "the improvement fails by itself")
    return Places(changes, int(told.read_text(encoding="ascii")), time.monotonic() - begun)


def _tell(told: Path, count: int) -> None:
    told.write_text(str(count), encoding="ascii")


def _fresh(start: Place, place: Place) -> None:
    shutil.rmtree(place.root, ignore_errors=True)
    shutil.copytree(start.root, place.root)


def _killed(work: Any, place: Place, kind: int, point: float, places: Places) -> int:
    if kind == 0:
        return killed_before(work, place.root, 1 + int(point * places.changes))
    if kind == 1:
        at = int(point * 2 * places.commits)
        return killed_at_commit(work, 1 + at // 2, before=at % 2 == 0)
    return killed_after(work, point * places.seconds)


# --- what must hold


def _whole(place: Place, data: set[bytes], suite: set[bytes], served: set[str]) -> None:
    """Whoever reads now reads something whole."""
    seen = place.seen()
    must(seen[0] in data and seen[1] in suite, "a file of the pack is neither as before nor as after")
    load_dataset(place.pack)
    load_suites(place.pack)
    adapters = AdapterStore(place.home)
    for adapter in adapters.list("shop"):
        adapters.verify(adapter)
    promoted = adapters.promoted("shop")
    must(promoted is not None and promoted.version in served, "neither the old nor the new adapter is served")
    with suppress(FileNotFoundError):
        json.loads((place.home / "improve" / "shop" / "state.json").read_text(encoding="utf-8"))


def _learnt_once(place: Place, wanted: tuple[bytes, bytes], version: str) -> None:
    must(place.seen() == wanted, "the pack is not what the decisions make of it")
    promoted = AdapterStore(place.home).promoted("shop")
    must(promoted is not None and promoted.version == version, "the candidate is not served")
    course = read_course(place.home, "shop")
    must(course is not None and course.phase == "promoted", "the improvement has no end")
    ends = [line for line in history(place.home, "shop") if line.get("phase") == "promoted"]
    must(len({line["id"] for line in ends}) == 1, f"{len(ends)} improvements were promoted")
    used = asyncio.run(_used(place))
    must(len(used) == len(DECIDED) + 1 and len(set(used)) == 1, "a decision is lost, or was taken twice")
    must(used[0] == course.id, "another improvement took the decisions") if course else None


async def _used(place: Place) -> list[str | None]:
    store = await Store.open(place.database, serving=False)
    try:
        found = [one.review async for one in store.reviews.exchanges() if one.review is not None]
        return [review.used_by for review in found]
    finally:
        await store.close()
