"""What comes with a pack is used when it fits, and never wins over what was chosen here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from senmon.adapters import AdapterCard, AdapterStore
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack

BASE, OTHER = "b" * 64, "c" * 64


@pytest.fixture
def pack(pack_folder: Callable[..., Path]) -> Pack:
    return load_pack(pack_folder("shop"))


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "home")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """A published adapter in a store of its own: what a release is copied from."""

    def publish(seed: int, store: AdapterStore | None = None, base: str = BASE) -> Any:
        source = tmp_path / f"source-{seed}"
        source.mkdir(exist_ok=True)
        weights = {"base_model.model.q_proj.lora_A.weight": np.full((2, 4), seed, "float32")}
        save_file(weights, source / "adapter_model.safetensors")
        config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
        (source / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
        card = AdapterCard(pack="shop", base_digest=base, rank=2, alpha=4, target_modules=("q_proj",))
        return (store or AdapterStore(tmp_path / "author")).publish(source, card)

    return publish


def release(pack: Pack, adapter: Any) -> None:
    shutil.rmtree(pack.released_adapter, ignore_errors=True)
    shutil.copytree(adapter.path, pack.released_adapter)


def test_a_release_is_imported_and_promoted_once(
    pack: Pack, store: AdapterStore, make: Callable[..., Any]
) -> None:
    assert store.import_release(pack, BASE) is None
    assert "no released adapter" in store.release_obstacle(pack, BASE)
    first = make(1)
    release(pack, first)
    imported = store.import_release(pack, BASE)
    assert imported is not None
    assert imported.version == first.version
    assert imported.card.origin == "release"
    assert store.promoted("shop") == imported
    stamp = store.stamp()
    assert store.import_release(pack, BASE) == imported
    assert store.stamp() == stamp
    assert len(store.history("shop")) == 1


def test_a_newer_release_replaces_an_older_one(
    pack: Pack, store: AdapterStore, make: Callable[..., Any]
) -> None:
    for seed in (1, 2):
        release(pack, make(seed))
        store.import_release(pack, BASE)
    promoted = store.promoted("shop")
    assert promoted is not None
    assert promoted.version == make(2).version


def test_a_local_promotion_wins(pack: Pack, store: AdapterStore, make: Callable[..., Any]) -> None:
    local = make(3, store)
    store.promote("shop", local.version, reason="tuned here")
    release(pack, make(4))
    imported = store.import_release(pack, BASE)
    assert imported is not None
    assert store.promoted("shop") == local
    assert imported in store.list("shop"), "it is there to be promoted by hand"


def test_a_release_that_was_rolled_back_stays_back(
    pack: Pack, store: AdapterStore, make: Callable[..., Any]
) -> None:
    release(pack, make(1))
    store.import_release(pack, BASE)
    assert store.rollback("shop", reason="it swears") is None
    store.import_release(pack, BASE)
    assert store.promoted("shop") is None


def test_a_release_for_another_base_is_left_alone(
    pack: Pack, store: AdapterStore, make: Callable[..., Any]
) -> None:
    release(pack, make(1, base=OTHER))
    assert store.import_release(pack, BASE) is None
    assert "this base is bbbb" in store.release_obstacle(pack, BASE)
    assert store.list("shop") == ()


def test_a_fitting_release_wins_over_an_adapter_of_another_base(
    pack: Pack, store: AdapterStore, make: Callable[..., Any]
) -> None:
    local = make(3, store, OTHER)
    store.promote("shop", local.version, reason="for the former base")
    release(pack, make(1))
    store.import_release(pack, BASE)
    promoted = store.promoted("shop")
    assert promoted is not None
    assert promoted.card.base_digest == BASE


def test_a_tampered_release_is_refused(pack: Pack, store: AdapterStore, make: Callable[..., Any]) -> None:
    release(pack, make(1))
    weights = pack.released_adapter / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert store.import_release(pack, BASE) is None
    assert "adapter_model.safetensors changed" in store.release_obstacle(pack, BASE)


def test_a_release_of_another_pack_is_refused(
    pack: Pack, store: AdapterStore, make: Callable[..., Any], pack_folder: Callable[..., Path]
) -> None:
    other = load_pack(pack_folder("kiosk"))
    release(other, make(1))
    assert store.import_release(other, BASE) is None
    assert "released for pack shop" in store.release_obstacle(other, BASE)
