"""`semantic-router` beside ours: the same vectors, its own routing, in whatever interpreter has it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from senmon.bench.clinc import Clinc, Pair
from senmon.bench.route import Answers, Figure, Row, bootstrapped, measure, over_draws
from senmon.embedding import Encoder
from senmon.errors import ConfigError

MODULE = "semantic_router"
VALIDATION_EVERY = 5
LIMIT_SECONDS = 3600
HOW = (
    "make it an environment of its own (python -m venv V; V/bin/pip install semantic-router) and give "
    "--peer V/bin/python"
)


def interpreter(given: Path | None) -> Path | None:
    """The Python that runs the peer: the one given, else this one where it is installed, else None."""
    if given is not None:
        return given
    return Path(sys.executable) if importlib.util.find_spec(MODULE) else None


def run_peer(python: Path, data: Clinc, encoder: Encoder, pairs: Sequence[Pair]) -> tuple[Row, Answers]:
    """Its answers on the test split. Raises ConfigError with what it said when it could not be run."""
    answer = _asked(python, data, encoder, pairs)
    names, scores = zip(*answer["inside"], strict=True)
    strange = np.array([score for _, score in answer["outside"]])
    domains = tuple(data.domain.get(name, "") for name in names)
    answered = np.ones(len(names), dtype=np.bool_)
    given = Answers(
        tuple(zip(domains, names, strict=True)),
        domains,
        np.array(scores),
        answered,
        strange,
        np.ones(len(strange), dtype=np.bool_),
    )
    figures = _ranked(bootstrapped(*_truth(data), given))
    system = f"semantic-router {answer['version']} ({answer['setting']})"
    row = Row(
        system, "all training examples", "test", figures, answer["seconds"], answer["p50"], answer["p95"]
    )
    return row, given


def run_peer_few(python: Path, data: Clinc, encoder: Encoder, each: int, seeds: int) -> Row:
    """The same draws of few examples that ours gets."""
    found, system, seconds = [], "", 0.0
    for seed in range(seeds):
        row, given = run_peer(python, data, encoder, data.few(each, seed))
        found.append(measure(*_truth(data), given))
        system, seconds = row.system, seconds + row.seconds
    return Row(system, f"{each} examples an intent", "test", _ranked(over_draws(found)), seconds / seeds)


def _ranked(figures: dict[str, Figure]) -> dict[str, Figure]:
    """Without a bar it answers everything: what its thresholds would keep is not measured."""
    return {name: one for name, one in figures.items() if name not in ("kept", "turned_away")}


def _truth(data: Clinc) -> tuple[list[str], list[str]]:
    intents = [intent for _, intent in data.splits["test"]]
    return intents, [data.domain[intent] for intent in intents]


def _asked(python: Path, data: Clinc, encoder: Encoder, pairs: Sequence[Pair]) -> dict[str, Any]:
    train: dict[str, list[str]] = {}
    for text, intent in pairs:
        train.setdefault(intent, []).append(text)
    validation = data.splits["val"][::VALIDATION_EVERY]
    test = [text for text, _ in data.splits["test"]]
    strangers = list(data.strangers["oos_test"])
    texts = list(dict.fromkeys([*(t for t, _ in pairs), *(t for t, _ in validation), *test, *strangers]))
    meta = {"texts": texts, "train": train, "val": validation, "test": test, "strangers": strangers}
    script = Path(__file__).with_name("semantic_router_peer.py")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.json"
        np.savez(source, meta=np.array(json.dumps(meta)), vectors=encoder.encode(texts))
        command = [str(python), str(script), str(source), str(target)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError(f"the peer could not be run: {error}", remedy=HOW) from error
        if done.returncode or not target.is_file():
            told = done.stderr.strip().splitlines()[-1:] or ["no word"]
            raise ConfigError(f"the peer failed: {told[0][:300]}", remedy=HOW)
        answer: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return answer
