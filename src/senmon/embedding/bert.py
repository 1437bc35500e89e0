"""BERT's forward pass (Devlin et al. 2018, arXiv 1810.04805), lean on a CPU, straight from its safetensors.

A message is a handful of tokens: in the library's pass more than half of the time goes to modules that call
modules, and importing it takes seconds of every start. The arithmetic is the same, float32.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

#: What a model's configuration must say for this pass to be its own.
_SHAPE = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
_PREFIX = "bert."


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x Wᵀ + b, the weight in oneDNN's layout where that is there."""

    weight: Tensor
    bias: Tensor
    packed: bool

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor) -> Self:
        packed = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        if packed:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        return cls(weight, bias, packed)

    def __call__(self, x: Tensor) -> Tensor:
        if not self.packed:
            return functional.linear(x, self.weight, self.bias)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return y


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: Linear
    out: Linear
    out_norm: tuple[Tensor, Tensor]
    up: Linear
    down: Linear
    down_norm: tuple[Tensor, Tensor]


def fits(folder: Path) -> bool:
    """Whether the model of `folder` is of the shape that `Bert` runs."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return all(config.get(name, value) == value for name, value in _SHAPE.items()) and "model_type" in config


class Bert:
    """Hidden states of texts. Any number of threads may use it at once."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._heads, self._eps = (
            int(config["num_attention_heads"]),
            float(config.get("layer_norm_eps", 1e-12)),
        )
        weights = _weights(folder)
        self._words = weights["embeddings.word_embeddings.weight"]
        kinds = weights["embeddings.token_type_embeddings.weight"]
        self._places = weights["embeddings.position_embeddings.weight"] + kinds[0]
        self._norm = _norm(weights, "embeddings.LayerNorm")
        self._layers = [_layer(weights, number) for number in range(int(config["num_hidden_layers"]))]

    @torch.inference_mode()
    def states(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """[texts, tokens] with a mask of ones and zeros → [texts, tokens, size] of the embeddings, then of
        each layer. What stands at padding means nothing."""
        count = ids.shape[1]
        seen = None if bool(mask.all()) else mask.bool()[:, None, None]
        h = self._normed(self._words[ids] + self._places[:count], self._norm)
        found = [h]
        for layer in self._layers:
            h = self._normed(h + layer.out(self._attended(layer.qkv(h), seen)), layer.out_norm)
            h = self._normed(h + layer.down(functional.gelu(layer.up(h))), layer.down_norm)
            found.append(h)
        return found

    def _attended(self, qkv: Tensor, seen: Tensor | None) -> Tensor:
        rows, count, width = qkv.shape
        q, k, v = qkv.view(rows, count, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return found.transpose(1, 2).reshape(rows, count, width // 3)

    def _normed(self, x: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], *norm, self._eps)


def load_tokenizer(folder: Path, most: int) -> Tokenizer:
    """Cuts texts at `most` tokens and pads none."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    return [one.ids for one in tokenizer.encode_batch_fast(list(texts))]


def _weights(folder: Path) -> dict[str, Tensor]:
    found: Mapping[str, Any] = load_file(folder / "model.safetensors")
    return {name.removeprefix(_PREFIX): value.float() for name, value in found.items()}


def _layer(weights: Mapping[str, Tensor], number: int) -> _Layer:
    at = f"encoder.layer.{number}"
    parts = [f"{at}.attention.self.{name}" for name in ("query", "key", "value")]
    joined = (torch.cat([weights[f"{part}.{kind}"] for part in parts]) for kind in ("weight", "bias"))
    return _Layer(
        qkv=Linear.of(*joined),
        out=_linear(weights, f"{at}.attention.output.dense"),
        out_norm=_norm(weights, f"{at}.attention.output.LayerNorm"),
        up=_linear(weights, f"{at}.intermediate.dense"),
        down=_linear(weights, f"{at}.output.dense"),
        down_norm=_norm(weights, f"{at}.output.LayerNorm"),
    )


def _linear(weights: Mapping[str, Tensor], name: str) -> Linear:
    return Linear.of(weights[f"{name}.weight"], weights[f"{name}.bias"])


def _norm(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]
