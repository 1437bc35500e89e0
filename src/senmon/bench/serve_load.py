"""What the serving benchmark asks: seeded requests behind a prompt of known length, random adapters."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file

from senmon.adapters import Adapter, AdapterCard
from senmon.adapters.folder import version_of
from senmon.bases.catalog import BaseFiles
from senmon.engines.protocol import GenerateRequest, Sampling
from senmon.messages import Message
from senmon.rendering import Renderer

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
RANK, ALPHA = 16, 32.0
#: Size of the random B: enough to change what is said, little enough to keep it language.
SIZE = 0.01
WORDS = (  # noqa: SIM905
    "the order came late and I would like to know when money for returned boots is paid back because my "
    "sister wants to buy a red garden chair with two small tables before summer begins in the north please "
    "tell me how long that takes what it costs and whether somebody can help on Sunday morning thank you"
).split()


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: its prompt in tokens, and when it comes, in seconds after the first."""

    request: GenerateRequest
    ids: tuple[int, ...]
    at: float = 0.0

    @property
    def adapter(self) -> Adapter:
        assert self.request.adapter is not None
        return self.request.adapter


def write_adapters(base: BaseFiles, model: torch.nn.Module, folder: Path, count: int) -> tuple[Adapter, ...]:
    """Random adapters of the default recipe's shape in PEFT's layout, seeded."""
    shapes = {
        name: (module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.rsplit(".", 1)[-1] in LINEARS
    }
    return tuple(_write(base, shapes, folder / f"bench-{seed}", seed) for seed in range(count))


def _write(base: BaseFiles, shapes: dict[str, tuple[int, int]], folder: Path, seed: int) -> Adapter:
    numbers, at = _numbers(), 7919 * seed
    tensors = {}
    for name, (width, height) in shapes.items():
        for factor, rows, columns, size in (("A", RANK, width, width**-0.5), ("B", height, RANK, SIZE)):
            at = at % (len(numbers) - rows * columns)
            part = numbers[at : at + rows * columns].view(rows, columns) * size
            tensors[f"base_model.model.{name}.lora_{factor}.weight"] = part.half()
            at += rows * columns
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, use_rslora=True, target_modules=list(LINEARS), task_type="CAUSAL_LM"
    )
    config.save_pretrained(folder)
    card = AdapterCard(
        pack=folder.name, base_digest=base.digest, rank=RANK, alpha=ALPHA, rslora=True, target_modules=LINEARS
    )
    return Adapter(folder.name, version_of(folder), folder, card)


@cache
def _numbers() -> torch.Tensor:
    """Normal numbers that every adapter takes its own stretch of."""
    return torch.randn(1 << 22, generator=torch.Generator().manual_seed(0))


def make_asks(
    renderer: Renderer,
    adapters: Sequence[Adapter],
    *,
    tokens: int,
    reply: int,
    gap: float = 0.0,
    seed: int = 0,
) -> list[Ask]:
    """One request for each of `adapters`, of exactly `tokens` tokens or one fewer; Poisson arrivals of mean
    `gap` seconds, or all at once."""
    draw = random.Random(seed)
    asks, at = [], 0.0
    for number, adapter in enumerate(adapters):
        messages, ids = _prompt(renderer, draw, tokens, f"{seed} {number}")
        asks.append(Ask(GenerateRequest(messages, adapter, sampling=Sampling(max_tokens=reply)), ids, at))
        at += draw.expovariate(1 / gap) if gap else 0.0
    return asks


def prompt_of(renderer: Renderer, prefix: int, message: int, *, seed: int, turn: int) -> tuple[Message, ...]:
    """A system message of about `prefix` tokens, by `seed`, and one of about `message`, by `turn`."""
    draw = random.Random(seed)
    system = _grown(renderer, draw, prefix, lambda text: (Message("system", text),))
    more = prefix + message
    draw = random.Random(f"{seed} {turn}")
    return _grown(renderer, draw, more, lambda text: (*system, Message("user", text)))


def _prompt(
    renderer: Renderer, draw: random.Random, tokens: int, begin: str
) -> tuple[tuple[Message, ...], tuple[int, ...]]:
    system = Message("system", f"You help the customers of shop {begin}. Be brief.")
    messages = _grown(renderer, draw, tokens, lambda text: (system, Message("user", text)))
    return messages, tuple(renderer.prompt(messages))


def _grown(
    renderer: Renderer, draw: random.Random, tokens: int, wrap: Callable[[str], tuple[Message, ...]]
) -> tuple[Message, ...]:
    words = [draw.choice(WORDS)]
    while True:
        longer = [*words, draw.choice(WORDS)]
        if len(renderer.prompt(wrap(" ".join(longer)))) > tokens:
            return wrap(" ".join(words))
        words = longer


def zipf(adapters: Sequence[Adapter], count: int, *, seed: int) -> list[Adapter]:
    """`count` draws, the k-th most popular with weight 1/k."""
    draw = random.Random(seed)
    return draw.choices(list(adapters), [1 / (rank + 1) for rank in range(len(adapters))], k=count)
