"""Fixtures around a running server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.settings import Settings
from server_rig import FakeCatalog, FakeServed, FakeWorkspace, Site, serving
from tiny import write_pack


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    texts = {"greeting": "Hello from the shop!", "suggestions": ["When are you open?"]}
    return load_pack(write_pack(tmp_path_factory.mktemp("packs") / "shop", texts=texts))


@pytest.fixture
def make_workspace(tmp_path: Path, pack: Pack) -> Callable[..., FakeWorkspace]:
    def make(**settings: Any) -> FakeWorkspace:
        given = {"home": tmp_path / "home", "rate_limit_per_minute": 0, **settings}
        return FakeWorkspace(Settings(**given), FakeCatalog({"shop": FakeServed(pack)}))

    return make


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory, pack: Pack) -> Iterator[Site]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), rate_limit_per_minute=0)
    with serving(FakeWorkspace(settings, FakeCatalog({"shop": FakeServed(pack)}))) as running:
        yield running


@pytest.fixture
def site(shared_site: Site) -> Site:
    """One server for all tests; everything that a test could leave behind is made anew."""
    shared_site.workspace.reset()
    shared_site.client = shared_site.visitor()
    return shared_site
