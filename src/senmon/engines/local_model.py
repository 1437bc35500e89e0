"""The base behind the local engine: Hugging Face's own forward pass over slots and mixed adapters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from senmon.bases.catalog import BaseFiles, load_model
from senmon.engines.local_cache import KVShape, SlotCache
from senmon.engines.local_lean import LeanForward, fits
from senmon.engines.local_lora import LoadedAdapter, LoraBank
from senmon.engines.local_sites import SiteBank
from senmon.errors import EngineUnavailable

_LAYER_TYPES = {"full_attention", "sliding_attention"}
_PROBE = 9
_REMEDY = "serve this base with vLLM and the openai engine"


class SlotModel:
    """Runs tokens of rows that lie in slots. One thread only, under `torch.inference_mode()`."""

    def __init__(self, files: BaseFiles, *, device: str, slots: int, context: int | None) -> None:
        """Raises EngineUnavailable when this architecture can't be run row by row."""
        try:
            self._model = load_model(files, device=device)
        except ValueError as error:  # transformers has no attention for it that could be masked
            raise EngineUnavailable(f"this base can't be loaded: {error}", remedy=_REMEDY) from error
        config = self._model.config.get_text_config()
        self.device = torch.device(device)
        self.dtype: torch.dtype = self._model.dtype
        self.vocabulary_size = int(config.vocab_size)
        self.context = _context(config, context)
        lean = fits(self._model)
        shape = _shape(config, self.dtype, self.device, turned=lean)
        self.slots = SlotCache(shape, slots=slots, context=self.context)
        with torch.inference_mode():
            expected = self._plain_logits()
            self._lean = LeanForward(self._model, self.slots) if lean else None
            self.bank: LoraBank | SiteBank
            if self._lean is not None:
                self.bank = SiteBank(self._lean.sites, dtype=self.dtype, device=self.device)
            else:
                self.bank = LoraBank(self._model, dtype=self.dtype, device=self.device)
            self._probe(expected)

    def extend(
        self,
        slot: int,
        ids: Sequence[int],
        start: int,
        adapter: LoadedAdapter | None,
        *,
        logits: bool = True,
    ) -> torch.Tensor:
        """Runs `ids` of one row from position `start` on. Logits [1, vocabulary] after the last, float32.

        Without `logits` there may be none [0, vocabulary].
        """
        count = len(ids)
        self.bank.activate((adapter,), count)
        if self._lean is not None:
            return self._lean.extend(slot, ids, start, logits=logits)
        self.slots.aim_row(slot, start, count)
        mask = torch.full(
            (count, start + count), torch.finfo(self.dtype).min, dtype=self.dtype, device=self.device
        )
        places = torch.arange(start, start + count, device=self.device)
        return self._forward([list(ids)], places[None], mask.triu(start + 1)[None, None])

    def decode(
        self, tokens: Sequence[int], lengths: Sequence[int], adapters: Sequence[LoadedAdapter | None]
    ) -> torch.Tensor:
        """Runs one token of each of the first rows; `lengths[i]` is its position. [rows, vocabulary]."""
        self.bank.activate(adapters)
        if self._lean is not None:
            return self._lean.decode(tokens, lengths)
        width = max(lengths) + 1
        places = torch.tensor(lengths, device=self.device)
        self.slots.aim_rows(places, width)
        beyond = torch.arange(width, device=self.device)[None, :] > places[:, None]
        mask = torch.zeros(beyond.shape, dtype=self.dtype, device=self.device)
        mask.masked_fill_(beyond, torch.finfo(self.dtype).min)
        return self._forward([[token] for token in tokens], places[:, None], mask[:, None, None])

    def _forward(self, ids: list[list[int]], places: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        output = self._model(
            input_ids=torch.tensor(ids, device=self.device),
            position_ids=places,
            attention_mask=mask,
            past_key_values=self.slots,
            use_cache=True,
            logits_to_keep=1,
        )
        return _last(output.logits)

    def _plain_logits(self) -> torch.Tensor:
        ids = torch.arange(_PROBE, device=self.device)[None]
        return _last(self._model(input_ids=ids, use_cache=False, logits_to_keep=1).logits)

    def _probe(self, expected: torch.Tensor) -> None:
        """A row beside a longer one must get the logits of a plain pass."""
        try:
            ids = list(range(_PROBE))
            self.extend(0, ids[:-1], 0, None)
            tokens, lengths = [ids[-1]], [_PROBE - 1]
            if self.slots.slots > 1:
                self.extend(1, ids + ids, 0, None)
                tokens, lengths = [*tokens, 0], [*lengths, 2 * _PROBE]
            found = self.decode(tokens, lengths, [None] * len(tokens))[:1]
        except Exception as error:  # an architecture may break in any way
            raise EngineUnavailable(f"this base can't run in slots: {error}", remedy=_REMEDY) from error
        self.slots.drop()
        tolerance = (1e-3 if self.dtype == torch.float32 else 0.1) * max(1.0, float(expected.abs().max()))
        if not torch.allclose(found, expected, atol=tolerance, rtol=0):
            raise EngineUnavailable("this base gives other logits in slots than alone", remedy=_REMEDY)


def _last(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, -1].float()


def _context(config: Any, wanted: int | None) -> int:
    """Tokens a row may have. Within a sliding window, sliding attention is full attention."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if not kinds <= _LAYER_TYPES:
        raise EngineUnavailable(
            f"the local engine does not run {', '.join(sorted(kinds - _LAYER_TYPES))}",
            remedy=_REMEDY,
        )
    limits = [int(config.max_position_embeddings)]
    window = getattr(config, "sliding_window", None)
    if window and (getattr(config, "layer_types", None) is None or "sliding_attention" in kinds):
        limits.append(int(window))
    return min(limits + ([wanted] if wanted else []))


def _shape(config: Any, dtype: torch.dtype, device: torch.device, *, turned: bool) -> KVShape:
    heads = int(config.num_attention_heads)
    return KVShape(
        layers=int(config.num_hidden_layers),
        heads=int(getattr(config, "num_key_value_heads", None) or heads),
        head_dim=int(getattr(config, "head_dim", None) or config.hidden_size // heads),
        dtype=dtype,
        device=device,
        turned=turned,
    )
