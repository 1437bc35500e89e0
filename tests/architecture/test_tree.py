"""What is tracked: small, and about the project alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 60 * 2**20
MOST_FILE_BYTES = 15 * 2**20
FOREIGN = re.compile(r"(?:^|[\s\"'=(:])/(?:root|work|home/[a-z]+)/|\.pyenv")


def tracked() -> list[Path]:
    result = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("not a git checkout")
    return [path for name in result.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_the_tracked_tree_stays_small() -> None:
    sizes = {path: path.stat().st_size for path in tracked()}
    assert sum(sizes.values()) < MOST_BYTES
    assert max(sizes.values()) <= MOST_FILE_BYTES


def test_no_path_of_one_machine_is_written_down() -> None:
    wrong = []
    for path in tracked():
        if path.suffix in (".safetensors", ".png", ".npz", ".woff2") or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if FOREIGN.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not wrong, "\n".join(wrong)
