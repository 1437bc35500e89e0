"""`senmon base` from the command line, on a tiny base."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from senmon.bases.catalog import BaseFiles, resolve
from senmon.cli import base as commands
from senmon.errors import BaseNotFound, ConfigError, DataInvalid


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_DEVICE", "cpu")
    monkeypatch.setenv("SENMON_THREADS", "1")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    lines = [{"text": f"The cat number {n} sat on the mat.", "source": "cats"} for n in range(60)]
    (corpus / "prose-00.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:50]))
    (corpus / "valid.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[50:]))


def senmon(*arguments: object) -> str:
    """What the command prints; its error is raised."""
    result = CliRunner().invoke(commands.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


SMALL = ("--tokens", 2000, "--context", 64, "--batch-tokens", 256, "--evaluations", 2, "--precision", "fp32")


def test_pretrain_from_a_folder_to_a_card(tmp_path: Path) -> None:
    (tmp_path / "credit.md").write_text("Cats are in the public domain.", encoding="utf-8")
    valid = ("--valid", "corpus/valid.jsonl")
    printed = senmon(
        "pretrain", "corpus", "--out", "out", "--fresh", "tiny", *valid, *SMALL, "--probes", 1,
        "--credit", "credit.md",
    )  # fmt: skip
    assert "prose/cats" in printed
    assert "SENMON_BASE=out/base" in printed
    text = (tmp_path / "out/base/README.md").read_text(encoding="utf-8")
    assert "Cats are in the public domain." in text
    assert "adds two 3-digit numbers | 0% (0% to 79%)" in text
    assert "before (embedded)" in text
    assert "valid.jsonl" not in text.split("## Again")[0]
    shown = json.loads(senmon_show(tmp_path / "out/base"))
    assert shown["parameters"] > 500_000
    assert shown["digest"] == resolve("out/base").digest


def senmon_show(base: Path) -> str:
    result = CliRunner().invoke(commands.app, ["show", "--json"], env={"SENMON_BASE": str(base)})
    assert result.exit_code == 0, result.output
    return result.output


def test_pieces_go_on_by_the_same_command(tmp_path: Path, tiny_base: BaseFiles) -> None:
    command = (
        "pretrain", "corpus/prose-00.jsonl", "--out", "out", "--start", tiny_base.path, *SMALL,
        "--pause-after", 1e-9, "--json",
    )  # fmt: skip
    events = [json.loads(line) for line in senmon(*command).splitlines()]
    assert events[-1]["event"] == "paused"
    assert events[-1]["steps"] == 1
    assert "not finished" in (tmp_path / "out/base/README.md").read_text(encoding="utf-8")
    again = [json.loads(line) for line in senmon(*command).splitlines()]
    assert again[-1]["steps"] == 2
    assert {event["event"] for event in again} == {"phase", "progress", "paused"}


def test_faults_are_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"gone\.jsonl: no such file"):
        senmon("pretrain", "corpus", "gone.jsonl", "--out", "out")
    with pytest.raises(ConfigError, match="--tokenizer needs --fresh"):
        senmon("pretrain", "corpus", "--out", "out", "--tokenizer", "corpus")
    with pytest.raises(ConfigError, match="--credit"):
        senmon("pretrain", "corpus", "--out", "out", "--credit", "gone.md")
    with pytest.raises(ConfigError, match="schedule"):
        senmon("pretrain", "corpus", "--out", "out", "--schedule", "linear")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="has not: cat"):
        senmon("pretrain", "corpus", "--out", "out", "--fresh", "tiny", "--weight", "cat=1")


def test_adapt_reads_a_pack_and_a_folder(
    tmp_path: Path, tiny_base: BaseFiles, pack_folder: Callable[..., Path]
) -> None:
    pack = pack_folder("shop")
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(12):
        (notes / f"{number}.md").write_text(f"# Note {number}\n\nVan {number} leaves at {number}.", "utf-8")
    printed = senmon(
        "adapt", tiny_base.path, notes, "--pack", pack, "--out", "out", "--epochs", 1, "--precision", "fp32"
    )
    assert "documents/documents" in printed
    material = (tmp_path / "out/material/documents.jsonl").read_text(encoding="utf-8")
    held = (tmp_path / "out/material/held-out.jsonl").read_text(encoding="utf-8")
    assert "30 days of delivery" in material + held
    assert (tmp_path / "out/base/model.safetensors").is_file()
    with pytest.raises(ConfigError, match="no documents"):
        senmon("adapt", tiny_base.path, "--out", "none")
    with pytest.raises(BaseNotFound):
        senmon("adapt", "./nowhere", notes, "--out", "none")


def test_eval_writes_its_section(tmp_path: Path, tiny_base: BaseFiles) -> None:
    printed = senmon(
        "eval", tiny_base.path, tiny_base.path, "--valid", "corpus/valid.jsonl", "--corpus", "corpus",
        "--probes", 1, "--out", "docs/bases.md",
    )  # fmt: skip
    assert "prose" in printed
    page = (tmp_path / "docs/bases.md").read_text(encoding="utf-8")
    assert "### Held-out bits per byte" in page
    assert "### Greedy replies" in page
    assert (tmp_path / "docs/bases.png").is_file()
    data = json.loads(
        senmon("eval", tiny_base.path, "--valid", "corpus/valid.jsonl", "--probes", 0, "--json")
    )
    assert data[0]["bits_per_byte"]["cats"]["documents"] == 10
    with pytest.raises(ConfigError, match="nothing to measure"):
        senmon("eval", tiny_base.path, "--probes", 0)
