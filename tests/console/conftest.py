"""One server for all tests of the console, with an account of each role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from console_rig import Person, make_staff, person
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.settings import Settings
from senmon.store.staff import ROLES
from server_rig import FakeCatalog, FakeServed, FakeWorkspace, Site, serving
from tiny import write_pack
from widget_rig import WidgetAssistant


class ConsoleWorkspace(FakeWorkspace):
    """With what the console's other pages need."""

    encoder = None

    def base_for(self, pack: Pack) -> SimpleNamespace:
        return SimpleNamespace(digest="0" * 64)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("packs")
    packs = {
        "shop": FakeServed(load_pack(write_pack(folder / "shop", persona={"name": "Tilly"}))),
        "garden": FakeServed(load_pack(write_pack(folder / "garden", title="Garden"))),
    }
    settings = Settings(home=tmp_path_factory.mktemp("home"), rate_limit_per_minute=0, demo=True)
    with serving(ConsoleWorkspace(settings, FakeCatalog(packs))) as site:
        for role in ROLES:
            make_staff(site, role, role)
        yield site


@pytest.fixture
def site(running: Site) -> Site:
    running.workspace.reset()
    running.workspace.assistant = WidgetAssistant()
    running.client = running.visitor()
    return running


@pytest.fixture(scope="session")
def signed(running: Site) -> Callable[[str], Person]:
    """Each role signs in once."""
    known: dict[str, Person] = {}

    def find(role: str) -> Person:
        if role not in known:
            known[role] = person(running, role)
        return known[role]

    return find
