"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from senmon.bases.catalog import BaseFiles
from tiny import make_tiny_base, write_pack


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
