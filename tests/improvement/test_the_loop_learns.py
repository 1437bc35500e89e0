"""`senmon bench loop` on a small scale, with the embedded base: two gaps, corrections, and what was before.

The words are held out: no example, visitor or correction has them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from senmon.adapters import AdapterStore
from senmon.bases.catalog import resolve
from senmon.bench.loop_club import NAME, Ask, held_out, right, visits, write_club
from senmon.bench.loop_report import restored, suites_of
from senmon.bench.loop_talk import Told, Visitors
from senmon.engines.local import LocalEngine
from senmon.improvement.deciding import Desk
from senmon.improvement.improving import Bench, Improvement, improve
from senmon.improvement.signals import ranked
from senmon.lifecycle import rollback, tune_pack
from senmon.lifecycle.overrides import overridden
from senmon.packs.loader import load_pack
from senmon.settings import Settings
from senmon.shelf import Shelf
from senmon.store.store import Store
from senmon.workspace import Workspace
from server_rig import serving

INTENTS = ("hours", "greeting", "cancel", "vouchers")
GAPS = ("cancel", "vouchers")
RECIPE = ["budget=full", "epochs=6", "evaluations=1"]


def ours(asks: Sequence[Ask]) -> list[Ask]:
    return [ask for ask in asks if ask.intent in INTENTS]


def ask_all(url: str, asks: Sequence[Ask], *, complain: bool = False) -> tuple[Told, ...]:
    async def work() -> tuple[Told, ...]:
        async with Visitors(url) as visitors:
            return await visitors.ask_all(asks, complain=complain)

    return asyncio.run(work())


async def corrected(store: Store, home: Path, folder: Path, asks: Sequence[Ask]) -> int:
    intents = {ask.text: ask.intent for ask in asks}
    desk, done = Desk(store, home, lambda _: load_pack(folder), "Ann"), 0
    for item in ranked([each async for each in store.reviews.exchanges(undecided=True)], kind="thumbs down"):
        intent = intents[item.exchange.text]
        answer = right(intent)
        run = item.exchange.run
        await desk.correct(run, reply=answer.reply, pack=NAME, intent=intent, articles=answer.articles)
        done += 1
    return done


def test_corrections_teach_and_a_rollback_unlearns(tmp_path: Path) -> None:
    folder = write_club(tmp_path / "packs" / NAME, seed=1, each=10, only=INTENTS)
    base = resolve("embedded")
    settings = Settings(
        home=tmp_path / "home", packs=(folder.parent,), device="cpu", threads=1, rate_limit_per_minute=0
    )
    workspace = Workspace.open(settings)
    recipe = overridden(load_pack(folder).manifest.recipe, RECIPE)

    async def first() -> None:
        engine = LocalEngine(base, slots=8, threads=1)
        try:
            found = await tune_pack(
                load_pack(folder), store=workspace.adapters, base=base, home=workspace.home,
                engine=lambda: engine, recipe=recipe, encoder=workspace.encoder, threads=1,
            )  # fmt: skip
        finally:
            await engine.close()
        assert found.promoted, found.verdict.reasons

    async def second(asks: Sequence[Ask]) -> Improvement:
        engine = LocalEngine(base, slots=8, threads=1)
        store = await Store.open(workspace.home / "senmon.db", serving=False)
        try:
            assert await corrected(store, workspace.home, folder, asks) >= 12
            bench = Bench(
                store, AdapterStore(workspace.home), base, workspace.home, lambda: engine,
                encoder=workspace.encoder, recipe=recipe, threads=1,
            )  # fmt: skip
            return await improve(load_pack(folder), bench, retire=True, hold_out=10)
        finally:
            await store.close()
            await engine.close()

    asyncio.run(first())
    Shelf(workspace, base.digest).build()
    former = workspace.adapters.promoted(NAME)
    exam = ours(held_out(2, 4, 6))
    with serving(workspace) as site:

        def serve(version: str) -> None:
            """Wait until the server has noticed by itself."""
            end = time.monotonic() + 120
            while time.monotonic() < end:
                adapter = workspace.catalog.packs[NAME].adapter
                if adapter is not None and adapter.version == version:
                    return
                time.sleep(0.1)
            raise AssertionError(f"{version} is not served")

        before = ask_all(site.url, exam)
        met = [ask for ask in ours(visits(1, 9)) if ask.intent in GAPS]
        ask_all(site.url, met, complain=True)
        found = asyncio.run(second(met))
        assert found.course is not None and found.course.phase == "promoted", found.course
        assert {one.intent for one in found.plan.retired} == {"cancel"}
        serve(str(found.course.version))
        after = ask_all(site.url, exam)
        rollback(workspace.adapters, NAME, reason="to see what was before")
        assert former is not None
        serve(former.version)
        back = ask_all(site.url, exam)
    suites = {suite.name: suite for suite in suites_of(before, after)}
    for gap in GAPS:
        assert suites[gap].change >= 30, suites
    rest = [one for one in suites.values() if not one.gap]
    assert sum(one.after for one in rest) >= sum(one.before for one in rest), suites
    same, compared, _ = restored(before, back)
    assert same == compared > 0
