"""The whole life of an adapter on a tiny base: tuned, judged, promoted, refused, released, imported."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from senmon.adapters import Adapter, AdapterStore, read_card
from senmon.bases.catalog import BaseFiles
from senmon.dataset.loading import load_dataset
from senmon.engines.local import LocalEngine
from senmon.engines.protocol import Engine
from senmon.errors import AdapterError, AdapterMismatch, AdapterNotFound, ConfigError, GateFailed
from senmon.lifecycle import TuneResult, gate, promote, release, rollback, runs, tune_pack
from senmon.lifecycle.overrides import overridden
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.tuning.progress import TuneProgress
from tiny import write_pack

RECIPE = ["budget=full", "epochs=8", "learning_rate=5e-3", "evaluations=2"]


@dataclass(frozen=True)
class Tuned:
    home: Path
    pack: Pack
    base: BaseFiles
    store: AdapterStore
    result: TuneResult
    progress: tuple[TuneProgress, ...]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_base: BaseFiles) -> Tuned:
    root = tmp_path_factory.mktemp("life")
    pack = load_pack(write_pack(root / "packs" / "shop", data={"valid_percent": 20}))
    home, progress = root / "home", list[TuneProgress]()
    store = AdapterStore(home)

    async def run() -> TuneResult:
        engines: list[LocalEngine] = []

        def engine() -> LocalEngine:
            engines.append(LocalEngine(tiny_base, slots=8, threads=1))
            return engines[-1]

        try:
            return await tune_pack(
                pack,
                store=store,
                base=tiny_base,
                home=home,
                engine=engine,
                recipe=overridden(pack.manifest.recipe, RECIPE),
                on_progress=progress.append,
            )
        finally:
            for made in engines:
                await made.close()

    return Tuned(home, pack, tiny_base, store, asyncio.run(run()), tuple(progress))


def bad_adapter(tuned: Tuned, folder: Path) -> Adapter:
    """Random weights in the shape of the good ones."""
    good = tuned.result.adapter
    shutil.copytree(good.path, folder)
    numbers = np.random.default_rng(0)
    weights = load_file(folder / "adapter_model.safetensors")
    random = {name: numbers.normal(0, 0.2, size=t.shape).astype(t.dtype) for name, t in weights.items()}
    save_file(random, folder / "adapter_model.safetensors")
    return tuned.store.publish(folder, good.card)


def test_a_good_adapter_passes_and_is_promoted(tuned: Tuned) -> None:
    result = tuned.result
    assert result.verdict.passed, result.verdict.reasons
    assert result.promoted
    assert tuned.store.promoted("shop") == result.adapter
    assert tuned.store.history("shop")[-1]["reason"] == "passed the quick gate"
    tuned.store.verify(result.adapter)
    (verdict,) = tuned.store.verdicts(result.adapter)
    assert verdict["passed"]
    assert verdict["comparisons"][0]["difference"]["high"] < 0
    names = {path.name for path in result.adapter.path.iterdir()}
    assert {"tokenizer.json", "chat_template.jinja", "curve.png", "README.md"} <= names
    assert "](curve.png)" in (result.adapter.path / "README.md").read_text(encoding="utf-8")


def test_the_run_tells_its_story(tuned: Tuned) -> None:
    (run,) = runs(tuned.home, "shop")
    assert (run.phase, run.passed, run.promoted, run.error) == ("done", True, True, "")
    assert run.version == tuned.result.adapter.version
    assert run.finished
    assert {path.name for path in tuned.result.folder.iterdir()} == {
        "progress.json",
        "eval.json",
        "eval.md",
        "eval.html",
        "curve.json",
        "curve.png",
        "tensorboard",
    }
    assert json.loads((tuned.result.folder / "curve.json").read_text(encoding="utf-8"))["train"]
    assert any(step.phase == "train" and step.loss for step in tuned.progress)
    assert not (tuned.home / "runs" / "shop" / "work").exists()


async def test_a_bad_adapter_fails_the_gate(tuned: Tuned, tmp_path: Path) -> None:
    bad = bad_adapter(tuned, tmp_path / "bad")
    engine = LocalEngine(tuned.base, slots=8, threads=1)
    try:
        promoted = tuned.store.promoted("shop")
        verdict = await gate(
            tuned.pack, load_dataset(tuned.pack), bad, promoted, engine=engine, base=tuned.base, seconds=5
        )
    finally:
        await engine.close()
    assert not verdict.passed
    assert "held-out loss against the base" in verdict.reasons[0]
    assert any("regressed against the promoted" in reason for reason in verdict.reasons)
    assert set(verdict.metrics) == {"base", "promoted", "candidate"}
    with pytest.raises(GateFailed, match="never judged"):
        promote(tuned.store, "shop", bad.version, base_digest=tuned.base.digest)
    tuned.store.add_verdict(bad, verdict.summary())
    with pytest.raises(GateFailed, match="held-out loss"):
        promote(tuned.store, "shop", bad.version, base_digest=tuned.base.digest)
    assert tuned.store.promoted("shop") == promoted
    promote(tuned.store, "shop", bad.version, base_digest=tuned.base.digest, force=True)
    assert tuned.store.history("shop")[-1]["reason"] == "promoted by hand against the gate"
    assert rollback(tuned.store, "shop") == promoted


async def test_release_and_import(tuned: Tuned, tmp_path: Path) -> None:
    digest = tuned.pack.digest
    engine = LocalEngine(tuned.base, slots=8, threads=1)
    try:
        path, verdict = await release(tuned.pack, store=tuned.store, base=tuned.base, engine=engine)
    finally:
        await engine.close()
    assert verdict.passed
    assert path == tuned.pack.path / "adapter"
    card = read_card(path)
    assert card.origin == "release"
    text = (path / "README.md").read_text(encoding="utf-8")
    assert "The full gate **passed**" in text
    assert "| loss |" in text
    assert "](curve.png)" in text
    measured = yaml.safe_load(text.split("---\n")[1])["model-index"][0]["results"][0]["metrics"]
    assert {"loss", "faultless", "action"} <= {metric["type"] for metric in measured}
    assert str(tuned.home) not in text
    assert str(tuned.base.path.parent) not in (path / "adapter_config.json").read_text(encoding="utf-8")
    assert {item.name for item in tuned.pack.path.parent.iterdir()} == {"shop"}, "no temporary folder is left"
    again = load_pack(tuned.pack.path)
    assert again.digest == digest, "a pack's digest excludes its adapter"
    elsewhere = AdapterStore(tmp_path / "elsewhere")
    imported = elsewhere.import_release(again, tuned.base.digest)
    assert imported is not None
    assert imported.version == tuned.result.adapter.version
    assert elsewhere.promoted("shop") == imported
    elsewhere.verify(imported)


async def test_what_can_not_be_released(
    tuned: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalEngine(tuned.base, slots=8, threads=1)
    bad = bad_adapter(tuned, tmp_path / "bad")
    before = sorted(path.name for path in tuned.pack.path.rglob("*"))

    async def attempt(version: str | None = None, base: BaseFiles = tuned.base) -> None:
        await release(tuned.pack, store=tuned.store, base=base, engine=engine, version=version, mode="quick")

    try:
        with pytest.raises(GateFailed, match="may not be released"):
            await attempt(bad.version)
        with pytest.raises(AdapterMismatch):
            await attempt(base=BaseFiles("other", None, tuned.base.path, "0" * 64))
        with pytest.raises(AdapterNotFound, match="nothing is promoted"):
            await release(tuned.pack, store=AdapterStore(tmp_path / "empty"), base=tuned.base, engine=engine)
        monkeypatch.setattr("senmon.lifecycle.releasing.RELEASE_BYTES", 101_000)
        with pytest.raises(AdapterError, match=r"a release may have 0 MB.*lower recipe\.lora\.rank"):
            await attempt()
    finally:
        await engine.close()
    assert sorted(path.name for path in tuned.pack.path.rglob("*")) == before


async def test_cancelling_stops_the_tuning_and_keeps_a_checkpoint(tuned: Tuned, tmp_path: Path) -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def follow(progress: TuneProgress) -> None:
        if progress.phase == "train":
            loop.call_soon_threadsafe(started.set)

    task = asyncio.create_task(
        tune_pack(
            tuned.pack,
            store=AdapterStore(tmp_path),
            base=tuned.base,
            home=tmp_path,
            engine=lambda: pytest.fail("the gate was reached"),
            recipe=overridden(tuned.pack.manifest.recipe, ["budget=full", "epochs=1000"]),
            on_progress=follow,
        )
    )
    await asyncio.wait_for(started.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 30)
    assert list((tmp_path / "runs" / "shop" / "work" / "checkpoint").iterdir())
    (run,) = runs(tmp_path, "shop")
    state = json.loads((tmp_path / "runs" / "shop" / run.id / "progress.json").read_text(encoding="utf-8"))
    assert state["phase"] == "failed"
    assert state["error"] == "stopped"


async def test_an_interrupted_gate_is_gone_on_with(tuned: Tuned, tmp_path: Path) -> None:
    """The tuned candidate waits for its verdict: the next run trains nothing."""
    store = AdapterStore(tmp_path)
    seen: list[TuneProgress] = []

    def stopped() -> LocalEngine:
        raise asyncio.CancelledError

    async def attempt(engine: Callable[[], Engine]) -> TuneResult:
        return await tune_pack(
            tuned.pack,
            store=store,
            base=tuned.base,
            home=tmp_path,
            engine=engine,
            recipe=overridden(tuned.pack.manifest.recipe, RECIPE),
            on_progress=seen.append,
        )

    with pytest.raises(asyncio.CancelledError):
        await attempt(stopped)
    assert any(progress.phase == "train" for progress in seen)
    assert store.promoted("shop") is None
    seen.clear()
    engine = LocalEngine(tuned.base, slots=8, threads=1)
    try:
        result = await attempt(lambda: engine)
    finally:
        await engine.close()
    assert not any(progress.phase == "train" for progress in seen)
    assert result.promoted
    assert result.adapter.version == tuned.result.adapter.version
    assert not (tmp_path / "runs" / "shop" / "work").exists()


async def test_what_the_gate_would_stumble_over_is_told_before_the_tuning(
    tuned: Tuned, tmp_path: Path
) -> None:
    checks = [{"name": "maths", "options": {"x": 1}}]
    with pytest.raises(ConfigError, match="no such option"):
        await tune_pack(
            load_pack(write_pack(tmp_path / "packs" / "kiosk", checks=checks)),
            store=AdapterStore(tmp_path),
            base=tuned.base,
            home=tmp_path,
            engine=lambda: pytest.fail("the gate was reached"),
            on_progress=lambda progress: pytest.fail("it was tuned"),
        )
