"""Parquet files and sources of `datasets`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from senmon.dataset.importing import ImportReport, Labels, Writing, import_hf, import_parquet
from senmon.dataset.imports.columns_format import TableColumns
from senmon.dataset.imports.hf_source import HfSource
from senmon.dataset.loading import load_dataset
from senmon.errors import DataInvalid
from senmon.packs.loader import load_pack

PAIRS = {"q": ["When?", "", "Where?"], "a": ["At 9.", "x", "Here."], "topic": ["hours", "hours", "place"]}
COLUMNS = TableColumns("q", "a", "topic")
ROWS = [
    {"messages": [{"role": "user", "content": f"ask {n}"}, {"role": "assistant", "content": f"say {n}"}]}
    for n in range(8)
]


def parquet(folder: Path, columns: TableColumns = COLUMNS, **options: Any) -> ImportReport:
    return import_parquet(
        folder / "t.parquet",
        folder / "packs/desk",
        columns,
        Writing(**options),
        Labels(None, columns.intent or "intent"),
    )


def hf(
    source: Path | str, pack: Path, split: str | None = None, columns: TableColumns = TableColumns()
) -> ImportReport:
    return import_hf(
        HfSource(str(source), split, columns), pack, Writing(), Labels(None, columns.intent or "intent")
    )


def test_parquet_pairs(tmp_path: Path) -> None:
    pq.write_table(pa.table(PAIRS), tmp_path / "t.parquet")
    with pytest.raises(DataInvalid) as caught:
        parquet(tmp_path)
    assert [(problem.line, problem.field) for problem in caught.value.problems] == [(2, "q")]
    report = parquet(tmp_path, skip_broken=True)
    examples = load_dataset(load_pack(tmp_path / "packs/desk")).examples
    assert [(example.request, example.intent) for example in examples] == [
        ("When?", "hours"),
        ("Where?", "place"),
    ]
    assert report.rows == 3


def test_parquet_conversations_with_list_columns(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "t.parquet")
    assert parquet(tmp_path, TableColumns(messages="messages")).taken == 8


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (TableColumns("q", "b"), r"\[b\]: no such column → available: q, a, topic"),
        (TableColumns(), "are not named"),
        (TableColumns(messages="m"), "available: q, a, topic"),
    ],
)
def test_parquet_columns_that_are_not_there(tmp_path: Path, columns: TableColumns, why: str) -> None:
    pq.write_table(pa.table(PAIRS), tmp_path / "t.parquet")
    with pytest.raises(DataInvalid, match=why):
        parquet(tmp_path, columns)


@pytest.mark.parametrize("content", [b"PAR1 but no more", b"PK\x03\x04", b"q,a\nx,y\n", b"\x80\x04\x95"])
def test_what_is_no_parquet(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(DataInvalid, match=r"t\.parquet: is (not|a)"):
        parquet(tmp_path)
    assert not (tmp_path / "packs/desk").exists()


def lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_folder_of_splits(tmp_path: Path) -> None:
    for name, part in (("train", ROWS[:5]), ("validation", ROWS[5:7]), ("test", ROWS[7:])):
        lines(tmp_path / f"set/{name}.jsonl", part)
    report = hf(tmp_path / "set", tmp_path / "desk")
    assert report.splits == {"train": 5, "valid": 2, "test": 1}
    assert report.target.name == "set.jsonl"
    assert hf(tmp_path / "set", tmp_path / "one", "validation").splits == {"": 2}
    with pytest.raises(DataInvalid, match=r"no split `dev` → available: train, validation, test"):
        hf(tmp_path / "set", tmp_path / "two", "dev")


def test_a_saved_dataset_with_class_labels(tmp_path: Path) -> None:
    features = datasets.Features(
        {
            "q": datasets.Value("string"),
            "a": datasets.Value("string"),
            "kind": datasets.ClassLabel(names=["no", "yes"]),
        }
    )
    rows = [{"q": "x", "a": "y", "kind": 1}, {"q": "z", "a": "y", "kind": 0}]
    datasets.Dataset.from_list(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    hf(tmp_path / "saved", tmp_path / "desk", columns=TableColumns("q", "a", "kind"))
    assert [e.intent for e in load_dataset(load_pack(tmp_path / "desk")).examples] == ["yes", "no"]


def test_columns_are_found_or_asked_for(tmp_path: Path) -> None:
    lines(tmp_path / "alpaca/train.jsonl", [{"instruction": "a", "input": "", "output": "b"}])
    lines(
        tmp_path / "share/train.jsonl",
        [{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}],
    )
    lines(tmp_path / "odd/train.jsonl", [{"x": "a", "y": "b"}])
    assert hf(tmp_path / "alpaca", tmp_path / "desk").taken == 1
    assert hf(tmp_path / "share", tmp_path / "desk").taken == 1
    with pytest.raises(DataInvalid, match=r"unknown: x, y → give --messages, or --user"):
        hf(tmp_path / "odd", tmp_path / "desk")
    assert hf(tmp_path / "odd", tmp_path / "desk", columns=TableColumns("x", "y")).taken == 1


@pytest.mark.parametrize("name", ["data.pkl", "load.py", "all.zip", "set.tar", "x.npy"])
def test_only_data_is_read(tmp_path: Path, name: str) -> None:
    lines(tmp_path / "set/train.jsonl", ROWS)
    (tmp_path / "set" / name).write_bytes(b"x")
    with pytest.raises(DataInvalid, match="is not data that is read here"):
        hf(tmp_path / "set", tmp_path / "desk")


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    lines(tmp_path / "secret.jsonl", ROWS)
    lines(tmp_path / "set/train.jsonl", ROWS)
    link = tmp_path / "set/more.jsonl"
    link.symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(DataInvalid, match="leads out of the folder"):
        hf(tmp_path / "set", tmp_path / "desk")
    link.unlink()
    for place in ("../secret.jsonl", str(tmp_path / "secret.jsonl"), "https://example.org/x.jsonl"):
        card = f"---\nconfigs:\n- config_name: default\n  data_files: {place}\n---\n"
        (tmp_path / "set/README.md").write_text(card, encoding="utf-8")
        with pytest.raises(DataInvalid, match=r"README\.md:4 \[configs\]: names files elsewhere"):
            hf(tmp_path / "set", tmp_path / "desk")
    assert not (tmp_path / "desk").exists()


def test_a_broken_file_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/train.parquet").write_bytes(b"PAR1xxxx")
    with pytest.raises(DataInvalid, match=r"train\.parquet: is not a sound Parquet file"):
        hf(tmp_path / "set", tmp_path / "desk")
    with pytest.raises(DataInvalid, match="use the importer of its format"):
        hf(tmp_path / "set/train.parquet", tmp_path / "desk")


def test_a_hub_that_can_t_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataInvalid, match="check the name and the network, or name a local folder"):
        hf("nobody/nothing-here", tmp_path / "desk")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jsonl", b'{"instruction": "a", "output": "b"}\n{"x": [}\n', r"a\.jsonl:2: broken JSON"),
        ("a.jsonl", b"\x1f\x8b packed", r"a\.jsonl: is a gzip file → unpack it"),
        ("a.csv", "a,b".encode("utf-16"), r"a\.csv: is UTF-16 text"),
        ("a.parquet", b"no", r"a\.parquet: is not a Parquet file"),
        ("dataset_dict.json", b'{"splits": ["../../etc"]}', "names a file elsewhere: ../../etc"),
        ("state.json", b'{"_data_files": [{"filename": "/etc/x.arrow"}]}', "names a file elsewhere: /etc"),
        ("state.json", b"[" * 100_000, "is not the JSON of a saved dataset"),
    ],
)
def test_a_fault_names_its_file(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_bytes(content)
    with pytest.raises(DataInvalid, match=why):
        hf(tmp_path / "set", tmp_path / "desk")
    assert not (tmp_path / "desk").exists()
