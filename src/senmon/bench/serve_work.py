"""The arithmetic and the memory that a load needs whatever the program: the roofline's two numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from senmon.bases.catalog import BaseFiles
from senmon.bench.hardware import Hardware, measure_products
from senmon.bench.serve_load import RANK

FLOAT = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """Numbers of a base: weights of a layer, of its LoRA, of the head; floats of a token's keys, values."""

    layers: int
    layer: int
    keys_only: int
    lora: int
    lora_keys: int
    head: int
    keys_values: int
    heads: int
    vocabulary: int
    products: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, base: BaseFiles) -> Shape:
        config = json.loads((base.path / "config.json").read_text(encoding="utf-8"))
        hidden, middle = config["hidden_size"], config["intermediate_size"]
        size = config.get("head_dim") or hidden // config["num_attention_heads"]
        heads = config["num_attention_heads"]
        q, kv = heads * size, (config.get("num_key_value_heads") or heads) * size
        pairs = [
            (hidden, q),
            (hidden, kv),
            (hidden, kv),
            (q, hidden),
            *[(hidden, middle)] * 2,
            (middle, hidden),
        ]
        keys = [(hidden, kv)] * 2
        return cls(
            config["num_hidden_layers"],
            sum(a * b for a, b in pairs),
            sum(a * b for a, b in keys),
            sum(RANK * (a + b) for a, b in pairs),
            sum(RANK * (a + b) for a, b in keys),
            hidden * config["vocab_size"],
            2 * kv,
            q,
            config["vocab_size"],
            tuple(pairs * config["num_hidden_layers"]),
        )


def least_seconds(
    base: BaseFiles, hardware: Hardware, prompts: Sequence[int], reply: int, adapters: int
) -> float:
    """CPU seconds for these prompts and replies of `reply` tokens, decoded all together.

    The last layer of a prompt is counted for its last token and for keys and values only.
    """
    shape = Shape.of(base)
    total = hardware.seconds(sum(_prompt_flops(shape, length) for length in prompts), 0)
    weights = FLOAT * (shape.layers * (shape.layer + adapters * shape.lora) + shape.head)
    for step in range(reply - 1):
        lengths = [length + step + 1 for length in prompts]
        flops = sum(_token_flops(shape, length) for length in lengths)
        memory = weights + FLOAT * shape.layers * shape.keys_values * sum(lengths)
        total += hardware.seconds(flops, memory)
    return total


def least_at_shapes(
    base: BaseFiles,
    hardware: Hardware,
    prompts: Sequence[int],
    reply: int,
    adapters: int,
    pick: Callable[[list[float]], float] = min,
) -> float:
    """The same where products run no faster than alone at this base's shapes and these numbers of rows."""
    shape = Shape.of(base)
    several = [*shape.products, (shape.products[0][0], shape.vocabulary)]
    at_prompt = measure_products(shape.products, round(sum(prompts) / len(prompts)), pick)
    at_step = measure_products(several, len(prompts), pick)
    before = replace(hardware, flops=min(hardware.flops, at_prompt))
    after = replace(hardware, flops=min(hardware.flops, at_step))
    first = least_seconds(base, before, prompts, 1, adapters)
    return (
        first
        + least_seconds(base, after, prompts, reply, adapters)
        - least_seconds(base, after, prompts, 1, adapters)
    )


def _prompt_flops(shape: Shape, length: int) -> float:
    whole = 2 * (shape.layer + shape.lora)
    seen = 4 * shape.heads * length * (length + 1) / 2
    last = 2 * (shape.keys_only + shape.lora_keys) * length + whole + 4 * shape.heads * length
    return (shape.layers - 1) * (whole * length + seen) + last + 2 * shape.head


def _token_flops(shape: Shape, seen: int) -> float:
    return shape.layers * (2 * (shape.layer + shape.lora) + 4 * shape.heads * seen) + 2 * shape.head
