"""`senmon packs`, `senmon new`, `senmon check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from senmon.cli import checking, packs
from senmon.errors import PackExists, PackInvalid

Make = Callable[..., Path]


@pytest.fixture
def senmon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command of this group with packs under tmp_path/packs; errors come through."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_PACKS", str(tmp_path / "packs"))
    monkeypatch.setenv("SENMON_HOME", str(tmp_path / "home"))
    app = typer.Typer()
    app.command()(packs.new)
    app.command()(checking.check)
    app.add_typer(packs.app, name="packs")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    return run


def test_new_check_list_allow(senmon: Callable[..., Result], tmp_path: Path) -> None:
    made = json.loads(senmon("new", "desk", "--json").stdout)
    assert made == {"pack": "desk", "path": str(tmp_path / "packs/desk")}
    checked = json.loads(senmon("check", "desk", "--json").stdout)
    assert checked["counts"]["examples"] >= 30 and checked["suggestions"] and checked["curve"] is None
    assert 0 < checked["score"]["points"] <= 100 and "intent_conflict" not in checked["findings"]["counts"]
    (row,) = json.loads(senmon("packs", "--json").stdout)["packs"]
    assert (row["name"], row["code"], row["released_adapter"]) == ("desk", "not allowed", False)
    assert row["examples"] == checked["counts"]["examples"]
    assert json.loads(senmon("packs", "allow", "desk", "--json").stdout)["state"] == "allowed"
    assert json.loads(senmon("packs", "list", "--json").stdout)["packs"][0]["code"] == "allowed"
    for words in (("packs",), ("check", "desk"), ("packs", "allow", "desk")):
        assert "desk" in senmon(*words).stdout
    with pytest.raises(PackExists):
        senmon("new", "desk")


def test_check_reports_the_problems_of_every_part(senmon: Callable[..., Result], pack_folder: Make) -> None:
    folder = pack_folder("shop", checks=[{"name": "nonsense"}])
    (folder / "data/bad.jsonl").write_text("{\n", encoding="utf-8")
    (folder / "eval/bad.jsonl").write_text("{\n", encoding="utf-8")
    (folder / "system.md").write_text("Please be kind. " * 300, encoding="utf-8")
    with pytest.raises(PackInvalid) as caught:
        senmon("check", "shop")
    text = str(caught.value)
    for part in ("data/bad.jsonl:1", "eval/bad.jsonl:1", "nonsense", "system.md"):
        assert part in text
    (fault,) = [problem for problem in caught.value.problems if "nonsense" in problem.why]
    lines = (folder / "pack.yaml").read_text(encoding="utf-8").splitlines()
    assert "nonsense" in lines[fault.line - 1] and fault.field == "checks.0"


def test_a_broken_pack_does_not_hide_the_others(senmon: Callable[..., Result], pack_folder: Make) -> None:
    pack_folder("shop")
    (pack_folder("store") / "system.md").unlink()
    listed = json.loads(senmon("packs", "--json").stdout)
    assert [row["name"] for row in listed["packs"]] == ["shop"] and "system.md" in listed["errors"][0]
