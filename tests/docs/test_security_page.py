"""The threat model: every threat has a control and a test, and each test that is named exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", PAGE)
    assert found, title
    return found[1]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:] if "---" not in line]


def test_each_threat_has_a_control_and_a_test() -> None:
    threats = rows("Threats")
    assert len(threats) >= 25
    for threat, control, tests in threats:
        assert threat and control and re.findall(r"`test_\w+`", tests), threat


def test_each_promise_of_supply_and_of_faults_has_a_test() -> None:
    for title, least in (("Supply", 6), ("When things break", 8)):
        promises = rows(title)
        assert len(promises) >= least
        for promise, tests in promises:
            assert promise and re.findall(r"`test_\w+`", tests), promise


def test_each_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    known = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"(?m)^\s*(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"))
    }
    assert named - known == set()


def test_assets_actors_and_boundaries_are_told() -> None:
    assert len(rows("Actors")) >= 8
    assert section("Assets").count("\n- ") + 1 >= 5 and "\n7. " in section("Trust boundaries")
