"""The checkpoint of a tuning run: one safetensors file, replaced in one step, no pickle.

Tensors: weights, optimiser moments, the best weights so far, the state of the random generator. The rest
(position, plan, history) is JSON in the file's metadata, so both can never disagree.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from senmon.adapters.durable import fsync_file, fsync_folder
from senmon.tuning import lora
from senmon.tuning.budget import Plan
from senmon.tuning.disk import writing
from senmon.tuning.divergence import Divergence

FILE = "state.safetensors"
#: Raised when the meaning of a checkpoint changes; others are left aside.
FORMAT = 1


@dataclass(slots=True)
class Position:
    """Where a run is. `step` optimiser steps are done; `history` rows are [step, value, …]."""

    step: int = 0
    stopped: bool = False
    best_loss: float | None = None
    best_step: int = 0
    waited: int = 0
    elapsed: float = 0.0
    tokens: int = 0
    base_loss: float | None = None
    train: list[list[float]] = field(default_factory=list)
    valid: list[list[float]] = field(default_factory=list)
    divergence: Divergence = field(default_factory=Divergence)


@dataclass(slots=True)
class Checkpoint:
    """What `load` gives back: `tensors` as they were saved, named `weight/…`, `best/…`, and so on."""

    position: Position
    plan: Plan
    tensors: dict[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        return {key.split("/", 1)[1]: t for key, t in self.tensors.items() if key.startswith(f"{name}/")}


def save(
    folder: Path,
    identity: str,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    position: Position,
    plan: Plan,
) -> None:
    """Write the checkpoint. Killed at any moment, the folder holds the old one or the new one.

    Raises TuningError when it can't be written; the old one stays.
    """
    with writing(folder / FILE):
        _write(folder, _tensors(model, optimizer, best), _state(identity, position, plan))


def _tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, best: dict[str, Tensor]
) -> dict[str, Tensor]:
    tensors = {f"weight/{name}": tensor for name, tensor in lora.snapshot(model).items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    for name, parameter in lora.parameters(model).items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = value
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def _state(identity: str, position: Position, plan: Plan) -> str:
    return json.dumps(
        {"identity": identity, "format": FORMAT, "position": asdict(position), "plan": plan.to_json()}
    )


def _write(folder: Path, tensors: dict[str, Tensor], state: str) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{FILE}.tmp"
    save_file(tensors, draft, metadata={"state": state})
    fsync_file(draft)
    draft.replace(folder / FILE)
    fsync_folder(folder)


def load(folder: Path, identity: str) -> Checkpoint | None:
    """The checkpoint of a run with the same inputs; None when there is none, or only another run's."""
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if state["identity"] != identity or state["format"] != FORMAT:
            return None
        return Checkpoint(_position(state["position"]), Plan.from_json(state["plan"]), tensors)
    except (SafetensorError, KeyError, TypeError, ValueError):
        return None


def _position(data: dict[str, Any]) -> Position:
    return Position(**{**data, "divergence": Divergence(**data["divergence"])})


def apply(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put weights, optimiser state and random state back, bit for bit."""
    lora.restore(model, checkpoint.part("weight"))
    kept = ("step", "exp_avg", "exp_avg_sq")
    parts = {key: checkpoint.part(key) for key in kept}
    for name, parameter in lora.parameters(model).items():
        if name in parts["step"]:
            moments = {key: parts[key][name].to(parameter.device) for key in kept[1:]}
            optimizer.state[parameter] = {"step": parts["step"][name], **moments}
    random = checkpoint.part("random")
    torch.set_rng_state(random["cpu"])
    if "cuda" in random and torch.cuda.is_available():
        torch.cuda.set_rng_state(random["cuda"])
