"""Fixtures of the engines: adapters, engines that are closed again, the reference."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from enginekit import Reference, tool, write_adapter
from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles, load_tokenizer
from senmon.engines.local import LocalEngine
from senmon.packs.manifest import ActionSpec
from senmon.rendering import Renderer


@pytest.fixture(scope="session")
def adapters(tiny_base: BaseFiles, tmp_path_factory: pytest.TempPathFactory) -> tuple[Adapter, ...]:
    """Three that differ in rank, scale and targets."""
    home = tmp_path_factory.mktemp("adapters")
    return (
        write_adapter(tiny_base, home / "a", "alpha", seed=1),
        write_adapter(tiny_base, home / "b", "beta", seed=2, r=8, use_rslora=True, lora_alpha=6.0),
        write_adapter(tiny_base, home / "c", "gamma", seed=3, r=2, target_modules=["q_proj", "v_proj"]),
    )


@pytest.fixture(scope="session")
def renderer(tiny_base: BaseFiles) -> Renderer:
    return Renderer(load_tokenizer(tiny_base))


@pytest.fixture
async def make_engine(tiny_base: BaseFiles) -> AsyncIterator[Callable[..., LocalEngine]]:
    made: list[LocalEngine] = []

    def make(base: BaseFiles = tiny_base, **options: Any) -> LocalEngine:
        made.append(LocalEngine(base, **{"threads": 1, "slots": 8, **options}))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


@pytest.fixture(scope="session")
def reference(tiny_base: BaseFiles, adapters: tuple[Adapter, ...], renderer: Renderer) -> Reference:
    return Reference(tiny_base, adapters, renderer)


@pytest.fixture
def order_tool() -> ActionSpec:
    properties = {"order_id": {"type": "string"}, "detail": {"enum": ["short", "long"]}}
    schema = {"type": "object", "properties": properties, "required": ["order_id"]}
    spec: ActionSpec = tool("order_status", schema)
    return spec
