"""What a start keeps of a pack's data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from senmon.dataset import kept
from senmon.dataset.example import Dataset
from senmon.dataset.kept import learnt_of
from senmon.dataset.loading import load_dataset
from senmon.dataset.routing import Learnt
from senmon.errors import DataInvalid
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack

Make = Callable[..., Path]


def line(text: str, intent: str = "x") -> str:
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": f"About {text}."}]
    return json.dumps({"messages": said, "intent": intent})


def write(pack: Path, *lines: str) -> Path:
    (pack / "data").mkdir(exist_ok=True)
    for old in (pack / "data").glob("*.jsonl"):
        old.unlink()
    (pack / "data" / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pack


def test_data_are_read_once_for_a_pack_as_it_is(
    pack_folder: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(pack_folder("shop"), line("a"), line("b", "y"))
    pack, state = load_pack(folder), tmp_path / "state"
    first = learnt_of(pack, state)
    assert first == Learnt.of(load_dataset(pack)) and len(first.pairs) == 2
    times: list[str] = []

    def counted(pack: Pack) -> Dataset:
        times.append(pack.digest)
        return load_dataset(pack)

    monkeypatch.setattr(kept, "load_dataset", counted)
    assert learnt_of(load_pack(folder), state) == first and times == []
    changed = load_pack(write(folder, line("a"), line("c", "y")))
    assert {text for text, _ in learnt_of(changed, state).pairs} == {"a", "c"} and len(times) == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", "half", "other pairs"])
def test_a_damaged_file_is_made_again(pack_folder: Make, tmp_path: Path, damage: str) -> None:
    pack = load_pack(write(pack_folder("shop"), line("a"), line("b", "y")))
    expected = learnt_of(pack, tmp_path / "state")
    file = tmp_path / "state" / "shop.json"
    text = file.read_text(encoding="utf-8")
    changed = json.dumps({**json.loads(text), "pairs": [["another", "x"]]})
    file.write_text({"half": text[: len(text) // 2], "other pairs": changed}.get(damage, damage))
    assert learnt_of(pack, tmp_path / "state") == expected
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(text)
    assert [path.name for path in file.parent.iterdir()] == ["shop.json"]


def test_a_state_that_cannot_be_written_costs_time_only(pack_folder: Make, tmp_path: Path) -> None:
    pack = load_pack(write(pack_folder("shop"), line("a")))
    (tmp_path / "file").write_text("")
    assert len(learnt_of(pack, tmp_path / "file" / "state").pairs) == 1


def test_invalid_data_are_never_kept(pack_folder: Make, tmp_path: Path) -> None:
    pack = load_pack(write(pack_folder("shop"), "{}"))
    for _ in range(2):
        with pytest.raises(DataInvalid):
            learnt_of(pack, tmp_path)
    assert not (tmp_path / "shop.json").exists()
