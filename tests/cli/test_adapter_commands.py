"""`senmon adapters`, and the refusals of `senmon tune`, as a person meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from safetensors.numpy import save_file
from typer.testing import CliRunner

from senmon.adapters import Adapter, AdapterCard, AdapterStore
from senmon.bases.catalog import BaseFiles
from senmon.cli import adapters, tuning
from senmon.cli.running import _untuned
from senmon.errors import AdapterMismatch, ConfigError, GateFailed, SenmonError
from senmon.packs.loader import load_pack
from senmon.settings import Settings
from senmon.shelf import Shelf
from senmon.tuning.recipe import recipe_digest
from senmon.workspace import Workspace
from tiny import write_pack

runner = CliRunner()


@pytest.fixture
def published(
    tmp_path: Path, pack_folder: Callable[..., Path], tiny_base: BaseFiles, monkeypatch: pytest.MonkeyPatch
) -> Adapter:
    """A home with one version of one pack, and the environment that points there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SENMON_PACKS", str(pack_folder("shop").parent))
    monkeypatch.setenv("SENMON_BASE", str(tiny_base.path))
    source = tmp_path / "source"
    source.mkdir()
    save_file(
        {"base_model.model.q.lora_A.weight": np.zeros((2, 4), "float32")},
        source / "adapter_model.safetensors",
    )
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q"]}
    (source / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    card = AdapterCard(
        pack="shop",
        base_digest=tiny_base.digest,
        rank=2,
        alpha=4,
        target_modules=("q",),
        dataset_digest="old",
    )
    return AdapterStore(tmp_path / "home").publish(source, card)


def call(*arguments: str, fails: type[SenmonError] | None = None) -> str:
    result = runner.invoke(adapters.app, list(arguments))
    if fails:
        assert isinstance(result.exception, fails), result.output
    else:
        assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def test_list_says_what_is_served_and_stale(published: Adapter) -> None:
    (row,) = json.loads(call("list", "--json"))
    assert row["version"] == published.version
    assert (row["promoted"], row["gate"]) == (False, None)
    assert any("dataset changed" in reason for reason in row["stale"])
    assert "not judged" in call("list", "shop")
    assert json.loads(call("list", "kiosk", "--json")) == []


def test_promote_asks_for_a_verdict_and_rollback_undoes(published: Adapter) -> None:
    short = published.version[:10]
    call("promote", "shop", short, fails=GateFailed)
    call("promote", "shop", short, "--force", "--reason", "demo")
    assert json.loads(call("list", "--json"))[0]["promoted"]
    detail = json.loads(call("show", "shop", short, "--json"))
    assert detail["history"][0]["reason"] == "demo"
    assert short[:8] in call("show", "shop", short)
    assert json.loads(call("rollback", "shop", "--json"))["promoted"] is None
    call("rollback", "shop", fails=SenmonError)


def test_another_base_is_refused(published: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENMON_BASE", "embedded")
    call("promote", "shop", published.version, "--force", fails=AdapterMismatch)


def test_a_pack_elsewhere_is_tuned_on_its_own_base(
    tmp_path: Path, pack_folder: Callable[..., Path], tiny_base: BaseFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the base that the packs of SENMON_PACKS have in common; SENMON_BASE wins over both."""
    served = pack_folder("shop").parent
    own = {"base": str(tiny_base.path)}
    outside = load_pack(write_pack(tmp_path / "elsewhere" / "kiosk", recipe=own))
    workspace = Workspace(Settings(home=tmp_path / "home", packs=(served,)))
    assert workspace.base.spec == "embedded"
    assert workspace.base_for(outside).digest == tiny_base.digest
    assert workspace.base_for(workspace.pack("shop")).spec == "embedded"
    monkeypatch.setenv("SENMON_BASE", "embedded")
    again = Workspace(Settings(home=tmp_path / "home", packs=(served,)))
    assert again.base_for(outside).spec == "embedded"


def test_up_does_not_tune_to_the_same_again(published: Adapter) -> None:
    """An adapter of just this pack that failed, or was rolled back, stays aside until something changes."""
    workspace = Workspace.open()
    told: list[tuple[str, str]] = []

    def untuned() -> list[str]:
        workspace.catalog = Shelf(workspace, workspace.base.digest).build()
        return _untuned(workspace, lambda name, state: told.append((name, state)))

    assert untuned() == ["shop"]
    served = workspace.catalog.packs["shop"]
    digests = {
        "dataset_digest": served.dataset_digest,
        "prefix_digest": served.prefix_digest,
        "recipe_digest": recipe_digest(served.pack.manifest.recipe),
    }
    card = published.card.model_copy(update=digests)
    config = json.loads((published.path / "adapter_config.json").read_text(encoding="utf-8"))
    source = published.path.parents[3] / "source"
    (source / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 8}), encoding="utf-8")
    same = workspace.adapters.publish(source, card)
    assert untuned() == ["shop"], "nobody judged it yet"
    workspace.adapters.add_verdict(same, {"passed": False})
    assert untuned() == []
    assert told == [("shop", "set_aside")]
    (workspace.packs["shop"].path / "system.md").write_text("Be brief.\n", encoding="utf-8")
    assert untuned() == ["shop"]


def test_a_root_that_is_a_pack_is_watched(published: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Workspace.open().packs["shop"].path
    monkeypatch.setenv("SENMON_PACKS", str(folder))
    shelf = Shelf(Workspace.open(), "")
    before = shelf.stamp()
    assert shelf.stamp() == before
    (folder / "system.md").write_text("Be brief.\n", encoding="utf-8")
    assert shelf.stamp() != before


def test_tune_explains_a_wrong_setting(published: Adapter) -> None:
    app = typer.Typer()
    app.command()(tuning.tune)
    result = runner.invoke(app, ["shop", "--set", "lora.ranc=3"])
    assert isinstance(result.exception, ConfigError)
    assert "did you mean lora.rank" in str(result.exception)
