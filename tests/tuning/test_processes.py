"""Two processes over gloo give what one gives; they go on after a kill; a half environment is told."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from senmon.bases.catalog import BaseFiles
from senmon.errors import ConfigError, TuningError
from senmon.packs.loader import load_pack
from senmon.tuning import processes
from senmon.tuning.tune import tune


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runs = load("test_tune")
RECIPE, dataset = runs.RECIPE, runs.dataset

CHILD = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from senmon.bases.catalog import resolve
from senmon.packs.loader import load_pack
from senmon.tuning.tune import tune
from test_tune import RECIPE, dataset
def tell(p):
    print(p.phase, p.step, p.note, flush=True)
tune(load_pack(Path(sys.argv[2])), dataset(), base=resolve(sys.argv[3]), out=Path(sys.argv[4]),
     recipe=RECIPE.model_copy(update={"epochs": 2.0, "precision": "fp32"}), on_progress=tell,
     checkpoint_seconds=0, checkpoints=sys.argv[5])
"""

CPU = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def start(arguments: list[str], world: int = 2) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(Path(__file__).parent), *arguments],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), **CPU},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]


def end(children: list[subprocess.Popen[str]]) -> list[str]:
    said = [child.communicate(timeout=300) for child in children]
    for child, (_, wrong) in zip(children, said, strict=True):
        assert child.returncode == 0, wrong
    return [out for out, _ in said]


def kill_after_three_steps(children: list[subprocess.Popen[str]]) -> None:
    assert children[0].stdout is not None
    for line in children[0].stdout:
        if line.startswith("train 3 "):
            break
    for child in reversed(children):
        child.send_signal(signal.SIGKILL)
    for child in children:
        child.communicate(timeout=300)


@pytest.mark.parametrize("killed", [False, True])
def test_two_processes_give_what_one_gives(
    killed: bool, pack_folder: Callable[..., Path], tiny_base: BaseFiles, tmp_path: Path
) -> None:
    if killed and not os.environ.get("SENMON_TEST_KILLS"):
        pytest.skip("takes another ten seconds: set SENMON_TEST_KILLS=1")
    folder = pack_folder("shop")
    recipe = RECIPE.model_copy(update={"epochs": 2.0, "precision": "fp32"})
    one = tune(
        load_pack(folder),
        dataset(),
        base=tiny_base,
        out=tmp_path / "one",
        recipe=recipe,
        device="cpu",
        threads=1,
    )
    out, storage = tmp_path / "two", tmp_path / "storage"
    arguments = [str(folder), tiny_base.spec, str(out), str(storage)]

    if killed:
        kill_after_three_steps(start(arguments))
        (out / "checkpoint" / "state.safetensors").unlink()  # as on another machine: the storage has it
    said = end(start(arguments))
    assert said[1] == "" and ("resumed at step" in said[0]) == killed, "the first process speaks"

    lone, both = (json.loads((tmp_path / name / "curve.json").read_text()) for name in ("one", "two"))
    assert len(both["train"]) == len(lone["train"]) == one.metrics["steps"]
    for mine, theirs in zip(lone["train"], both["train"], strict=True):
        assert mine["step"] == theirs["step"] and theirs["loss"] == pytest.approx(mine["loss"], rel=1e-4)
    for mine, theirs in zip(lone["valid"], both["valid"], strict=True):
        assert mine["step"] == theirs["step"] and theirs["loss"] == pytest.approx(mine["loss"], rel=1e-4)
    weights = [load_file(tmp_path / name / "adapter/adapter_model.safetensors") for name in ("one", "two")]
    worst = max(float((weights[0][k].float() - weights[1][k].float()).abs().max()) for k in weights[0])
    largest = max(float(t.abs().max()) for t in weights[0].values())
    assert worst <= 2e-3 * largest


@pytest.mark.parametrize("missing", ["MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK"])
def test_a_half_environment_is_told(missing: str) -> None:
    whole = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    assert processes.rank(whole) == 1
    assert processes.rank({"RANK": "0"}) == 0 and processes.rank({}) == 0
    with pytest.raises(ConfigError, match=missing) as told:
        processes.rank({name: value for name, value in whole.items() if name != missing})
    assert "torchrun" in told.value.remedy


def test_processes_that_found_different_checkpoints_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    import accelerate.utils

    class Two:
        num_processes = 2

    monkeypatch.setattr(accelerate.utils, "gather_object", lambda mine: [*mine, -1])
    with pytest.raises(TuningError, match="step 40, none") as told:
        processes.require_same_step(Two(), 40)
    assert "--checkpoints" in told.value.remedy
