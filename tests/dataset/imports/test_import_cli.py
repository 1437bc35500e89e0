"""`senmon import FORMAT` and `senmon export`, as people and scripts use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from senmon.cli.exporting import export
from senmon.cli.importing import app
from senmon.errors import DataInvalid
from senmon.packs.loader import load_pack

CHAT = {"messages": [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "At 9."}]}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_PACKS", "packs")
    monkeypatch.setenv("SENMON_HOME", str(tmp_path / "home"))
    (tmp_path / "packs").mkdir()


def write(name: str, *rows: Any) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


ROWS: dict[str, Any] = {
    "openai": CHAT,
    "sharegpt": {"conversations": [{"from": "human", "value": "When?"}, {"from": "gpt", "value": "At 9."}]},
    "alpaca": {"instruction": "When?", "input": "", "output": "At 9."},
    "gsm8k": {"question": "When?", "answer": "At 8+1=<<8+1=9>>9.\n#### 9"},
}


@pytest.mark.parametrize("format", ROWS)
def test_each_format_makes_a_pack(format: str) -> None:
    write("rows.jsonl", ROWS[format])
    options = (format, "rows.jsonl", "--pack", "desk")
    dry = json.loads(invoke(*options, "--dry-run", "--json"))
    assert dry["taken"] == 1 and dry["dry_run"] and not Path("packs/desk").exists()
    report = json.loads(invoke(*options, "--json", "--licence", "CC0-1.0", "--title", "Our desk"))
    manifest = load_pack(Path("packs/desk")).manifest
    assert report["created"] and (manifest.licence, manifest.title) == ("CC0-1.0", "Our desk")
    assert "left as it was" in invoke(*options)


def test_gsm8k_and_bitext_know_their_licences() -> None:
    write("rows.jsonl", ROWS["gsm8k"])
    invoke("gsm8k", "rows.jsonl", "--pack", "sums", "--style", "tutor")
    Path("b.csv").write_text(
        "instruction,intent,response\nhi,hello,Hello from {{Company Name}}\n", encoding="utf-8"
    )
    shown = invoke("bitext", "b.csv", "--pack", "shop")
    assert load_pack(Path("packs/sums")).manifest.licence == "MIT"
    assert load_pack(Path("packs/shop")).manifest.licence == "CDLA-Sharing-1.0"
    assert "company_name 1" in shown and "placeholders became facts" in shown.replace("\n", "")


def test_a_label_for_all_and_broken_rows_in_the_table() -> None:
    write("rows.jsonl", CHAT, {"messages": "[bold]x[/]"}, {"a[/b]": 1})
    shown = invoke("openai", "rows.jsonl", "--pack", "desk", "--label", "hours", "--skip-broken")
    assert "2 rows" in shown and "rows.jsonl:3 [messages]: is missing → known here: a[/b]" in " ".join(
        shown.split()
    )
    assert '"intent": "hours"' in Path("packs/desk/data/rows.jsonl").read_text(encoding="utf-8")
    with pytest.raises(DataInvalid, match="2 problems"):
        CliRunner().invoke(app, ["openai", "rows.jsonl", "--pack", "other"], catch_exceptions=False)


def test_there_and_back_by_command() -> None:
    write("rows.jsonl", *[{**CHAT, "split": "train"}] * 2)
    invoke("openai", "rows.jsonl", "--pack", "desk")
    exporting = typer.Typer()
    exporting.command()(export)
    for format in ("openai", "sharegpt", "hf"):
        arguments = ["desk", "--format", format, "--out", f"out.{format}", "--split", "train", "--json"]
        done = CliRunner().invoke(exporting, arguments, catch_exceptions=False)
        assert json.loads(done.stdout)["splits"] == {"train": 2}, done.output
        source = json.loads(invoke(format, f"out.{format}", "--pack", f"again-{format}", "--json"))
        assert source["taken"] == 2
    shown = CliRunner().invoke(
        exporting, ["desk", "--format", "openai", "--out", "t.jsonl"], catch_exceptions=False
    )
    assert "train 2" in shown.stdout
