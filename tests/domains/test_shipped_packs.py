"""The packs that ship: allowed, fresh, small, and tuned for the base that ships with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from senmon.adapters import AdapterStore, read_card, stale
from senmon.bases.catalog import resolve
from senmon.dataset.loading import load_dataset
from senmon.packs.loader import discover
from senmon.packs.pack import Pack
from senmon.packs.permission import Permissions
from senmon.rendering import prefix_digest
from senmon.tuning.recipe import recipe_digest

PACKS = discover([Path(__file__).parents[2] / "domains"]).all_or_raise()
MOST_ADAPTER_BYTES = 6_000_000


@pytest.fixture(params=PACKS, ids=lambda pack: pack.name)
def pack(request: pytest.FixtureRequest) -> Pack:
    found: Pack = request.param
    return found


def test_both_domains_ship() -> None:
    assert {pack.name for pack in PACKS} >= {"support", "tutor"}


def test_its_python_is_allowed_out_of_the_box(pack: Pack, tmp_path: Path) -> None:
    assert Permissions(tmp_path).state(pack) == "allowed"


def test_its_adapter_belongs_to_this_base(pack: Pack, tmp_path: Path) -> None:
    assert AdapterStore(tmp_path).release_obstacle(pack, resolve().digest) == ""


def test_its_adapter_is_fresh(pack: Pack, tmp_path: Path) -> None:
    adapter = AdapterStore(tmp_path).import_release(pack, resolve().digest)
    assert adapter is not None
    digests = (load_dataset(pack).digest, prefix_digest(pack), recipe_digest(pack.manifest.recipe))
    assert stale(adapter, *digests) == ()


def test_its_adapter_is_small_and_proved(pack: Pack) -> None:
    folder = pack.released_adapter
    assert sum(path.stat().st_size for path in folder.rglob("*")) <= MOST_ADAPTER_BYTES
    assert read_card(folder).pack == pack.name
    assert "gate" in (folder / "README.md").read_text(encoding="utf-8").lower()
