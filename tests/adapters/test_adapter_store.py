"""Versions are immutable, complete or absent; promotions are recorded and can be undone."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from senmon.adapters import AdapterCard, AdapterStore, durable, stale
from senmon.adapters.store import README
from senmon.errors import AdapterCorrupt, AdapterError, AdapterMismatch, AdapterNotFound

BASE = "b" * 64


def peft_folder(path: Path, *, seed: int = 0, **config: Any) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(seed)
    stem = "base_model.model.model.layers.0.self_attn.q_proj"
    weights = {
        f"{stem}.lora_A.weight": numbers.normal(size=(4, 8)).astype("float32"),
        f"{stem}.lora_B.weight": numbers.normal(size=(8, 4)).astype("float32"),
    }
    save_file(weights, path / "adapter_model.safetensors")
    written = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 4,
        "lora_alpha": 8,
        "use_rslora": True,
        "bias": "none",
        "target_modules": ["v_proj", "q_proj"],
        "base_model_name_or_path": str(path / "somewhere"),
        **config,
    }
    (path / "adapter_config.json").write_text(json.dumps(written), encoding="utf-8")
    return path


def card(pack: str = "shop", **fields: Any) -> AdapterCard:
    known: dict[str, Any] = {
        "pack": pack,
        "base_digest": BASE,
        "rank": 4,
        "alpha": 8,
        "rslora": True,
        "target_modules": ("q_proj",),
        "dataset_digest": "d" * 64,
        "prefix_digest": "p" * 64,
        "recipe_digest": "r" * 64,
        "licence": "CC-BY-4.0",
        "language": ("en",),
        "metrics": {"valid_loss": 1.25, "seconds": 9.0},
    }
    return AdapterCard(**{**known, **fields})


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "home")


@pytest.fixture
def publish(store: AdapterStore, tmp_path: Path) -> Callable[..., Any]:
    def make(seed: int, **fields: Any) -> Any:
        return store.publish(peft_folder(tmp_path / f"candidate-{seed}", seed=seed), card(**fields))

    return make


def test_publishes_a_complete_folder(store: AdapterStore, tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    (tokenizer / "model.safetensors").write_bytes(b"not for adapters")
    adapter = store.publish(peft_folder(tmp_path / "candidate"), card(), tokenizer=tokenizer)
    assert {path.name for path in adapter.path.iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "chat_template.jinja",
        "senmon.json",
        "README.md",
    }
    assert adapter.path.name == adapter.version
    config = json.loads((adapter.path / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["target_modules"] == ["q_proj", "v_proj"]
    assert config["base_model_name_or_path"] == "embedded"
    assert config["revision"] is None
    assert adapter.card.target_modules == ("q_proj", "v_proj")
    store.verify(adapter)
    assert store.list("shop") == (adapter,)
    assert store.get("shop", adapter.version[:8].upper()) == adapter


def test_the_readme_is_a_model_card(publish: Callable[..., Any]) -> None:
    adapter = publish(0)
    text = (adapter.path / README).read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["base_model"] == "embedded"
    assert head["base_model_relation"] == "adapter"
    assert head["library_name"] == "peft"
    assert head["license"] == "cc-by-4.0"
    assert head["language"] == ["en"]
    metrics = head["model-index"][0]["results"][0]["metrics"]
    assert metrics == [{"type": "valid_loss", "name": "valid_loss", "value": 1.25}]


def test_nothing_names_a_folder_of_this_machine(store: AdapterStore, tmp_path: Path) -> None:
    base = str(tmp_path / "bases" / "mine")
    adapter = store.publish(peft_folder(tmp_path / "a"), card(base=base, recipe={"base": base}))
    assert adapter.card.base == adapter.card.recipe["base"] == "mine"
    for name in ("adapter_config.json", "senmon.json", "README.md"):
        assert str(tmp_path) not in (adapter.path / name).read_text(encoding="utf-8")


def test_the_same_content_is_one_version(store: AdapterStore, tmp_path: Path) -> None:
    first = store.publish(peft_folder(tmp_path / "a", target_modules=["q_proj", "v_proj"]), card())
    again = store.publish(peft_folder(tmp_path / "b", target_modules=["v_proj", "q_proj"]), card())
    assert first == again
    other = store.publish(peft_folder(tmp_path / "c", seed=1), card())
    assert other.version != first.version
    assert len(store.list("shop")) == 2


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "README.md"])
def test_tampering_is_found_and_named(store: AdapterStore, publish: Callable[..., Any], name: str) -> None:
    adapter = publish(0)
    data = bytearray((adapter.path / name).read_bytes())
    if name == "adapter_config.json":
        data = bytearray(data.replace(b'"r": 4', b'"r": 5'))
    else:
        data[-1] ^= 1
    (adapter.path / name).write_bytes(data)
    with pytest.raises(AdapterCorrupt, match=name):
        store.verify(adapter)
    with pytest.raises(AdapterCorrupt, match="rollback shop"):
        store.promote("shop", adapter.version, reason="test")


def test_publishing_again_heals_a_damaged_version(store: AdapterStore, publish: Callable[..., Any]) -> None:
    adapter = publish(0)
    (adapter.path / "adapter_model.safetensors").write_bytes(b"cut")
    assert publish(0) == adapter
    store.verify(adapter)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"bias": "all"}, "bias"),
        ({"r": 0}, "rank"),
    ],
)
def test_refuses_other_methods(store: AdapterStore, tmp_path: Path, config: dict[str, Any], why: str) -> None:
    with pytest.raises(AdapterError, match=why):
        store.publish(peft_folder(tmp_path / "candidate", **config), card())
    assert store.list("shop") == ()


def test_refuses_pickles_and_foreign_tensors(store: AdapterStore, tmp_path: Path) -> None:
    folder = peft_folder(tmp_path / "pickled")
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(AdapterError, match="pickled"):
        store.publish(folder, card())
    folder = peft_folder(tmp_path / "whole")
    save_file(
        {"model.embed_tokens.weight": np.zeros((2, 2), "float32")}, folder / "adapter_model.safetensors"
    )
    with pytest.raises(AdapterCorrupt, match="not a LoRA factor"):
        store.publish(folder, card())
    folder = peft_folder(tmp_path / "cut")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(AdapterCorrupt, match="cut short"):
        store.publish(folder, card())
    folder = peft_folder(tmp_path / "linked")
    (folder / "adapter_model.safetensors").rename(folder / "elsewhere")
    (folder / "adapter_model.safetensors").symlink_to(folder / "elsewhere")
    with pytest.raises(AdapterCorrupt, match="regular file"):
        store.publish(folder, card())


def steps(call: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, fail_at: int) -> int:
    """Runs `call` with the disk full at its n-th write step; returns how many steps it got to."""
    count = 0

    def step(real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == fail_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **named)

        return run

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", step(os.replace))
        patched.setattr(os, "fsync", step(os.fsync))
        patched.setattr(shutil, "copyfile", step(shutil.copyfile))
        call()
    return count


def test_a_full_disk_at_any_step_leaves_nothing_half_written(
    store: AdapterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = peft_folder(tmp_path / "candidate")
    total = steps(lambda: AdapterStore(tmp_path / "other").publish(folder, card()), monkeypatch, -1)
    assert total > 8
    for at in range(1, total + 1):
        with pytest.raises(AdapterError, match="free disk space"):
            steps(lambda: store.publish(folder, card()), monkeypatch, at)
        for adapter in store.list("shop"):
            assert at == total, f"step {at} left a version before it was durable"
            store.verify(adapter)
        assert not list((store.folder / "shop").glob(".tmp-*"))
    store.verify(store.publish(folder, card()))


def test_left_overs_of_a_kill_are_ignored_and_swept(store: AdapterStore, publish: Callable[..., Any]) -> None:
    root = store.folder / "shop"
    fresh, old = root / ".tmp-1-aaaa", root / ".tmp-1-bbbb"
    for folder in (fresh, old):
        peft_folder(folder)
    hours_ago = time.time() - 2 * durable.SWEEP_SECONDS
    os.utime(old, (hours_ago, hours_ago))
    assert store.list("shop") == ()
    adapter = publish(0)
    assert fresh.exists()
    assert not old.exists()
    assert store.list("shop") == (adapter,)


def test_promotion_history_and_rollback(store: AdapterStore, publish: Callable[..., Any]) -> None:
    first, second = publish(1), publish(2)
    assert store.promoted("shop") is None
    stamps = [store.stamp()]
    for version in (first.version, second.version, second.version):
        store.promote("shop", version, reason="better", base_digest=BASE)
        stamps.append(store.stamp())
    assert stamps[0] != stamps[1] != stamps[2]
    assert stamps[2] == stamps[3], "promoting what is promoted changes nothing"
    assert store.promoted("shop") == second
    assert store.rollback("shop", reason="complaints") == first
    assert store.promoted("shop") == first
    assert store.rollback("shop") is None
    assert store.promoted("shop") is None
    with pytest.raises(AdapterNotFound, match="nothing is promoted"):
        store.rollback("shop")
    events = [(record["event"], record["version"], record["reason"]) for record in store.history("shop")]
    assert events == [
        ("promote", first.version, "better"),
        ("promote", second.version, "better"),
        ("rollback", first.version, "complaints"),
        ("rollback", None, "asked for"),
    ]
    assert all(record["time"] for record in store.history("shop"))


def test_rollback_passes_over_a_damaged_version(store: AdapterStore, publish: Callable[..., Any]) -> None:
    adapters = [publish(seed) for seed in (1, 2, 3)]
    for adapter in adapters:
        store.promote("shop", adapter.version, reason="test")
    (adapters[1].path / "adapter_model.safetensors").write_bytes(b"cut")
    assert store.rollback("shop") == adapters[0]
    assert "passed over" in store.history("shop")[-1]["reason"]


def test_another_base_is_refused(store: AdapterStore, publish: Callable[..., Any]) -> None:
    adapter = publish(1)
    with pytest.raises(AdapterMismatch, match="tuned for base embedded"):
        store.promote("shop", adapter.version, reason="test", base_digest="c" * 64)
    assert store.promoted("shop") is None


def test_a_kill_during_promotion_keeps_the_old_one(
    store: AdapterStore, publish: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = publish(1), publish(2)
    store.promote("shop", first.version, reason="test")
    for at in (1, 2, 3):
        with pytest.raises(OSError, match="space"):
            steps(lambda: store.promote("shop", second.version, reason="test"), monkeypatch, at)
        assert store.promoted("shop") == first
    store.promote("shop", second.version, reason="test")
    assert store.promoted("shop") == second


def test_a_torn_history_line_is_skipped(store: AdapterStore, publish: Callable[..., Any]) -> None:
    first, second = publish(1), publish(2)
    store.promote("shop", first.version, reason="test")
    with (store.folder / "shop" / "history.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"event": "prom')
    store.promote("shop", second.version, reason="after the kill")
    assert [record["version"] for record in store.history("shop")] == [first.version, second.version]


def test_names_and_versions_from_outside_stay_inside(
    store: AdapterStore, publish: Callable[..., Any]
) -> None:
    publish(1)
    for pack in ("../shop", "", "Shop", "a/b"):
        with pytest.raises(AdapterNotFound):
            store.get(pack, "abcd")
    for version in ("..", "", "*", "zz", "a"):
        with pytest.raises(AdapterNotFound, match="give one of"):
            store.get("shop", version)
    with pytest.raises(AdapterNotFound, match="senmon tune other"):
        store.get("other", "abcd")


def test_verdicts_lie_beside_the_version(store: AdapterStore, publish: Callable[..., Any]) -> None:
    adapter = publish(1)
    before = sorted(path.name for path in adapter.path.iterdir())
    store.add_verdict(adapter, {"passed": False})
    store.add_verdict(adapter, {"passed": True})
    assert [verdict["passed"] for verdict in store.verdicts(adapter)] == [False, True]
    assert sorted(path.name for path in adapter.path.iterdir()) == before
    store.verify(adapter)


def test_stale_names_what_changed(publish: Callable[..., Any]) -> None:
    adapter = publish(1)
    assert stale(adapter, "d" * 64, "p" * 64, "r" * 64) == ()
    assert stale(adapter) == ()
    reasons = stale(adapter, "x", "y", "z")
    assert [word for word in ("dataset", "prompt", "recipe") if word not in " ".join(reasons)] == []
