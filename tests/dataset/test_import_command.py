"""`senmon import csv`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from senmon.cli.importing import app
from senmon.errors import DataInvalid
from senmon.packs.loader import load_pack

COLUMNS = ("--user", "q", "--assistant", "a", "--intent", "i")


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_PACKS", "packs")


def test_import_makes_a_pack_and_says_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(
        "q\ta\ti\nWhen?\tAt {{ Open  Time }}.\thours\nbroken\n", encoding="utf-8"
    )
    options = ("--pack", "desk", *COLUMNS, "--delimiter", "tab", "--skip-broken", "--licence", "MIT")
    done = CliRunner().invoke(app, ["csv", "faq.csv", *options, "--json"], catch_exceptions=False)
    report = json.loads(done.stdout)
    assert (report["taken"], report["refused_rows"], report["placeholders"]) == (1, 1, 1)
    assert load_pack(tmp_path / "packs/desk").manifest.licence == "MIT"
    again = CliRunner().invoke(app, ["csv", "faq.csv", *options], catch_exceptions=False)
    assert "left as it was" in again.stdout and "faq.csv:3" in again.stdout.replace("\n", "")
    assert "next: senmon check desk" in again.stderr and "next:" not in done.stderr
    dry = CliRunner().invoke(app, ["csv", "faq.csv", *options, "--dry-run"], catch_exceptions=False)
    assert "next:" not in dry.stderr


def test_unknown_columns_name_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,a,i\nx,y,z\n", encoding="utf-8")
    with pytest.raises(DataInvalid, match="available: question, a, i"):
        CliRunner().invoke(app, ["csv", "faq.csv", "--pack", "desk", *COLUMNS], catch_exceptions=False)
    assert not (tmp_path / "packs").exists()
