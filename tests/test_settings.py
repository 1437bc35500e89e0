"""Settings: from the environment and senmon.env, every fault named."""

from __future__ import annotations

from pathlib import Path

import pytest

from senmon.errors import ConfigError
from senmon.settings import Settings


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENMON_PACKS", " domains, ,more/packs ")
    assert Settings.load().packs == (Path("domains"), Path("more/packs"))


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENMON_PORT", "many")
    monkeypatch.setenv("SENMON_DEVICE", "gpu")
    with pytest.raises(ConfigError, match=r"(?s)SENMON_PORT.*SENMON_DEVICE") as caught:
        Settings.load()
    assert "doctor --settings" in caught.value.remedy


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "senmon.env").write_bytes(b"SENMON_PORT=81\n# caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Settings.load()
    (tmp_path / "senmon.env").write_text("SENMON_PORT=81\n# café\n", encoding="utf-8")
    assert Settings.load().port == 81
