"""Causal attention for tuning on a CPU in bf16: plain matrix products, forward and backward.

torch's fused attention for CPUs reaches a third of the speed of the bf16 products that this one is made of;
most is won in the backward pass. The weights, in bf16, are kept for it, so it is taken only where these are
small (`MOST_KEPT`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

#: The name under which transformers finds it.
NAME = "senmon_causal"
#: Bytes of one layer's attention weights that may be kept for the backward pass.
MOST_KEPT = 32 << 20


class CausalAttention(torch.autograd.Function):
    """softmax(q·kᵀ·scale)·v for [B, T, D] queries that stand behind the first K - T of [B, K, D] keys."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        length, known = q.shape[1], k.shape[1]
        with torch.autocast(q.device.type, enabled=False):
            q = q * scale
            scores = torch.bmm(q, k.transpose(1, 2))
            later = torch.ones(length, length, dtype=torch.bool, device=q.device).triu_(1)
            scores[:, :, known - length :].masked_fill_(later, float("-inf"))
            weights = torch.softmax(scores, -1)
            ctx.save_for_backward(q, k, v, weights)
            ctx.scale = scale
            return torch.bmm(weights, v)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, weights = ctx.saved_tensors
        of_output = gradients[0].contiguous()
        of_v = torch.bmm(weights.transpose(1, 2), of_output)
        of_weights = torch.bmm(of_output, v.transpose(1, 2))
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_q = torch.bmm(of_scores, k).mul_(ctx.scale)
        return of_q, torch.bmm(of_scores.transpose(1, 2), q), of_v, None


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """What transformers asks of an attention: [R, H, T, D] queries, [R, H/groups, K, D] keys and values →
    [R, T, H, D]. Plainly causal, whatever the mask."""
    rows, heads, length, _size = query.shape
    groups = heads // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    dtype = torch.bfloat16 if torch.is_autocast_enabled(query.device.type) else query.dtype
    if rows * heads * length * key.shape[2] * dtype.itemsize > MOST_KEPT:
        seen = torch.ones(length, key.shape[2], dtype=torch.bool, device=query.device)
        seen = seen.tril_(key.shape[2] - length)
        output = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=scale)
        return output.transpose(1, 2), None
    q, k, v = (each.to(dtype).reshape(rows * heads, -1, each.shape[-1]) for each in (query, key, value))
    attended: Tensor = CausalAttention.apply(q, k, v, scale)  # type: ignore[no-untyped-call]
    return attended.reshape(rows, heads, length, -1).transpose(1, 2), None


@contextmanager
def attention_of(causal: Any, *, ours: bool) -> Iterator[None]:
    """Within it the model attends by `attend`, where `ours`."""
    if not ours:
        yield
        return
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    config = causal.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
