"""The commands as a reviewer uses them, in this process."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from senmon.cli import main
from senmon.errors import ConfigError, DataInvalid, RunNotFound, SenmonError
from senmon.improvement.screening import DATA, SUITE
from senmon.store.reviews import handle
from senmon.store.store import Store

Command = Callable[..., Result]


@pytest.fixture
def command(
    tmp_path: Path, make_pack: Callable[..., Path], empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    folder = make_pack()
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(empty_database, home / "senmon.db")
    monkeypatch.setenv("SENMON_HOME", str(home))
    monkeypatch.setenv("SENMON_PACKS", str(folder.parent))
    # The console reads COLUMNS when it is made, which an earlier test may have caused.
    monkeypatch.setattr("senmon.cli.output.console._width", 200)
    if not main.app.registered_commands:
        main.compose()

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main.app, arguments)

    return run


@pytest.fixture
def talked(command: Command, tmp_path: Path, stage_of: Callable[[Store, Path, Path], Any]) -> dict[str, str]:
    """Three exchanges; the handles of their runs."""

    async def talk() -> dict[str, str]:
        store = await Store.open(tmp_path / "home" / "senmon.db", serving=False)
        try:
            stage = stage_of(store, tmp_path / "packs" / "shop", tmp_path / "home")
            disliked = await stage.turn("how do returns work", "No [b]idea[/b].", articles=("returns",))
            await stage.thumb(disliked, reason="[red]wrong[/red] \x1b[31mred\x1b[0m")
            close = await stage.turn("is there parking", "No.", margin=0.01)
            nobody = await stage.turn("who won the match", "Sorry.", pack=None)
            return {"disliked": handle(disliked), "close": handle(close), "nobody": handle(nobody)}
        finally:
            await store.close()

    return asyncio.run(talk())


def test_a_reviewers_day(command: Command, talked: dict[str, str], tmp_path: Path) -> None:
    listed = command("inbox")
    assert listed.exit_code == 0, listed.output
    assert "3 wait" in listed.output
    assert listed.output.index(talked["disliked"][:8]) < listed.output.index(talked["nobody"][:8])
    assert "[b]idea[/b]" in listed.output, "what people write is no markup"
    items = json.loads(command("inbox", "--json", "--pack", "none").output)
    assert [item["id"] for item in items] == [talked["nobody"][:12]]
    shown = command("inbox", "show", talked["disliked"][:8])
    assert "returns" in shown.output and "[red]wrong[/red]" in shown.output
    assert "\x1b[31m" not in shown.output
    reply = ("--reply", "Yes, you have 30 days for that.", "--reviewer", "Ann")
    made = command("inbox", "correct", talked["disliked"][:8], *reply, "--intent", "returns")
    assert "corrected" in made.output
    again = command("inbox", "correct", talked["disliked"][:8], *reply, "--intent", "returns")
    assert "decided so before, by Ann" in again.output
    asked = command("inbox", "eval", talked["close"][:8], "--contains", "behind the shop")
    assert asked.exit_code == 0, asked.output
    both = command("inbox", "dismiss", talked["nobody"][:8], "ffffffffffff")
    assert both.exit_code == 1
    assert "dismissed" in both.output and "no exchange has an id" in both.output
    assert "Nothing waits" in command("inbox").output
    assert "Ann" in command("inbox", "--decided").output

    folder = tmp_path / "packs" / "shop"
    before = sorted(path.name for path in folder.rglob("*"))
    plan = command("improve", "shop", "--dry-run", "--hold-out", "0")
    assert plan.exit_code == 0, plan.output
    assert "[[article.return_days]]" in plan.output
    assert "1 new (0 held out)" in plan.output and "1 regression cases" in plan.output
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert not (folder / DATA).exists() and not (folder / SUITE).exists()


def test_what_is_wrong_is_said(command: Command, talked: dict[str, str]) -> None:
    wrong = {
        ("inbox", "--kind", "angry"): ConfigError,
        ("inbox", "show", "ffffff"): RunNotFound,
        ("inbox", "correct", talked["close"]): ConfigError,
        ("inbox", "correct", talked["close"], "--call", "{"): ConfigError,
        ("inbox", "correct", talked["disliked"], "--reply", "Within 90 days."): DataInvalid,
        ("inbox", "eval", talked["close"]): ConfigError,
        ("inbox", "reroute", talked["close"], "--pack", "shop"): ConfigError,
    }
    for arguments, kind in wrong.items():
        result = command(*arguments)
        assert isinstance(result.exception, kind), (arguments, result.output, result.exception)
        assert isinstance(result.exception, SenmonError)
        assert result.exception.remedy or kind is DataInvalid
