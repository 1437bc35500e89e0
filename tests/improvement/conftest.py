"""Stored conversations as a server leaves them, without one."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from senmon.improvement.deciding import Desk
from senmon.messages import Event, Identity, Message
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.rendering import context_message, fill_references, flatten_facts
from senmon.store.store import Store
from tiny import write_pack


@dataclass
class Stage:
    """A store, a pack, and visitors who talk."""

    store: Store
    folder: Path
    home: Path
    numbers: Any = field(default_factory=itertools.count)

    @property
    def pack(self) -> Pack:
        return load_pack(self.folder)

    def desk(self, reviewer: str = "Ann") -> Desk:
        def find(name: str) -> Pack:
            assert name == self.folder.name, name
            return self.pack

        return Desk(self.store, self.home, find, reviewer)

    async def conversation(self, **prechat: str) -> str:
        visitor = Identity("local", f"visitor-{next(self.numbers)}")
        made = await self.store.create_conversation(visitor, prechat=prechat or None)
        return made.id

    async def turn(
        self,
        text: str,
        reply: str,
        *,
        conversation: str = "",
        articles: tuple[str, ...] = (),
        pack: str | None = "shop",
        intent: str = "hours",
        margin: float = 0.6,
        adapter: str | None = None,
        extra: tuple[Event, ...] = (),
        error: bool = False,
        confidence: float | None = None,
    ) -> str:
        """One exchange; the id of its run. `reply` is what the model wrote."""
        conversation = conversation or await self.conversation()
        opening = Event("run", {}, {"messages": [Message("user", text).to_json()]})
        run = await self.store.start_run(conversation, str(next(self.numbers)), text, opening=opening)
        known = {article.id: article.passage() for article in self.pack.articles}
        passages = [known[name] for name in articles]
        scores = {"shop": 0.3}
        route = {"pack": pack, "score": 0.8, "margin": margin, "intent": intent, "scores": scores}
        events = [Event("route", route)]
        context = context_message(passages, likely=("reply hours",))
        facts = flatten_facts({}, passages)
        if passages and context:
            private = {"messages": [context.to_json()], "facts": facts}
            events.append(Event("passages", {"items": [one.to_json() for one in passages]}, private))
        said, _ = fill_references(reply, facts)
        events += [*extra, Event("delta", {"text": said}, {"raw": reply})]
        provenance = {"pack": "shop@0.1.0", "adapter": adapter, "confidence": confidence}
        end = {"text": said, "provenance": provenance}
        events.append(Event("error", {"code": "internal"}) if error else Event("done", end))
        for event in events:
            await self.store.append(run.id, event)
        await self.store.finish_run(run.id, "failed" if error else "done")
        return run.id

    async def thumb(self, run: str, *, up: bool = False, reason: str = "", correction: str = "") -> None:
        rating = "up" if up else "down"
        await self.store.opinions.give(run, "visitor", rating, reason, correction)  # type: ignore[arg-type]


@pytest.fixture
def make_pack(tmp_path: Path) -> Callable[..., Path]:
    return lambda **overrides: write_pack(tmp_path / "packs" / "shop", **overrides)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once: that takes longer than most tests."""

    async def make() -> None:
        await (await Store.open(path)).close()

    path = tmp_path_factory.mktemp("database") / "senmon.db"
    asyncio.run(make())
    return path


@pytest.fixture
async def stage(tmp_path: Path, make_pack: Callable[..., Path], empty_database: Path) -> AsyncIterator[Stage]:
    shutil.copyfile(empty_database, tmp_path / "senmon.db")
    store = await Store.open(tmp_path / "senmon.db", serving=False)
    yield Stage(store, make_pack(), tmp_path / "home")
    await store.close()


@pytest.fixture
def stage_of() -> Callable[[Store, Path, Path], Stage]:
    return Stage
