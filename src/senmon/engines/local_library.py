"""The library's own forward pass over slots: for bases that the lean pass does not know, and for GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache

from senmon.engines.local_cache import SlotCache


class LibraryForward:
    """Runs tokens of rows in slots through transformers' model."""

    def __init__(self, model: Any, slots: SlotCache) -> None:
        self._model, self._slots = model, slots
        self._cache = _Aimed(slots)
        self._dtype: torch.dtype = model.dtype
        self._device = slots.shape.device

    def extend(self, slot: int, ids: Sequence[int], start: int, *, logits: bool = True) -> torch.Tensor:
        """`ids` of one row from position `start` on. Logits [1, vocabulary] after the last, float32."""
        count = len(ids)
        self._cache.aim_row(slot, start, count)
        mask = torch.full(
            (count, start + count), torch.finfo(self._dtype).min, dtype=self._dtype, device=self._device
        )
        places = torch.arange(start, start + count, device=self._device)
        return self._forward([list(ids)], places[None], mask.triu(start + 1)[None, None])

    def decode(self, tokens: Sequence[int], lengths: Sequence[int]) -> torch.Tensor:
        """One token of each of the first rows, at position `lengths[i]`. [rows, vocabulary], float32."""
        width = max(lengths) + 1
        places = torch.tensor(lengths, device=self._device)
        self._cache.aim_rows(places, width)
        beyond = torch.arange(width, device=self._device)[None, :] > places[:, None]
        mask = torch.zeros(beyond.shape, dtype=self._dtype, device=self._device)
        mask.masked_fill_(beyond, torch.finfo(self._dtype).min)
        return self._forward([[token] for token in tokens], places[:, None], mask[:, None, None])

    def _forward(self, ids: list[list[int]], places: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        output = self._model(
            input_ids=torch.tensor(ids, device=self._device),
            position_ids=places,
            attention_mask=mask,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        last: torch.Tensor = output.logits[:, -1].float()
        return last


class _Aimed(Cache):  # type: ignore[misc]
    """The slots, as the library writes into them and reads from them.

    A forward pass first says with `aim_row` or `aim_rows` where its keys and values go; the model then
    writes through `update`.
    """

    def __init__(self, slots: SlotCache) -> None:
        self.layers: list[Any] = []
        self._slots = slots
        self._rows = slice(0, 0)
        self._places: slice | torch.Tensor = slice(0, 0)
        self._seen = 0
        self._width = 0

    def aim_row(self, slot: int, start: int, count: int) -> None:
        """The next pass writes `count` tokens of one row, from `start` on."""
        self._slots.reserve(slot + 1, start + count)
        self._rows, self._places = slice(slot, slot + 1), slice(start, start + count)
        self._seen, self._width = start, start + count

    def aim_rows(self, places: torch.Tensor, width: int) -> None:
        """The next pass writes one token of each of the first rows, row `i` at `places[i]` < `width`."""
        self._slots.reserve(len(places), width)
        self._rows, self._places = slice(0, len(places)), places
        self._seen, self._width = width - 1, width

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`[rows, heads, new, head_dim]` in, `[rows, heads, width, head_dim]` out (views)."""
        store = self._slots.store
        keys, values = store[layer_idx, 0, self._rows], store[layer_idx, 1, self._rows]
        if isinstance(self._places, slice):
            keys[:, :, self._places] = key_states
            values[:, :, self._places] = value_states
        else:
            rows = torch.arange(len(self._places), device=self._places.device)
            keys[rows, :, self._places] = key_states[:, :, 0]
            values[rows, :, self._places] = value_states[:, :, 0]
        return keys[:, :, : self._width], values[:, :, : self._width]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._seen

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self._width, 0

    def get_max_length(self, layer_idx: int | None = None) -> int:
        return self._slots.context
