"""Where a run goes on from: weights, optimiser state and position in one folder that is renamed into place.

`checkpoint` is the last whole one. It moves to `checkpoint.old` only for the moment in which the next one
takes its name, so a kill at any point leaves a whole one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from senmon.adapters import durable
from senmon.errors import ConfigError, TuningError
from senmon.pretraining.plan import State

NAME = "checkpoint"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises TuningError when `path` can't be written inside the block; what was there before stays."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TuningError(
            f"{path}: could not be written ({error})",
            remedy="free disk space or check permissions, then give the same command: it goes on from the "
            "last checkpoint",
        ) from error


def weights(model: Any, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """The model's tensors on the CPU, a tied head left out."""
    return {
        name: value.detach().to("cpu", dtype).contiguous()
        for name, value in model.state_dict().items()
        if name != "lm_head.weight" or not model.config.tie_word_embeddings
    }


def save(
    out: Path,
    model: Any,
    optimisers: Sequence[torch.optim.Optimizer],
    state: State,
    identity: Mapping[str, Any],
) -> None:
    """Raises TuningError when the disk refuses; the checkpoint before stays whole."""
    tensors = {f"model.{name}": value for name, value in weights(model).items()}
    for number, optimiser in enumerate(optimisers):
        for place, values in optimiser.state_dict()["state"].items():
            for name, value in values.items():
                tensors[f"optimiser.{number}.{place}.{name}"] = torch.as_tensor(value).contiguous().cpu()
    draft = out / f"{NAME}.tmp"
    try:
        with writing(draft):
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            save_file(tensors, draft / "state.safetensors")
            durable.fsync_file(draft / "state.safetensors")
            durable.write_json(draft / "state.json", {"state": asdict(state), "identity": dict(identity)})
            _install(draft, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _install(draft: Path, out: Path) -> None:
    final, old = out / NAME, out / f"{NAME}.old"
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        final.replace(old)
    draft.replace(final)
    durable.fsync_folder(out)
    shutil.rmtree(old, ignore_errors=True)


def peek(out: Path, identity: Mapping[str, Any]) -> tuple[Path, State] | None:
    """The checkpoint to go on from. None without one.

    Raises ConfigError when it belongs to another plan, naming what differs, or when it can't be read.
    """
    folder = next((path for path in (out / NAME, out / f"{NAME}.old") if path.is_dir()), None)
    if folder is None:
        return None
    try:
        saved = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        found, state = saved["identity"], State(**saved["state"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error
    differences = _differences(found, json.loads(json.dumps(identity)))
    if differences:
        raise ConfigError(
            f"{folder} belongs to another plan: {'; '.join(differences)}",
            remedy="give the command it was started with, choose another --out, or remove the folder",
        )
    return folder, state


def load(folder: Path, model: Any, optimisers: Sequence[torch.optim.Optimizer]) -> None:
    """Raises ConfigError when the file is damaged."""
    try:
        tensors = load_file(folder / "state.safetensors")
    except (OSError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    named = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    model.load_state_dict(named, strict=False)
    for number, optimiser in enumerate(optimisers):
        _load_optimiser(optimiser, f"optimiser.{number}.", tensors)


def _load_optimiser(
    optimiser: torch.optim.Optimizer, prefix: str, tensors: Mapping[str, torch.Tensor]
) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            place, name = key.removeprefix(prefix).split(".", 1)
            state.setdefault(int(place), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _damaged(folder: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"{folder} can't be read ({str(error)[:200]})",
        remedy="remove it; the run then starts anew",
    )


def _differences(was: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        keys = sorted(was.keys() | now.keys())
        return [
            text
            for key in keys
            for text in _differences(was.get(key), now.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if was == now else [f"{name} was {_short(was)}, is {_short(now)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
