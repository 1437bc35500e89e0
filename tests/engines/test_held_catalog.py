"""The workspace brings adapters to an engine elsewhere before it serves them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from senmon import workspace as workspace_module
from senmon.adapters import Adapter
from senmon.assistant import Catalog
from senmon.engines.openai import OpenAIEngine
from senmon.engines.openai_tokens import TokenEngine
from senmon.engines.protocol import Chunk, GenerateRequest, Holds
from senmon.errors import AdapterError, ConfigError
from senmon.settings import Settings
from senmon.workspace import Workspace


class Elsewhere:
    """Counts what it was given; refuses it while `refuses`."""

    base_digest = "d" * 64

    def __init__(self) -> None:
        self.refuses = False
        self.held = 0

    async def hold(self, adapters: Iterable[Adapter]) -> None:
        if self.refuses:
            raise AdapterError("rank 64 is greater than 16", remedy="start it with more")
        self.held += 1

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        yield Chunk(finish="stop")

    async def close(self) -> None:
        """Nothing is open."""


class ShelfOfNow:
    def __init__(self) -> None:
        self.stamped = 0

    def stamp(self) -> int:
        return self.stamped

    def build(self) -> Catalog:
        return Catalog(problems=(f"stamp {self.stamped}",))


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    workspace = Workspace(Settings(home=tmp_path, packs=(tmp_path,)))
    workspace.catalog = Catalog()
    return workspace


async def test_what_the_engine_refuses_at_the_start_is_a_shown_problem(here: Workspace) -> None:
    engine = Elsewhere()
    engine.refuses = True
    here._engine = engine
    await here._hold_at_start()
    assert any("rank 64" in problem for problem in here.catalog.problems)


async def test_a_catalog_is_switched_only_when_the_engine_holds_it(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace_module, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(workspace_module, "HOLD_SECONDS", 0.01)
    engine, shelf = Elsewhere(), ShelfOfNow()
    here._engine, here.shelf, here.encoder = engine, shelf, None  # type: ignore[assignment]
    watcher = asyncio.create_task(here._watch())
    await asyncio.sleep(0.05)
    engine.refuses, shelf.stamped = True, 1
    await asyncio.sleep(0.1)
    assert (here.catalog.problems, engine.held) == ((), 0)
    engine.refuses = False
    async with asyncio.timeout(5):
        while not here.catalog.problems:
            await asyncio.sleep(0.01)
    assert (here.catalog.problems, engine.held) == (("stamp 1",), 1)
    watcher.cancel()
    with suppress(asyncio.CancelledError):
        await watcher


@pytest.mark.parametrize(("way", "kind"), [("given", OpenAIEngine), ("load", TokenEngine)])
async def test_the_settings_choose_the_engine(tmp_path: Path, way: str, kind: type) -> None:
    urls = "http://a:8001, http://b:8001/v1, http://a:8001"
    settings = Settings.load(
        home=tmp_path, engine="openai", engine_url=urls, engine_lora=way, engine_streams=3
    )
    engine = Workspace(settings).engine()
    assert isinstance(engine, kind) and isinstance(engine, Holds)
    assert [replica.name for replica in engine.fleet.replicas] == ["a:8001", "b:8001"]  # type: ignore[attr-defined]
    await engine.close()


def test_an_engine_elsewhere_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SENMON_ENGINE_URL"):
        Workspace(Settings(home=tmp_path, engine="openai")).engine()
