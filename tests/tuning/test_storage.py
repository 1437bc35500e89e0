"""Checkpoints in shared storage: only whole ones count; what can't be reached is told without secrets."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from senmon.errors import ConfigError, TuningError
from senmon.tuning.storage import SharedStorage, checked_address

IDENTITY = hashlib.sha256(b"a run").hexdigest()


def checkpoint(folder: Path, text: str) -> Path:
    path = folder / "state.safetensors"
    path.write_text(text)
    return path


def fetched(storage: SharedStorage, folder: Path) -> tuple[int | None, str]:
    path = folder / "here" / "state.safetensors"
    step = storage.fetch(path)
    return step, path.read_text() if step is not None else ""


def test_the_newest_whole_checkpoint_is_fetched(tmp_path: Path) -> None:
    storage = SharedStorage(str(tmp_path / "shared"), "shop", IDENTITY)
    storage.prepare()
    assert fetched(storage, tmp_path) == (None, "")
    for step in (10, 20, 30):
        storage.put(checkpoint(tmp_path, f"state {step}"), step)
    assert fetched(storage, tmp_path) == (30, "state 30")
    folder = tmp_path / "shared" / "shop" / IDENTITY[:16]
    files = sorted(path.name for path in folder.iterdir())
    assert len(files) == 3 and "latest.json" in files, "two checkpoints are kept, nothing else"
    assert fetched(SharedStorage(str(tmp_path / "shared"), "shop", "0" * 64), tmp_path) == (None, "")


@pytest.mark.parametrize("damage", ["half", "other", "gone"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: str) -> None:
    storage = SharedStorage(str(tmp_path / "shared"), "shop", IDENTITY)
    storage.prepare()
    for step in (10, 20):
        storage.put(checkpoint(tmp_path, f"state {step}"), step)
    folder = tmp_path / "shared" / "shop" / IDENTITY[:16]
    newest = folder / json.loads((folder / "latest.json").read_text())["checkpoints"][0]["name"]
    if damage == "gone":
        newest.unlink()
    else:
        newest.write_text("stat" if damage == "half" else "state 99")
    assert fetched(storage, tmp_path) == (10, "state 10")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"checkpoints": [{"name": 1}]}', '{"checkpoints": 3}'])
def test_a_torn_list_is_none(tmp_path: Path, text: str) -> None:
    storage = SharedStorage(str(tmp_path / "shared"), "shop", IDENTITY)
    storage.prepare()
    (tmp_path / "shared" / "shop" / IDENTITY[:16] / "latest.json").write_text(text)
    assert fetched(storage, tmp_path) == (None, "")


def test_an_upload_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = SharedStorage(str(tmp_path / "shared"), "shop", IDENTITY)
    storage.prepare()
    storage.put(checkpoint(tmp_path, "state 10"), 10)

    def full(source: str, target: str) -> None:
        Path(target).write_text("sta")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage._files, "put_file", full)
    with pytest.raises(TuningError, match="No space left") as told:
        storage.put(checkpoint(tmp_path, "state 20"), 20)
    assert "permissions" in told.value.remedy
    assert fetched(storage, tmp_path) == (10, "state 10")
    names = [path.name for path in (tmp_path / "shared" / "shop" / IDENTITY[:16]).iterdir()]
    assert not [name for name in names if name.endswith(".part")]


def test_names_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    storage = SharedStorage(str(tmp_path / "shared"), "shop", IDENTITY)
    storage.prepare()
    secret = tmp_path / "secret"
    secret.write_text("x")
    row = {"name": "../../../secret", "size": 1, "step": 3}
    listed = tmp_path / "shared" / "shop" / IDENTITY[:16] / "latest.json"
    listed.write_text(json.dumps({"checkpoints": [row]}))
    assert fetched(storage, tmp_path) == (None, "")


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("a file")
    with pytest.raises(TuningError, match="can't be written"):
        SharedStorage(str(tmp_path / "shared"), "shop", IDENTITY).prepare()


@pytest.mark.parametrize("address", ["s3://key:secret@bucket/path", "s3://bucket/path?secret=1"])
def test_credentials_in_an_address_are_refused_unsaid(address: str) -> None:
    with pytest.raises(ConfigError) as told:
        checked_address(address)
    assert "secret" not in str(told.value).replace("AWS_SECRET_ACCESS_KEY", "")


@pytest.mark.skipif(
    not os.environ.get("SENMON_TEST_S3"), reason="needs SENMON_TEST_S3=s3://bucket/path and AWS_* variables"
)
def test_on_a_server_that_speaks_s3(tmp_path: Path) -> None:
    address = os.environ["SENMON_TEST_S3"]
    storage = SharedStorage(address, "shop", IDENTITY)
    storage.prepare()
    for step in (10, 20, 30):
        storage.put(checkpoint(tmp_path, f"state {step}"), step)
    assert fetched(storage, tmp_path) == (30, "state 30")
    with pytest.raises(TuningError, match="can't be written"):
        SharedStorage("s3://no-such-bucket-of-senmon/x", "shop", IDENTITY).prepare()
