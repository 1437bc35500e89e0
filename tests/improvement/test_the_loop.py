"""The loop over HTTP on a tiny base: a gap, visitors who meet it, a reviewer, another adapter, and back.

What the replies are worth is not asserted: a random base learns no wording in seconds. The gate and the
evaluation of the shipped packs measure that on a real one.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from safetensors.torch import load_file, save_file

from console_rig import make_staff, person
from senmon.adapters import Adapter, AdapterStore
from senmon.adapters.canary import begin_canary, chosen
from senmon.bases.catalog import BaseFiles
from senmon.dataset.loading import load_dataset
from senmon.engines.local import LocalEngine
from senmon.improvement.course import history, keep, new_course, read_course
from senmon.improvement.deciding import Desk
from senmon.improvement.gaps import gaps
from senmon.improvement.improving import Bench, Improvement, improve
from senmon.improvement.signals import ranked
from senmon.lifecycle import rollback, tune_pack
from senmon.lifecycle.overrides import overridden
from senmon.packs.loader import load_pack
from senmon.server.watching import watch
from senmon.settings import Settings
from senmon.shelf import Shelf
from senmon.store.store import Store
from senmon.workspace import Workspace
from server_rig import Site, serving
from tiny import write_pack

T = TypeVar("T")
RECIPE = ["budget=full", "epochs=8", "learning_rate=5e-3", "evaluations=2"]
#: What nobody wrote an example for.
ASKED = (
    "do you sell gift cards", "gift cards please", "i want a gift card", "can i buy a gift card here",
    "gift card for my mother", "have you got gift cards", "how do gift cards work", "one gift card please",
    "hello, gift cards?", "a gift card for 20 please now", "are there gift cards", "looking for gift cards",
)  # fmt: skip
#: What it was asked before.
FORMER = ("when do you open", "what are your hours", "how do returns work", "can I send it back")
RIGHT = "Yes, gift cards are at the till."


class Killed(Exception):
    pass


def die(step: str, dies_at: str) -> None:
    if dies_at and step.startswith(dies_at):
        raise Killed


def run(work: Any) -> Any:
    return asyncio.run(work)


@dataclass
class Shop:
    """A running server with a tuned adapter, and what a reviewer and an operator have in hand."""

    site: Site
    workspace: Workspace
    base: BaseFiles
    folder: Path

    @property
    def home(self) -> Path:
        return self.workspace.home

    def ask(self, text: str) -> tuple[str, str]:
        """A visitor's first message; the run and the reply."""
        client = self.site.visitor()
        conversation = self.site.conversation(client)
        body = {"client_id": "1", "text": text}
        answer = client.post(f"/v1/conversations/{conversation}/messages", json=body)
        run_id = answer.json()["run_id"]
        self.site.client = client
        return run_id, str(self.site.events(run_id)[-1]["data"]["text"])

    def complain(self, run_id: str) -> httpx.Response:
        return self.site.client.post(f"/v1/runs/{run_id}/feedback", json={"rating": "down"})

    def serves(self, version: str | None) -> None:
        """Wait until the server has noticed by itself."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            adapter = self.workspace.catalog.packs["shop"].adapter
            if (adapter.version if adapter else None) == version:
                return
            time.sleep(0.1)
        raise AssertionError(f"the server did not take {version} over")

    def tries(self, version: str | None) -> None:
        """Wait until the server has a version on trial, or has none any more."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            trial = self.workspace.catalog.packs["shop"].trial
            if (trial.adapter.version if trial else None) == version:
                return
            time.sleep(0.05)
        raise AssertionError(f"{version} is not on trial")

    def answered(self, client: httpx.Client, conversation: str, client_id: str) -> tuple[str, str]:
        """A message of a conversation; its run, and the adapter that answered."""
        body = {"client_id": client_id, "text": FORMER[0], "pack": "shop"}
        run_id = client.post(f"/v1/conversations/{conversation}/messages", json=body).json()["run_id"]
        return run_id, str(self.site.events(run_id)[-1]["data"]["provenance"]["adapter"])[:12]

    def with_store(self, work: Callable[[Store], Any]) -> Any:
        """As a command beside the server has it."""

        async def opened() -> Any:
            store = await Store.open(self.home / "senmon.db", serving=False)
            try:
                return await work(store)
            finally:
                await store.close()

        return run(opened())

    def improve(self, *, dies_at: str = "") -> Improvement:
        async def work(store: Store) -> Improvement:
            engine = LocalEngine(self.base, slots=8, threads=1)
            pack = load_pack(self.folder)
            bench = Bench(
                store, AdapterStore(self.home), self.base, self.home, lambda: engine,
                encoder=self.workspace.encoder, recipe=overridden(pack.manifest.recipe, RECIPE),
                on_step=lambda step: die(step, dies_at),
            )  # fmt: skip
            try:
                return await improve(pack, bench)
            finally:
                await engine.close()

        return self.with_store(work)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, tiny_base: BaseFiles) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("loop")
    # Metrics of a random base are chance: they may fall, the held-out loss may not rise above the base's.
    shop_data = {"data": {"valid_percent": 20}, "gate": {"regression": 1.0}}
    folder = write_pack(root / "packs" / "shop", **shop_data)
    settings = Settings(
        home=root / "home", packs=(folder.parent,), base=str(tiny_base.path), device="cpu", threads=1,
        rate_limit_per_minute=0,
    )  # fmt: skip
    workspace = Workspace.open(settings)

    async def first() -> None:
        pack = load_pack(folder)
        engine = LocalEngine(tiny_base, slots=8, threads=1)
        try:
            result = await tune_pack(
                pack, store=workspace.adapters, base=tiny_base, home=workspace.home, engine=lambda: engine,
                recipe=overridden(pack.manifest.recipe, RECIPE), encoder=workspace.encoder,
            )  # fmt: skip
        finally:
            await engine.close()
        assert result.promoted, result.verdict.reasons

    run(first())
    # The router is fitted and kept before the server starts, which waits ten seconds only.
    Shelf(workspace, tiny_base.digest).build()
    with serving(workspace) as site:
        yield Shop(site, workspace, tiny_base, folder)


def test_the_loop(shop: Shop) -> None:
    before = shop.workspace.adapters.promoted("shop")
    assert before is not None
    former = {text: shop.ask(text)[1] for text in FORMER}
    runs = {}
    for text in ASKED:
        runs[text], _ = shop.ask(text)
        assert shop.complain(runs[text]).status_code == 201

    async def review(store: Store) -> int:
        waiting = ranked([each async for each in store.reviews.exchanges(undecided=True)])
        desk = Desk(store, shop.home, lambda name: load_pack(shop.folder), "Ann")
        done = 0
        for item in waiting:
            if "gift" in item.exchange.text and "thumbs down" in item.kinds:
                _, new = await desk.correct(item.exchange.run, reply=RIGHT, pack="shop", intent="gift_cards")
                done += new
        return done

    async def open_gaps(store: Store) -> list[str]:
        pack = load_pack(shop.folder)
        found = await gaps(pack, load_dataset(pack), store, shop.workspace.encoder)
        return [message for gap in found[:1] for message in gap.messages]

    assert shop.with_store(review) == len(ASKED)
    assert sum("gift" in text for text in shop.with_store(open_gaps)) >= 6
    with pytest.raises(Killed):
        shop.improve(dies_at="tuning")
    stopped = read_course(shop.home, "shop")
    assert stopped is not None and (stopped.phase, stopped.added) == ("tuning", len(ASKED))
    assert shop.workspace.adapters.promoted("shop") == before
    found = shop.improve()
    assert found.resumed
    assert found.plan.unchanged == len(ASKED)
    assert found.course is not None and found.verdict is not None
    assert found.course.phase == "promoted", found.course.reasons
    assert (found.course.id, found.course.before) == (stopped.id, before.version)
    judged = shop.workspace.adapters.get("shop", found.course.version or "")
    assert [verdict["passed"] for verdict in shop.workspace.adapters.verdicts(judged)] == [True]
    promoted = shop.workspace.adapters.promoted("shop")
    assert promoted is not None and promoted.version == found.course.version != before.version
    phases = [line["phase"] for line in history(shop.home, "shop")]
    assert phases == ["taking", "tuning", "judging", "promoted"]
    assert shop.improve().course is None, "the same decisions are learnt once"
    shop.serves(found.course.version)

    rollback(shop.workspace.adapters, "shop", reason="the new one is not liked")
    shop.serves(before.version)
    assert shop.workspace.adapters.promoted("shop") == before
    again = {text: shop.ask(text)[1] for text in FORMER}
    assert again == former, "a rollback restores every letter"


def another_adapter(shop: Shop, scale: float = 0.999) -> Adapter:
    """The promoted one with other weights, as a candidate that passed the gate would be."""
    promoted = shop.workspace.adapters.promoted("shop")
    assert promoted is not None
    source = shop.home / f"another-{scale}"
    shutil.copytree(promoted.path, source)
    weights = load_file(source / "adapter_model.safetensors")
    save_file({name: scale * one for name, one in weights.items()}, source / "adapter_model.safetensors")
    return shop.workspace.adapters.publish(source, promoted.card)


def test_a_canary_is_served_to_a_share_and_taken_back_by_the_server(shop: Shop) -> None:
    """Guard metrics fall for the trial's conversations alone; nobody runs a command. A stream goes on."""
    former = shop.workspace.adapters.promoted("shop")
    assert former is not None
    new = another_adapter(shop)
    begin_canary(shop.workspace.adapters, "shop", new.version, 50, reason="trial")
    course = new_course("shop")
    keep(shop.home, course, phase="canary", version=new.version, before=former.version)
    shop.tries(new.version)
    answered: dict[str, set[str]] = {new.version[:12]: set(), former.version[:12]: set()}
    client = shop.site.client
    disliked = []
    while min(map(len, answered.values())) < 22:
        conversation = shop.site.conversation(client)
        versions = set()
        for number in range(2 if not any(answered.values()) else 1):
            run_id, version = shop.answered(client, conversation, str(number))
            versions.add(version)
            if version == new.version[:12]:
                disliked.append(run_id)
        assert len(versions) == 1, "a conversation keeps its adapter"
        assert chosen(conversation, new.version, 50) == (versions == {new.version[:12]})
        answered[versions.pop()].add(conversation)
    stays = next(iter(answered[new.version[:12]]))
    # Only now: on a slow machine the server would take the trial back before all have asked.
    for run_id in disliked:
        client.post(f"/v1/runs/{run_id}/feedback", json={"rating": "down"})
    under_way = client.post(f"/v1/conversations/{stays}/messages", json={"client_id": "x", "text": FORMER[0]})
    watching = shop.site.call(_started(shop))
    try:
        shop.tries(None)
    finally:
        shop.site.call(_ended(watching))
    ended = read_course(shop.home, "shop")
    assert ended is not None and ended.phase == "rolled back"
    assert "thumbs down" in ended.reasons[0]
    assert shop.workspace.adapters.promoted("shop") == former, "the others never noticed"
    assert shop.site.events(under_way.json()["run_id"])[-1]["type"] == "done"
    _, version = shop.answered(client, stays, "y")
    assert version == former.version[:12]


def test_an_owner_promotes_and_rolls_back_in_the_console_while_it_serves(shop: Shop) -> None:
    former = shop.workspace.adapters.promoted("shop")
    assert former is not None
    new = another_adapter(shop, 0.998)
    make_staff(shop.site, "olga", "owner")
    make_staff(shop.site, "rita", "reviewer")
    owner, reviewer = person(shop.site, "olga"), person(shop.site, "rita")
    wish = {"version": new.version, "reason": "it is better"}
    refused = owner.post("/console/adapters/shop/promote", **wish)
    assert refused.status_code == 409 and "gate" in refused.text, "nobody has judged it"
    shop.workspace.adapters.add_verdict(new, {"passed": True, "reasons": []})
    assert reviewer.post("/console/adapters/shop/promote", **wish).status_code == 403
    forged = owner.client.post("/console/adapters/shop/promote", data={**wish, "csrf": "guessed"})
    assert forged.status_code == 403
    assert shop.workspace.adapters.promoted("shop") == former
    page = owner.get("/console/adapters").text
    assert f'name="version" value="{new.version}"' in page, "the button is there"
    assert owner.post("/console/adapters/shop/promote", **wish).status_code == 303
    shop.serves(new.version)
    assert shop.answered(shop.site.client, shop.site.conversation(), "p")[1] == new.version[:12]
    assert reviewer.post("/console/adapters/shop/rollback").status_code == 403
    assert owner.post("/console/adapters/shop/rollback", reason="it was not").status_code == 303
    shop.serves(former.version)
    assert shop.answered(shop.site.client, shop.site.conversation(), "q")[1] == former.version[:12]
    page = owner.get("/console/adapters").text
    assert "it is better" in page and "it was not" in page
    entries = shop.site.call(shop.workspace.store.audit.entries(who="olga", most=2))
    assert {dict(one.data)["reason"] for one in entries} == {"it is better", "it was not"}


async def _started(shop: Shop) -> asyncio.Task[None]:
    return asyncio.create_task(watch(shop.workspace.store, shop.home, every=0.1))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
