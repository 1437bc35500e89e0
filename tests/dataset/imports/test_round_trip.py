"""Import → export → import gives the same conversations, tool calls included."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from senmon.dataset.example import Dataset
from senmon.dataset.exports.exporting import ExportReport, Format, Wanted, export_pack
from senmon.dataset.importing import ImportReport, import_chat, import_hf
from senmon.dataset.imports.chat_rows import openai_row, sharegpt_row
from senmon.dataset.imports.columns_format import TableColumns
from senmon.dataset.imports.hf_source import HfSource
from senmon.dataset.loading import load_dataset
from senmon.errors import ConfigError, DataInvalid
from senmon.packs.loader import load_pack

Make = Callable[..., Path]
FORMATS: tuple[Format, ...] = ("openai", "sharegpt", "hf")


@pytest.fixture
def shop(pack_folder: Make) -> Path:
    """A pack with articles, calls, two calls at once, words before a call and a call at the end."""
    folder = pack_folder("shop")
    calls = [
        {"id": f"call-{order}", "function": {"name": "order_status", "arguments": {"order_id": order}}}
        for order in ("A1001", "A1002")
    ]
    results = [
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "content": {"order": {"eta": "Friday", "n": 1.5, "é": None}},
        }
        for call in calls
    ]
    ask = {"role": "user", "content": 'A1001 and A1002?\n\n"both"'}
    talks = [
        [
            ask,
            {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
            *reversed(results),
            {"role": "assistant", "content": "On [[order.eta]]."},
        ],
        [ask, {"role": "assistant", "tool_calls": calls[:1]}],
        [
            ask,
            {"role": "tool", "name": "context", "passages": ["returns"], "customer": "verified"},
            {"role": "assistant", "content": "Within [[article.return_days]]."},
        ],
    ]
    more = [
        {"intent": f"mixed {n}", "split": split, "tags": ["x"], "licence": "CC0-1.0", "messages": talk}
        for n, (talk, split) in enumerate(zip(talks, ("train", "valid", "test"), strict=True))
    ]
    (folder / "data/more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in more), encoding="utf-8")
    return folder


def contents(dataset: Dataset) -> list[Any]:
    return sorted(
        ((e.split, e.intent, e.tags, e.licence, repr(e.messages)) for e in dataset.examples),
    )


def exported(folder: Path, format: Format, out: Path, **wanted: Any) -> ExportReport:
    pack = load_pack(folder)
    return export_pack(pack, load_dataset(pack), format, out, Wanted(**wanted))


def imported(format: Format, source: Path, into: Path) -> ImportReport:
    if format == "hf":
        return import_hf(HfSource(str(source), None, TableColumns()), into)
    return import_chat(source, into, openai_row if format == "openai" else sharegpt_row)


@pytest.mark.parametrize("format", FORMATS)
def test_there_and_back_into_a_new_pack(tmp_path: Path, shop: Path, format: Format) -> None:
    out = tmp_path / "out.data"
    report = exported(shop, format, out)
    imported(format, out, tmp_path / "again")
    again = load_pack(tmp_path / "again")
    assert contents(load_dataset(again)) == contents(load_dataset(load_pack(shop)))
    assert sum(report.splits.values()) == 27 and report.licences == {"Apache-2.0": 24, "CC0-1.0": 3}
    assert list(again.actions) == ["order_status"]
    assert again.actions["order_status"].parameters["properties"] == {"order_id": {"type": "string"}}
    second = tmp_path / "second.data"
    exported(tmp_path / "again", format, second)
    imported(format, second, tmp_path / "third")
    assert contents(load_dataset(load_pack(tmp_path / "third"))) == contents(load_dataset(again))


@pytest.mark.parametrize("format", FORMATS)
def test_there_and_back_into_the_same_pack(tmp_path: Path, shop: Path, format: Format) -> None:
    before = contents(load_dataset(load_pack(shop)))
    exported(shop, format, tmp_path / "out.data")
    for path in (shop / "data").iterdir():
        path.unlink()
    (shop / "data/out.jsonl").touch()
    imported(format, tmp_path / "out.data", shop)
    assert contents(load_dataset(load_pack(shop))) == before


def test_a_reply_in_the_action_s_own_words(tmp_path: Path, pack_folder: Make) -> None:
    specs = [{"name": "show", "description": "shows it", "reply": "verbatim"}]
    folder = pack_folder(
        "shop", actions={"runtime": "server", "url": "http://127.0.0.1:1/webhook", "specs": specs}
    )
    call = {"id": "c", "function": {"name": "show", "arguments": {}}}
    talk = [
        {"role": "user", "content": "show me"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": {"text": "here"}},
        {"role": "user", "content": "thanks"},
        {"role": "assistant", "content": "Any time."},
    ]
    (folder / "data/train.jsonl").write_text(
        json.dumps({"intent": "show", "messages": talk}), encoding="utf-8"
    )
    for format in FORMATS:
        exported(folder, format, tmp_path / format)
        imported(format, tmp_path / format, tmp_path / f"{format}-again")
        again = load_pack(tmp_path / f"{format}-again")
        assert contents(load_dataset(again)) == contents(load_dataset(load_pack(folder)))


def test_openai_lines_are_what_openai_s_client_takes(tmp_path: Path, shop: Path) -> None:
    exported(shop, "openai", tmp_path / "a.jsonl", splits=("train",), bare=True)
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {tuple(row) for row in rows} == {("messages", "tools")}
    row = next(row for row in rows if row["messages"][-1]["content"] == "On [[order.eta]].")
    assert [message["role"] for message in row["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert all(isinstance(call["function"]["arguments"], str) for call in row["messages"][2]["tool_calls"])
    assert row["tools"][0]["function"]["name"] == "order_status"
    exported(shop, "openai", tmp_path / "b.jsonl", system=False)
    assert '"You are the assistant' not in (tmp_path / "b.jsonl").read_text(encoding="utf-8")


def test_the_folder_loads_with_datasets_and_its_card_is_true(tmp_path: Path, shop: Path) -> None:
    report = exported(shop, "hf", tmp_path / "set")
    loaded = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert {"train": "train", "valid": "validation", "test": "test"}.keys() == report.splits.keys()
    assert [len(loaded[name]) for name in ("train", "validation", "test")] == list(report.splits.values())
    assert "order_status" in loaded["train"][0]["tools"]
    text = (tmp_path / "set/README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "other" and front["license_name"] == "Apache-2.0 AND CC0-1.0"
    assert front["size_categories"] == ["n<1K"] and len(front["configs"][0]["data_files"]) == 3
    assert "| `Apache-2.0` | 24 |" in text and "| train | " in text
    assert set(loaded["train"].column_names) == {
        line.split("|")[1].strip()
        for line in text.split("## Columns")[1].split("##")[0].splitlines()[4:]
        if line
    }


def test_what_is_there_is_not_overwritten(tmp_path: Path, shop: Path) -> None:
    out = tmp_path / "a.jsonl"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="--overwrite"):
        exported(shop, "openai", out)
    assert out.read_text(encoding="utf-8") == "mine"
    exported(shop, "openai", out, overwrite=True)
    with pytest.raises(ConfigError, match="name another path"):
        exported(shop, "hf", out, overwrite=True)
    (tmp_path / "link").symlink_to(out)
    with pytest.raises(ConfigError, match="there already"):
        exported(shop, "openai", tmp_path / "link", overwrite=True)
    with pytest.raises(ConfigError, match="there already"):
        exported(shop, "sharegpt", shop, overwrite=True)


def test_a_split_that_holds_nothing(tmp_path: Path, pack_folder: Make) -> None:
    with pytest.raises(DataInvalid, match=r"no example in test → it has: train"):
        exported(pack_folder("shop"), "openai", tmp_path / "a.jsonl", splits=("test",))
    assert not (tmp_path / "a.jsonl").exists()
