"""Readers of what others wrote, fuzzed: whatever comes in, only errors of ours come out, and soon."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from senmon.bench.trust import Effort, Row, Tell, workbench
from senmon.bench.trust_fuzz import SEEDS
from senmon.errors import ConfigError

_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    """Raises ConfigError without atheris."""
    if find_spec("atheris") is None:
        raise ConfigError("atheris is not installed here", remedy="pip install 'senmon[bench]'")
    rows = []
    for name in SEEDS:
        tell(f"input: {name}, {effort.seconds:.0f} s")
        rows.append(_fuzzed(name, effort.seconds))
    return rows


def _fuzzed(name: str, seconds: float) -> Row:
    with workbench() as folder:
        command = [sys.executable, "-m", "senmon.bench.trust_fuzz", name, str(round(seconds)), str(folder)]
        done = subprocess.run(command, capture_output=True, timeout=10 * seconds + 300, check=False)
    said = done.stderr.decode("utf-8", "replace")
    runs = _RUNS.search(said)
    why = () if done.returncode == 0 else (f"status {done.returncode}: {said[-600:]}",)
    what = f"{name}: no crash, no hang over 20 s, no more than 3 GB"
    tried = max(int(runs[1]) if runs else 0, 1)
    return Row("input", what, tried, len(why), "inputs by coverage, from one seed", why)
