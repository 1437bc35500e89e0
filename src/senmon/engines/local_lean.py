"""A forward pass for the usual decoder (RMS norms, rotary positions, gated SiLU), lean on a CPU.

The library's own pass spends much of a small model's step on masks, many small operations and products
that could be one. This one runs the same arithmetic: queries, keys and values in one product, gate and up in
another, weights in oneDNN's layout, and in the last layer only what the answer needs. Bases of another
shape run through the library; a probe at start compares both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from senmon.engines.local_attention import OneTokenStep, SlotView
from senmon.engines.local_cache import SlotCache
from senmon.engines.local_sites import Site

#: Architectures whose layers are these, as transformers names them.
_KINDS = ("llama", "mistral", "qwen2", "qwen3")
#: Rotary angles that do not change with the length of the text.
_ANGLES = ("default", "linear", "llama3", "yarn")
#: Weights up to this many bytes are kept a second time, in oneDNN's layout.
_PACKED_BYTES = 1 << 30


def fits(model: Any) -> bool:
    """Whether this model, on this device and in this type, is of the known shape."""
    config = model.config
    rotary = getattr(config, "rope_parameters", None) or {}
    return (
        config.model_type in _KINDS
        and model.device.type == "cpu"
        and model.dtype == torch.float32
        and getattr(config, "hidden_act", "") == "silu"
        and rotary.get("rope_type", "default") in _ANGLES
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    before: Tensor
    qkv: Site
    #: The norms' gains of queries and keys [groups, 1, head size], and the same turned by half a head.
    gains: Tensor | None
    rolled: Tensor | None
    out: Site
    behind: Tensor
    gate_up: Site
    down: Site


class LeanForward:
    """Runs tokens of rows in slots, as `SlotModel` asks. `sites` are its linears."""

    def __init__(self, model: Any, slots: SlotCache) -> None:
        config = model.config
        self._slots = slots
        self._queries, self._keys = int(config.num_attention_heads), slots.shape.heads
        self._size, self._eps = slots.shape.head_dim, float(config.rms_norm_eps)
        self._half = int(config.intermediate_size)
        self._scale = self._size**-0.5
        # Where queries and keys are as many heads, their gains are two rows, not one a head.
        alike = self._queries == self._keys
        self._groups = (2, self._queries) if alike else (self._queries + self._keys, 1)
        self._small = torch.tensor(self._eps)
        self._names = {id(module): name for name, module in model.named_modules()}
        weights = sum(parameter.nbytes for parameter in model.parameters())
        onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        self._pack = onednn and weights <= _PACKED_BYTES
        self.sites: list[Site] = []
        self._embedding: Tensor = model.get_input_embeddings().weight
        self._layers = [self._layer(layer) for layer in model.model.layers]
        self._norm: Tensor = model.model.norm.weight
        self._head = self._site([model.get_output_embeddings()], lend=False)
        self._cos, self._sin = self._angles(model, slots.context)

    def extend(self, slot: int, ids: Sequence[int], start: int, *, logits: bool) -> Tensor:
        """`ids` of one row from position `start` on. Logits [1, vocabulary] after the last, or [0, …]."""
        count, stop = len(ids), start + len(ids)
        self._slots.reserve(slot + 1, stop)
        kept = SlotView(self._slots, slot, start, stop)
        mask = None if start == 0 or count == 1 else _causal(start, count)

        def attend(layer: int, q: Tensor | None, k: Tensor, v: Tensor) -> Tensor:
            kept.write(layer, k, v)
            if q is None:
                return k
            keys, values = (k.transpose(0, 1), v.transpose(0, 1)) if start == 0 else kept.read(layer)
            seen = mask if len(q) == count else None
            whole = seen is None and len(q) > 1
            one = q.transpose(0, 1)[None]
            return self._attention(one, keys[None], values[None], seen, causal=whole)[0].transpose(0, 1)

        places = slice(start, stop)
        states = self._run(
            torch.tensor(ids), self._cos[places], self._sin[places], attend, 1 if logits else 0
        )
        return self._logits(states)

    def decode(self, tokens: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """One token of each of the first rows, at position `lengths[i]`. Logits [rows, vocabulary]."""
        rows, places = len(tokens), torch.tensor(lengths)
        self._slots.reserve(rows, max(lengths) + 1)
        step = OneTokenStep(self._slots, lengths, self._queries)

        def attend(layer: int, q: Tensor | None, k: Tensor, v: Tensor) -> Tensor:
            assert q is not None
            step.write(layer, k, v)
            return step.attention(layer, q * self._scale)

        return self._logits(
            self._run(torch.tensor(tokens), self._cos[places], self._sin[places], attend, rows)
        )

    def _run(self, ids: Tensor, cos: Tensor, sin: Tensor, attend: Any, wanted: int) -> Tensor:
        """Hidden states of the last `wanted` tokens; all tokens' keys and values are written."""
        h = self._embedding[ids]
        for number, layer in enumerate(self._layers):
            x = self._normed(h, layer.before)
            qkv = layer.qkv(x).view(len(x), -1, self._size)
            q, k, v = self._turned(layer, qkv, cos, sin)
            if number == len(self._layers) - 1 and wanted < len(x):
                if wanted == 0:
                    attend(number, None, k, v)
                    return h[:0]
                q, h = q[-wanted:], h[-wanted:]
            h += layer.out(attend(number, q, k, v).reshape(len(h), -1))
            x = self._normed(h, layer.behind)
            both = layer.gate_up(x)
            h += layer.down(functional.silu(both[:, : self._half]).mul_(both[:, self._half :]))
        return h

    def _turned(self, layer: _Layer, qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys normalised and rotated (Su et al. 2021, arXiv 2104.09864), values as they are."""
        both = qkv[:, : self._queries + self._keys]
        x = both.view(len(both), *self._groups, self._size)
        if layer.gains is not None and layer.rolled is not None:
            # A norm is one factor a head, and turning keeps it: it comes last, gains go into the angles.
            cos, sin = cos[:, None] * layer.gains, sin[:, None] * layer.rolled
            turned = torch.addcmul(x * cos, x.roll(self._size // 2, -1), sin).flatten(1, 2)
            turned *= self._factor(both)
        else:
            turned = torch.addcmul(both * cos, both.roll(self._size // 2, -1), sin)
        return turned[:, : self._queries], turned[:, self._queries :], qkv[:, self._queries + self._keys :]

    def _normed(self, x: Tensor, gain: Tensor) -> Tensor:
        return (x * self._factor(x)).mul_(gain)

    def _factor(self, x: Tensor) -> Tensor:
        """What makes the root mean square of the last dimension 1, in fewer steps than the library's norm."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return torch.addcmul(self._small, length, length, value=1 / x.shape[-1]).rsqrt_()

    def _attention(
        self, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, causal: bool = False
    ) -> Tensor:
        return functional.scaled_dot_product_attention(
            q,
            keys,
            values,
            attn_mask=mask,
            is_causal=causal,
            scale=self._scale,
            enable_gqa=self._queries != self._keys,
        )

    def _logits(self, states: Tensor) -> Tensor:
        if not len(states):
            return states.new_zeros(0, self._head.height)
        return self._head(self._normed(states, self._norm))

    def _layer(self, layer: Any) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp
        gains = None
        if hasattr(attention, "q_norm"):
            q, k = attention.q_norm.weight, attention.k_norm.weight
            each = (self._queries // self._groups[1], self._keys // self._groups[1])
            gains = torch.cat([q.expand(each[0], -1), k.expand(each[1], -1)])[:, None]
        return _Layer(
            before=layer.input_layernorm.weight,
            qkv=self._site([attention.q_proj, attention.k_proj, attention.v_proj]),
            gains=gains,
            rolled=None if gains is None else gains.roll(self._size // 2, -1),
            out=self._site([attention.o_proj]),
            behind=layer.post_attention_layernorm.weight,
            gate_up=self._site([mlp.gate_proj, mlp.up_proj]),
            down=self._site([mlp.down_proj]),
        )

    def _site(self, linears: list[nn.Linear], *, lend: bool = True) -> Site:
        site = Site([self._names[id(linear)] for linear in linears], linears, pack=self._pack)
        if lend:
            site.lend(linears)
        self.sites.append(site)
        return site

    def _angles(self, model: Any, context: int) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines [context, 1, head size]: x·cos + roll(x)·sin rotates."""
        cos, sin = model.model.rotary_emb(torch.zeros(1, 1), torch.arange(context)[None])
        signs = torch.ones(self._size)
        signs[: self._size // 2] = -1
        return cos[0][:, None], (sin[0] * signs)[:, None]


def _causal(start: int, count: int) -> Tensor:
    """Additive [1, 1, count, start + count]: token i sees everything up to itself."""
    mask = torch.full((count, start + count), torch.finfo(torch.float32).min)
    return mask.triu_(start + 1)[None, None]
