"""Random adapters in PEFT's layout, requests, and what plain PEFT would say to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from senmon.adapters import Adapter, AdapterCard
from senmon.adapters.folder import version_of
from senmon.bases.catalog import BaseFiles, load_model
from senmon.engines.local_text import TextStream, Vocabulary
from senmon.engines.protocol import Chunk, GenerateRequest, Sampling
from senmon.messages import Message, ToolCall, Usage
from senmon.packs.manifest import ActionSpec
from senmon.rendering import Renderer

ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Reply:
    text: str
    usage: Usage
    finish: str
    call: ToolCall | None
    chunks: tuple[Chunk, ...]


def card_of(folder: Path, name: str, base_digest: str, **fields: Any) -> Adapter:
    card = AdapterCard(pack=name, base_digest=base_digest, rank=4, alpha=8, target_modules=ALL, **fields)
    return Adapter(name, version_of(folder), folder, card)


def write_adapter(base: BaseFiles, folder: Path, name: str, *, seed: int, **lora: Any) -> Adapter:
    options = {"r": 4, "lora_alpha": 8.0, "target_modules": list(ALL), **lora}
    torch.manual_seed(seed)
    model = get_peft_model(
        load_model(base), LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **options)
    )
    model.save_pretrained(folder)
    return card_of(folder, name, base.digest)


def ask(text: str, adapter: Adapter | None = None, **options: Any) -> GenerateRequest:
    """A request after a static prefix; `options` are Sampling's and GenerateRequest's."""
    own = {key: options.pop(key) for key in ("tools", "candidates", "released") if key in options}
    prefix = Message("system", "You are the assistant of a small shop that sells garden tools and seeds.")
    messages = (prefix, Message("user", text))
    return GenerateRequest(messages, adapter, sampling=Sampling(**{"max_tokens": 24, **options}), **own)


def tool(name: str, parameters: Mapping[str, Any]) -> ActionSpec:
    return ActionSpec.model_validate({"name": name, "description": f"does {name}", "parameters": parameters})


async def reply(engine: Any, request: GenerateRequest) -> Reply:
    chunks = [chunk async for chunk in engine.generate(request)]
    last = chunks[-1]
    assert last.finish is not None and last.usage is not None
    assert all(chunk.finish is None for chunk in chunks[:-1])
    return Reply("".join(c.text for c in chunks), last.usage, last.finish, last.tool_call, tuple(chunks))


async def replies(engine: Any, requests: list[GenerateRequest], *, gap: float = 0.0) -> list[Reply]:
    async def one(index: int, request: GenerateRequest) -> Reply:
        await asyncio.sleep(index * gap)
        return await reply(engine, request)

    return list(await asyncio.gather(*(one(i, request) for i, request in enumerate(requests))))


def longer(request: GenerateRequest, tokens: int) -> GenerateRequest:
    return replace(request, sampling=replace(request.sampling, max_tokens=tokens))


class Reference:
    """PEFT's own greedy generation, one request at a time."""

    def __init__(self, base: BaseFiles, adapters: tuple[Adapter, ...], renderer: Renderer) -> None:
        self.renderer = renderer
        self.plain = load_model(base)
        first, *rest = adapters
        self.tuned = PeftModel.from_pretrained(load_model(base), first.path, adapter_name=first.pack)
        for adapter in rest:
            self.tuned.load_adapter(adapter.path, adapter_name=adapter.pack)
        self.tuned.eval()

    def ids(self, request: GenerateRequest) -> list[int]:
        prompt = torch.tensor([self.renderer.prompt(request.messages, released=request.released)])
        model: Any = self.plain
        if request.adapter:
            self.tuned.set_adapter(request.adapter.pack)
            model = self.tuned
        markers = [id for id in (self.renderer.tool_start, self.renderer.tool_end) if id is not None]
        output = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=request.sampling.max_tokens,
            eos_token_id=sorted(self.renderer.stop_ids),
            suppress_tokens=sorted(self.renderer.forbidden_ids) + markers,
        )
        ids: list[int] = output[0, prompt.shape[1] :].tolist()
        return ids

    def text(self, ids: list[int], vocabulary: Vocabulary) -> str:
        stream = TextStream(())
        return "".join(stream.feed(vocabulary.pieces[id]).text for id in ids) + stream.flush()
