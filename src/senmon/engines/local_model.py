"""The base behind the local engine: a forward pass over slots and mixed adapters, lean or the library's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from senmon.bases.catalog import BaseFiles, load_model
from senmon.engines.local_bare import bare_model
from senmon.engines.local_cache import KVShape, SlotCache
from senmon.engines.local_lean import LeanForward, fits
from senmon.engines.local_lora import LoadedAdapter, LoraBank
from senmon.engines.local_sites import SiteBank
from senmon.errors import EngineUnavailable

if TYPE_CHECKING:
    from senmon.engines.local_library import LibraryForward

_LAYER_TYPES = {"full_attention", "sliding_attention"}
_PROBE = 9
_REMEDY = "serve this base with vLLM and the openai engine"


class SlotModel:
    """Runs tokens of rows that lie in slots. One thread only, under `torch.inference_mode()`."""

    def __init__(self, files: BaseFiles, *, device: str, slots: int, context: int | None) -> None:
        """Raises EngineUnavailable when this architecture can't be run row by row."""
        bare = bare_model(files, device)
        try:
            model: Any = bare or load_model(files, device=device)
        except ValueError as error:  # transformers has no attention for it that could be masked
            raise EngineUnavailable(f"this base can't be loaded: {error}", remedy=_REMEDY) from error
        config = model.config.get_text_config()
        self.device = torch.device(device)
        self.dtype: torch.dtype = model.dtype
        self.vocabulary_size = int(config.vocab_size)
        self.context = _context(config, context)
        lean = fits(model)
        shape = _shape(config, self.dtype, self.device, turned=lean)
        self.slots = SlotCache(shape, slots=slots, context=self.context)
        with torch.inference_mode():
            expected = None if bare else self._plain_logits(model)
            self.bank: LoraBank | SiteBank
            self._forward: LeanForward | LibraryForward
            if lean:
                self._forward = LeanForward(model, self.slots)
                self.bank = SiteBank(self._forward.sites, dtype=self.dtype, device=self.device)
            else:
                from senmon.engines.local_library import LibraryForward

                self._forward = LibraryForward(model, self.slots)
                self.bank = LoraBank(model, dtype=self.dtype, device=self.device)
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
        self.bank.activate((adapter,), len(ids))
        return self._forward.extend(slot, ids, start, logits=logits)

    def decode(
        self, tokens: Sequence[int], lengths: Sequence[int], adapters: Sequence[LoadedAdapter | None]
    ) -> torch.Tensor:
        """Runs one token of each of the first rows; `lengths[i]` is its position. [rows, vocabulary]."""
        self.bank.activate(adapters)
        return self._forward.decode(tokens, lengths)

    def _plain_logits(self, model: Any) -> torch.Tensor:
        ids = torch.arange(_PROBE, device=self.device)[None]
        logits: torch.Tensor = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
        return logits[:, -1].float()

    def _probe(self, expected: torch.Tensor | None) -> None:
        """A row beside a longer one must get the logits of a plain pass: the library's, or our own."""
        try:
            ids = list(range(_PROBE))
            if expected is None:
                expected = self.extend(0, ids, 0, None)
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
