"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from secret_watch import nothing_secret
from senmon.bases.catalog import BaseFiles
from tiny import make_tiny_base, write_pack

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in the browser come last: Playwright leaves an event loop running in its worker's thread, where
    nobody else could start one."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session", autouse=True)
def _no_secret_is_logged() -> Iterator[None]:
    """Whatever the tests of this process made senmon log: no token, key or secret of anybody is in it."""
    yield from nothing_secret()


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseFiles:
    """A random two-layer base with the embedded tokenizer."""
    return make_tiny_base(tmp_path_factory.mktemp("tiny-base"))


@pytest.fixture
def pack_folder(tmp_path: Path) -> Callable[..., Path]:
    """`pack_folder("shop", **overrides)` writes a small valid pack and returns its folder."""

    def make(name: str = "shop", **overrides: Any) -> Path:
        return write_pack(tmp_path / "packs" / name, **overrides)

    return make


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data; skips, saying so, without SENMON_TEST_DATA."""
    named = os.environ.get("SENMON_TEST_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("real data is not here: set SENMON_TEST_DATA to its folder")
    return Path(named)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all rooms: there can't be two at once in a thread."""
    chromium = shutil.which("chromium")
    if chromium is None:
        why = "Chromium is not here, so no page is tried: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox refuses to work for root.
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        yield started
        started.close()
