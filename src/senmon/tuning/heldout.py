"""Loss on held-out examples, for the gate's paired comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.dataset.hinting import hinted_examples
from senmon.errors import AdapterCorrupt
from senmon.policy.artifact import load as load_policy
from senmon.rendering import Renderer, prefix_message
from senmon.tuning.batches import collate, pack
from senmon.tuning.rows import Row, render_rows
from senmon.tuning.shared_prefix import SharedPrefixLoss, can_share

if TYPE_CHECKING:
    from senmon.dataset.example import Example
    from senmon.embedding import Encoder
    from senmon.packs.pack import Pack

#: Longer examples can't be measured; the base's own limit counts too.
MAX_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class HeldoutLosses:
    """Per example, in order: `nll` float64 [n], mean nats per supervised token; `tokens` int64 [n]."""

    nll: NDArray[np.float64]
    tokens: NDArray[np.int64]

    @property
    def mean(self) -> float:
        """Mean nats per supervised token, over all tokens."""
        return float((self.nll * self.tokens).sum() / max(1, self.tokens.sum()))


def heldout_losses(
    base: BaseFiles,
    adapter_path: Path | None,
    pack: Pack,
    examples: Iterable[Example],
    *,
    batch: int = 2048,
    device: str | None = None,
    encoder: Encoder | None = None,
) -> HeldoutLosses:
    """Losses of `examples` under the base, with the adapter in `adapter_path` (a PEFT folder) or without.

    An adapter with a policy (read with `encoder`, None: the installed one) sees its hints, as when serving.
    `batch` is the number of suffix tokens at a time, padding included. Raises DataInvalid for examples that
    are too long, AdapterCorrupt for a folder that can't be loaded.
    """
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    loss = SharedPrefixLoss(_load(base, adapter_path, place))
    renderer = Renderer(load_tokenizer(base))
    longest = min(MAX_TOKENS, getattr(loss.model.config, "max_position_embeddings", MAX_TOKENS))
    policy = load_policy(adapter_path, encoder) if adapter_path else None
    told = hinted_examples(examples, policy)
    rows = render_rows(renderer, prefix_message(pack), told, max_tokens=longest, share=can_share(loss))
    return row_losses(loss, rows, pad_id=renderer.pad_id, batch=batch, device=place)


def _load(base: BaseFiles, adapter_path: Path | None, device: str) -> torch.nn.Module:
    model: torch.nn.Module = load_model(base, device=device)
    if adapter_path is None:
        return model
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter_path), local_files_only=True).eval()  # type: ignore[no-any-return]
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise AdapterCorrupt(
            f"{adapter_path}: this adapter can't be put on base {base.name} ({error})", remedy="tune it again"
        ) from error


@torch.no_grad()
def row_losses(
    loss: SharedPrefixLoss, rows: tuple[Row, ...], *, pad_id: int, batch: int, device: str
) -> HeldoutLosses:
    """Mean loss and number of supervised tokens of each row."""
    sums = np.zeros(len(rows))
    tokens = np.array([row.supervised for row in rows], dtype=np.int64)
    for chosen in pack(rows, range(len(rows)), tokens=batch, supervised=1 << 60):
        together = collate([rows[i] for i in chosen], pad_id).to(device)
        per_row = torch.zeros(len(chosen), dtype=torch.float64, device=together.row.device)
        per_row.index_add_(0, together.row, loss(together).double())
        sums[list(chosen)] = per_row.cpu().numpy()
    return HeldoutLosses(sums / np.maximum(1, tokens), tokens)
