"""Disks that fill up or can't be written: refused with words, nothing half-written, gone on with later."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from senmon.adapters import AdapterStore
from senmon.bases.catalog import BaseFiles
from senmon.bench.disks import Disk, is_refused, on_own_disk
from senmon.bench.killing import forked
from senmon.bench.tiny_base import make_tiny_base
from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.bench.trust_adapters import write_adapter
from senmon.bench.trust_import import ROWS, pack_seen, write_rows
from senmon.bench.trust_messages import Talk, answered, begin, check, client_of, path_of
from senmon.bench.trust_server import Served, nursery
from senmon.bench.trust_tune import RECIPE, weights_of
from senmon.dataset.importing import import_csv
from senmon.dataset.loading import load_dataset
from senmon.messages import Event, Identity
from senmon.packs.loader import load_pack
from senmon.packs.scaffold import scaffold
from senmon.store.store import Store
from senmon.tuning.tune import tune

#: Of so many points, one is a tuning: it takes seconds.
TUNINGS = 10
TALKS = 8
#: A message and its reply take about so many pages of a database.
FEW_PAGES = 24


@dataclass(frozen=True, slots=True)
class Case:
    """`work` on what lies in `start`, on the disk. `whole` raises unless it is whole, refused or not; `done`
    unless it was done."""

    name: str
    start: Path
    work: Callable[[Path], object]
    whole: Callable[[Path], None]
    done: Callable[[Path], None]


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    with workbench() as root:
        rows = []
        for make in (stored, imported, published):
            case = make(root)
            tell(f"disk: {case.name}")
            rows += tried(root, case, effort)
        tell("disk: a server")
        rows += served(root, effort)
        tell("disk: tuning")
        few = Effort(max(1, effort.points // TUNINGS), effort.seconds, effort.size, effort.seed)
        return rows + tried(root, tuned(root), few)


def tried(root: Path, case: Case, effort: Effort, *, part: str = "disk") -> list[Row]:
    """A disk with less room than the work takes, drawn by pages; and one that can't be written at all."""

    def on_disk(disk: Disk) -> list[Count]:
        full = Count(part, f"{case.name}, disk full: refused with words, whole, gone on with afterwards")
        sealed = Count(part, f"{case.name}, disk read-only: refused with words, nothing changed")
        place, draw, refusals = disk.root / "place", effort.draw(case.name), 0
        most = _pages(disk, place, case)
        for _ in range(effort.points):
            _fresh(disk, place, case.start)
            pages = draw.randint(0, most)
            with full.point(f"{pages} pages free"):
                disk.leave(pages)
                refusals += is_refused(lambda: case.work(place))
                disk.room()
                case.whole(place)
                case.work(place)
                case.done(place)
        full.note = f"{refusals} were refused, with 0 to {most} pages free"
        for number in range(max(1, effort.points // 10)):
            _fresh(disk, place, case.start)
            with sealed.point(f"time {number + 1}"):
                disk.read_only()
                must(is_refused(lambda: case.work(place)), "it was not refused")
                disk.room()
                case.whole(place)
                case.work(place)
                case.done(place)
        return [full, sealed]

    return on_own_disk(root / "disk", part, on_disk)


def _fresh(disk: Disk, place: Path, start: Path) -> None:
    disk.clear()
    shutil.copytree(start, place)


def _pages(disk: Disk, place: Path, case: Case) -> int:
    """How many pages the work takes at its most: with one less, it is refused."""
    low, high = 0, 1
    while True:
        _fresh(disk, place, case.start)
        disk.leave(high)
        if not is_refused(lambda: case.work(place)):
            break
        low, high = high, 2 * high
        must(high < 2**16, f"{case.name} never has room enough")
    return max(low, high // 2)


# --- what is tried


def stored(root: Path) -> Case:
    """Conversations of a server's database."""
    start, kept = root / "stored", set[str]()
    start.mkdir()
    asyncio.run(talked(start, set()))

    def work(place: Path) -> None:
        kept.clear()
        asyncio.run(talked(place, kept))

    def whole(place: Path) -> None:
        missing = asyncio.run(_missing(place, kept))
        must(not missing, f"{missing} of {len(kept)} acknowledged messages are lost")

    return Case("messages", start, work, whole, whole)


async def talked(place: Path, kept: set[str]) -> None:
    """Conversations of a message and its reply; `kept` gets what was acknowledged."""
    store = await Store.open(place / "senmon.db", serving=False)
    try:
        for number in range(TALKS):
            talk = await store.create_conversation(Identity("local", "visitor"))
            text = f"message {number} " + "of some length " * 200
            run = await store.start_run(talk.id, "1", text)
            kept.add(talk.id)
            await store.append(run.id, Event("delta", {"text": text}))
            await store.finish_run(run.id, "done")
    finally:
        await store.close()


async def _missing(place: Path, kept: set[str]) -> int:
    store = await Store.open(place / "senmon.db", serving=False)
    try:
        found = [await store.reviews.of_conversation(talk) for talk in kept]
        return sum(len(each) != 1 for each in found)
    finally:
        await store.close()


def imported(root: Path) -> Case:
    """A CSV import into a pack that has data."""
    source, start = root / "rows.csv", root / "imported"
    write_rows(source, ROWS // 2)
    work = _importing(source)
    work(start)
    old = pack_seen(start / "shop")
    write_rows(source, ROWS)
    shutil.copytree(start, root / "imported-new")
    work(root / "imported-new")
    new = pack_seen(root / "imported-new" / "shop")

    def whole(place: Path) -> None:
        must(pack_seen(place / "shop") in (old, new), "the pack is neither as before nor as after")

    def done(place: Path) -> None:
        must(pack_seen(place / "shop") == new, "it is not the whole import")

    return Case("import", start, work, whole, done)


def _importing(source: Path) -> Callable[[Path], object]:
    return lambda place: import_csv(source, place / "shop", user="q", assistant="a", skip_broken=True)


def published(root: Path) -> Case:
    """An adapter that is published and promoted beside another one."""
    cards = [write_adapter(root / f"source-{seed}", seed) for seed in (0, 1)]
    start = root / "published"
    first = AdapterStore(start).publish(root / "source-0", cards[0]).version
    AdapterStore(start).promote("shop", first, reason="first")

    def work(place: Path) -> None:
        adapters = AdapterStore(place)
        adapters.promote("shop", adapters.publish(root / "source-1", cards[1]).version, reason="second")

    def whole(place: Path) -> None:
        adapters = AdapterStore(place)
        for each in adapters.list("shop"):
            adapters.verify(each)
        must(adapters.promoted("shop") is not None, "nothing is served any more")

    def done(place: Path) -> None:
        whole(place)
        promoted = AdapterStore(place).promoted("shop")
        must(promoted is not None and promoted.version != first, "the new one is not served")

    return Case("publish and promote", start, work, whole, done)


def tuned(root: Path) -> Case:
    """A tuning, in a process of its own each time."""
    base = make_tiny_base(root / "base")
    start = root / "tuned"
    scaffold("shop", start)
    _tune(start, base)
    wanted = weights_of(start / "out")
    shutil.rmtree(start / "out")

    def work(place: Path) -> None:
        ended = forked(lambda: os._exit(REFUSAL if is_refused(lambda: _tune(place, base)) else 0))
        must(ended in (0, REFUSAL), f"no error of ours: it ended with {ended}")
        if ended:
            raise OSError(28, "the tuning was refused")

    def done(place: Path) -> None:
        must(weights_of(place / "out") == wanted, "other weights than with room enough")

    return Case("tuning", start, work, lambda place: None, done)


REFUSAL = 3


def served(root: Path, effort: Effort) -> list[Row]:
    """A server whose database's disk is full while it is talked to."""
    scaffold("shop", root / "packs")

    def on_disk(disk: Disk) -> list[Count]:
        full = Count("disk", "server, disk full: refuses or answers, loses nothing that it acknowledged")
        again = Count("disk", "the next message, with room again, is answered")
        draw, refusals = effort.draw("server"), 0
        with nursery(disk.root / "home", [root / "packs"]) as born:
            server = born.server()
            for number in range(effort.points):
                talk, pages = begin(server), draw.randint(0, FEW_PAGES)
                answered(server, talk, f"before {number}", again)
                with full.point(f"{pages} pages free"):
                    disk.leave(pages)
                    try:
                        refusals += _says_words(server, talk, f"full {number}")
                    finally:
                        disk.room()
                    answered(server, talk, f"after {number}", again)
                    with client_of(server) as client:
                        check(client, talk)
        full.note = f"{refusals} were refused, with 0 to {FEW_PAGES} pages free"
        return [full, again]

    return on_own_disk(root / "disk", "disk", on_disk)


def _says_words(server: Served, talk: Talk, text: str) -> bool:
    """Sends a message that is of no size for a disk. Whether it is refused, in the words of ours."""
    talk.sent = " ".join([text, *["and on"] * 500])
    body = {"client_id": text.replace(" ", "-"), "text": talk.sent, "pack": "shop"}
    with client_of(server) as client:
        answer = client.post(path_of(talk), json=body, headers=talk.headers)
        if answer.status_code != 202:
            code = answer.json()["error"]["code"]
            must(
                (answer.status_code, code) == (503, "store_error"),
                f"{answer.status_code} {answer.text[:120]}",
            )
            return True
        talk.taken.append(talk.sent)
        events = client.get(f"/v1/runs/{answer.json()['run_id']}/events", headers=talk.headers)
        ended = "event: done" in events.text or "event: error" in events.text or events.status_code == 503
        must(ended, f"the reply has no end: {events.status_code} {events.text[-120:]}")
        return False


def _tune(place: Path, base: BaseFiles) -> None:
    pack = load_pack(place / "shop")
    tune(pack, load_dataset(pack), base=base, out=place / "out", recipe=RECIPE, device="cpu")
