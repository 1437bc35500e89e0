"""The blind texts: frozen, whole, and refused when they are not."""

import json
import shutil
from pathlib import Path

import pytest

from senmon.errors import DataInvalid
from senmon.evaluation.served.blind import file_digest, frozen, load_blind
from senmon.evaluation.served.check_sets import unmeasured

BLIND = Path(__file__).parents[2] / "evaluation" / "blind"


def test_the_blind_files_are_those_that_were_frozen() -> None:
    kept = frozen(BLIND)
    assert set(kept) == {path.name for path in BLIND.glob("*.jsonl")}
    assert {name: file_digest(BLIND / name) for name in kept} == kept


def test_there_is_enough_of_everything() -> None:
    support, tutor = load_blind(BLIND, "support"), load_blind(BLIND, "tutor")
    assert len(support.requests) >= 300
    assert len(tutor.turns) >= 200
    assert min(len(support.offtopic), len(tutor.offtopic)) >= 100
    assert len(support.labelled) + len(tutor.labelled) >= 600
    assert not unmeasured(BLIND.parent / "checks")


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "blind"
    shutil.copytree(BLIND, folder)
    with (folder / "offtopic.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps({"id": "new", "pack": "tutor", "text": "hello"}))
    with pytest.raises(DataInvalid, match="not the file that was frozen"):
        load_blind(folder, "tutor")


def test_every_fault_has_its_line(tmp_path: Path) -> None:
    lines = [{"id": "a", "text": "hi", "expect": {"action": 3}}, {"id": "b", "txt": "hi"}, {"id": "a"}]
    text = "\n".join(map(json.dumps, lines)) + "\nnot json\n"
    (tmp_path / "shop-requests.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(DataInvalid) as caught:
        load_blind(tmp_path, "shop")
    assert {problem.line for problem in caught.value.problems} == {1, 2, 3, 4}
