"""The page of licences: `python tests/docs/licences.py` writes it from what is installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
HEAD = """# Licences

Of every package that `constraints.txt` pins, as its own metadata says it; senmon itself is Apache-2.0. Most
of them are needed for tests, benchmarks or extras only. Written by `python tests/docs/licences.py`.

| package | licence |
| --- | --- |
"""
#: Where the metadata say nothing.
KNOWN = {"atheris": "Apache-2.0"}
CLASSIFIER = "License :: "


def pinned() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return sorted(name for line in lines if (name := re.split(r"==| @ ", line.split("#")[0])[0].strip()))


def licence_of(name: str) -> str:
    """Empty when it is not installed, or its metadata say nothing."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return KNOWN.get(name, "")
    first = (found["License"] or "").strip().partition("\n")[0]
    classes = [
        each.split(" :: ")[-1] for each in found.get_all("Classifier") or () if each.startswith(CLASSIFIER)
    ]
    named = found["License-Expression"] or "; ".join(each for each in classes if each != "OSI Approved")
    return (named or first[:60] or KNOWN.get(name, "")).replace("|", "/")


def rows() -> dict[str, str]:
    """What the page says."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.is_file() else []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {name: licence for name, licence in cells if name not in ("package", "---")}


if __name__ == "__main__":
    known = rows()
    table = "".join(f"| {name} | {licence_of(name) or known.get(name, '')} |\n" for name in pinned())
    PAGE.write_text(HEAD + table, encoding="utf-8")
