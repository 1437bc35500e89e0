"""The loss of a micro-batch whose rows share their prefix, exact and several times cheaper than padding.

The prefix runs once; its keys and values are expanded to all rows, gradients flowing; the suffixes run
behind it; the LM head sees supervised positions only. Both passes are in one `forward`, so that
DistributedDataParallel can wrap it. Without a shared prefix (cut 0) this is the plain padded computation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from senmon.tuning.attention import attention_of
from senmon.tuning.batches import MicroBatch

#: Logits made at a time: 2²⁴ floats are 64 MiB.
LOGITS_AT_ONCE = 1 << 24


class SharedPrefixLoss(nn.Module):
    """Negative log-likelihood of each supervised token of a micro-batch.

    `in_bf16`: multiply in bf16, with weights, gradients and losses kept as they are; on a GPU always.
    """

    def __init__(self, model: Any, *, logits_at_once: int = LOGITS_AT_ONCE) -> None:
        super().__init__()
        self.model = model
        self.in_bf16 = False
        #: Whether `attention.attend` computes what the model's own attention does.
        self.plain_attention = False
        self._logits_at_once = logits_at_once
        self._plain_head = _head_is_plain(self._causal)
        self.plain_attention = _attention_is_plain(self)

    @property
    def _causal(self) -> Any:
        """The causal LM; with PEFT, its LoRA layers are inside it."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def forward(self, batch: MicroBatch) -> Tensor:
        """float32 [S]: the loss of every target."""
        device = batch.suffix.device.type
        autocast = torch.autocast(device, dtype=torch.bfloat16, enabled=self.in_bf16 or device == "cuda")
        ours = self.plain_attention and self.in_bf16 and device == "cpu"
        with autocast, attention_of(self._causal, ours=ours):
            rows, width = batch.suffix.shape
            past = len(batch.prefix)
            positions = torch.arange(past, past + width, device=batch.suffix.device).expand(rows, -1)
            cache = self._prefix(batch.prefix, rows) if past else None
            # No attention mask: with right padding a real token sees real tokens only.
            states = self._run(batch.suffix, positions, cache)
            chosen = states.flatten(0, 1).index_select(0, batch.position)
            return self._losses(chosen, batch.target)

    def _prefix(self, prefix: Tensor, rows: int) -> Any:
        from transformers import DynamicCache

        cache = DynamicCache(config=self._causal.config)
        self._decoder(input_ids=prefix[None], past_key_values=cache, use_cache=True)
        for layer in cache.layers:
            layer.keys = layer.keys.expand(rows, -1, -1, -1)
            layer.values = layer.values.expand(rows, -1, -1, -1)
        return cache

    @property
    def _decoder(self) -> Any:
        return getattr(self._causal, self._causal.base_model_prefix)

    def _run(self, ids: Tensor, positions: Tensor, cache: Any) -> Tensor:
        """Hidden states [R, T, H]; logits [R, T, V] where the head does more than multiply."""
        model = self._decoder if self._plain_head else self._causal
        use = cache is not None
        output = model(input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=use)
        states: Tensor = output.last_hidden_state if self._plain_head else output.logits
        return states

    def _losses(self, states: Tensor, targets: Tensor) -> Tensor:
        size = max(1, self._logits_at_once // int(self._causal.config.get_text_config().vocab_size))
        if len(targets) <= size:
            return self._piece(states, targets)
        pieces = []
        for part, wanted in zip(torch.split(states, size), torch.split(targets, size), strict=True):
            # Logits of a piece are made again in the backward pass rather than kept.
            kept = checkpoint(self._piece, part, wanted, use_reentrant=False) if part.requires_grad else None
            pieces.append(self._piece(part, wanted) if kept is None else kept)
        return torch.cat(pieces)

    def _piece(self, states: Tensor, targets: Tensor) -> Tensor:
        logits = self._causal.get_output_embeddings()(states) if self._plain_head else states
        return functional.cross_entropy(logits.float(), targets, reduction="none")


@torch.no_grad()
def _head_is_plain(causal: Any) -> bool:
    """Whether logits are just head(hidden): some models cap or scale them."""
    ids = _probe_ids(causal)[None]
    hidden = getattr(causal, causal.base_model_prefix)(input_ids=ids, use_cache=False).last_hidden_state
    ours = causal.get_output_embeddings()(hidden).float()
    return torch.allclose(ours, causal(input_ids=ids, use_cache=False).logits.float(), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def _attention_is_plain(loss: SharedPrefixLoss) -> bool:
    """Some models look back a window only, cap their scores or bend them otherwise."""
    causal = loss._causal
    if any(each not in (None, "full_attention") for each in _layer_types(causal)):
        return False
    ids = _probe_ids(causal)[None]
    if ids.device.type != "cpu":
        return False
    theirs = causal(input_ids=ids, use_cache=False).logits.float()
    try:
        with attention_of(causal, ours=True):
            ours = causal(input_ids=ids, use_cache=False).logits.float()
    except (AttributeError, KeyError, TypeError, RuntimeError, ValueError):
        return False
    exact = causal.get_input_embeddings().weight.dtype == torch.float32
    near = 1e-3 if exact else 5e-2
    return torch.allclose(ours, theirs, rtol=near, atol=near)


def _layer_types(causal: Any) -> list[Any]:
    config = causal.config.get_text_config()
    window = (
        "window"
        if getattr(config, "use_sliding_window", bool(getattr(config, "sliding_window", None)))
        else None
    )
    return [window, *(getattr(config, "layer_types", None) or [])]


def _probe_ids(causal: Any, count: int = 12) -> Tensor:
    vocabulary = int(causal.config.get_text_config().vocab_size)
    ids = torch.arange(7, 7 + 5 * count, 5) % vocabulary
    return ids.to(causal.get_input_embeddings().weight.device)


@torch.no_grad()
def can_share(loss: SharedPrefixLoss) -> bool:
    """Whether expanding the prefix's cache is valid for this model.

    Not with gradient checkpointing (it empties the cache) or with sliding or linear attention; beyond what
    configurations tell, a probe compares both computations.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    causal = loss._causal
    if any(getattr(module, "gradient_checkpointing", False) for module in causal.modules()):
        return False
    if any(type(layer) is not DynamicLayer for layer in DynamicCache(config=causal.config).layers):
        return False
    ids = _probe_ids(causal)
    suffix = torch.stack([ids[4:], ids[4:].flip(0)])
    wanted = torch.arange(len(ids) - 5, device=ids.device)
    width = suffix.shape[1]

    def batch(prefix: Tensor, rows: Tensor) -> MicroBatch:
        offset = 4 - len(prefix)
        position = torch.cat([wanted + offset, wanted + offset + rows.shape[1]])
        target = torch.cat([suffix[0, 1:width], suffix[1, 1:width]])
        return MicroBatch(prefix, rows, position, target, torch.zeros_like(position))

    whole = torch.cat([ids[:4].expand(2, -1), suffix], dim=1)
    try:
        shared, plain = loss(batch(ids[:4], suffix)), loss(batch(ids[:0], whole))
    except (AttributeError, TypeError, RuntimeError, ValueError):
        return False
    exact = causal.get_input_embeddings().weight.dtype == torch.float32
    return torch.allclose(shared, plain, rtol=1e-3 if exact else 5e-2, atol=1e-3 if exact else 0.2)
