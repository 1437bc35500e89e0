"""The embedded base's weights without the library: its model classes take seconds of every start to import.

Only the base that senmon ships is read so; tests compare its logits with the library's. The lean pass then
finds what it would find in the library's model: the configuration, the linears by name, norms and angles.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from senmon.bases.catalog import EMBEDDED, BaseFiles


class Config(SimpleNamespace):
    """`config.json`, by attribute."""

    def get_text_config(self) -> Config:
        return self


class BareModel(nn.Module):
    """Weights [out, in] in float32 at the library's names. It has no pass of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.config = Config(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
        self.device, self.dtype = torch.device("cpu"), torch.float32
        weights = {
            name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()
        }
        for name in sorted(weights, key=_place):
            _put(self, name.split("."), weights[name].float())
        config = self.config
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        theta = float(config.rope_parameters["rope_theta"])
        decoder: Any = self.model
        decoder.rotary_emb = _Angles(size, theta)
        self._embedding: Any = decoder.embed_tokens
        if not hasattr(self, "lm_head"):
            self.lm_head = _linear(self._embedding.weight)

    def get_input_embeddings(self) -> Any:
        return self._embedding

    def get_output_embeddings(self) -> Any:
        return self.lm_head


class _Angles(nn.Module):
    """Rotary positions (Su et al. 2021, arXiv 2104.09864): cosines and sines [1, tokens, head size]."""

    def __init__(self, size: int, theta: float) -> None:
        super().__init__()
        self._turns = theta ** -(torch.arange(0, size, 2).float() / size)

    def forward(self, like: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        angles = places[..., None].float() * self._turns
        both = torch.cat([angles, angles], dim=-1)
        return both.cos(), both.sin()


def bare_model(files: BaseFiles, device: str) -> BareModel | None:
    """The embedded base on a CPU; None for every other, which the library loads."""
    if files.spec != EMBEDDED or device != "cpu":
        return None
    return BareModel(files.path)


def _place(name: str) -> list[tuple[int, str]]:
    """Layers in the order of their numbers."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in name.split(".")]


def _put(module: Any, path: list[str], value: Tensor) -> None:
    """Hangs a weight into the tree of modules, which grows as needed."""
    here, *rest = path
    if not rest:
        module.register_parameter(here, nn.Parameter(value, requires_grad=False))
        return
    if not hasattr(module, here):
        if here.isdigit():
            assert int(here) == len(module), path
            module.append(nn.Module())
        elif here == "layers":
            module.layers = nn.ModuleList()
        else:
            module.add_module(here, _linear(value) if _is_linear(rest, value, here) else nn.Module())
    _put(module[int(here)] if here.isdigit() else getattr(module, here), rest, value)


def _is_linear(rest: list[str], value: Tensor, name: str) -> bool:
    return rest == ["weight"] and value.ndim == 2 and name != "embed_tokens"


def _linear(weight: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    return linear
