from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from senmon.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "senmon.service"
HARDENED = {
    "DynamicUser": "yes",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "RestrictSUIDSGID": "yes",
    "CapabilityBoundingSet": "",
    "StateDirectory": "senmon",
}


def service() -> configparser.SectionProxy:
    # Environment= comes more than once.
    text = re.sub(r"^Environment=.*\n", "", UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return parser["Service"]


def test_unit_is_hardened() -> None:
    section = service()
    assert {name: section.get(name) for name in HARDENED} == HARDENED
    assert "/var/lib/senmon" in UNIT.read_text(encoding="utf-8")


def test_unit_starts_a_command_that_exists() -> None:
    program, command = shlex.split(service()["ExecStart"])
    assert Path(program).name == "senmon"
    known = [sys.executable, "-m", "senmon.cli.main", command, "--help"]
    done = subprocess.run(known, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Serve every pack" in done.stdout, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8").replace("/opt/senmon/bin/senmon", sys.executable)
    unit = tmp_path / "senmon.service"
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "senmon.service" not in done.stderr, done.stderr


def test_example_settings_are_real_and_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = (DEPLOY / "senmon.env.example").read_text(encoding="utf-8")
    named = re.findall(r"^#?SENMON_(\w+)=", example, flags=re.MULTILINE)
    assert {name.lower() for name in named} <= set(Settings.model_fields)
    assert len(named) == len(set(named)) >= 10
    monkeypatch.chdir(tmp_path)
    (tmp_path / "senmon.env").write_text(example, encoding="utf-8")
    settings = Settings.load()
    assert settings.port == 8000 and len(settings.api_keys) == 1 and settings.rate_limit_per_minute == 30
