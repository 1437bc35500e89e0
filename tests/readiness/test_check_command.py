"""`senmon check` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from senmon.cli import checking
from senmon.errors import ConfigError

Make = Callable[..., Path]
Run = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_PACKS", str(tmp_path / "packs"))
    monkeypatch.setenv("SENMON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    app = typer.Typer()
    app.command()(checking.check)
    return lambda *words: CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_people_get_tables_and_a_page(check: Run, pack_folder: Make, tmp_path: Path) -> None:
    pack_folder("shop")
    page = tmp_path / "out" / "shop.html"
    result = check("shop", "--html", str(page))
    assert result.exit_code == 0
    for words in ("of 100, stage", "Most worthwhile first", "Findings", "How the score is made", "hours"):
        assert words in result.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in page.parent.iterdir()] == ["shop.html"]


def test_strict_asks_for_a_severity(check: Run, pack_folder: Make) -> None:
    path = pack_folder("shop") / "data/train.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps({**one, "split": "train"}) + "\n" for one in lines), encoding="utf-8")
    assert check("shop", "--strict", "error", "--json").exit_code == 0
    assert check("shop", "--strict", "warning", "--json").exit_code == 1
    with path.open("a", encoding="utf-8") as file:
        talk = [
            {"role": "user", "content": "mail me: k.osei@mail.gh"},
            {"role": "assistant", "content": "I will."},
        ]
        file.write(json.dumps({"intent": "hours", "split": "train", "messages": talk}) + "\n")
    result = check("shop", "--strict", "error", "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["findings"]["severities"]["error"] == 1


def test_a_page_can_not_be_a_folder(check: Run, pack_folder: Make, tmp_path: Path) -> None:
    pack_folder("shop")
    with pytest.raises(ConfigError, match="is a folder"):
        check("shop", "--html", str(tmp_path))
