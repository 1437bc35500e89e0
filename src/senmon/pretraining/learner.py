"""The model in training: forward, backward, one optimiser step over micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from senmon.errors import TuningDiverged
from senmon.pretraining import packing
from senmon.pretraining.optimiser import cosine, optimisers, wsd
from senmon.pretraining.plan import Plan
from senmon.pretraining.precision import Precision, torch_dtype
from senmon.pretraining.reply_weight import ReplyWeight


class Learner:
    """Weights in float32, arithmetic in `precision` by autocast. `end` fills the rest of a line.

    `weight` says how much each target counts when learning; None: all alike.
    """

    def __init__(
        self,
        model: Any,
        plan: Plan,
        *,
        end: int,
        device: str,
        precision: Precision,
        compiled: bool,
        weight: ReplyWeight | None = None,
    ) -> None:
        self._weight = weight
        self.model = model.to(device).train()
        self.plan, self.end, self.device = plan, end, device
        self.packed = plan.packed if plan.packed is not None else device != "cpu"
        self._dtype = torch_dtype(precision)
        self.optimisers = optimisers(
            self.model,
            muon_rate=plan.muon_rate,
            adam_rate=plan.adam_rate,
            weight_decay=plan.weight_decay,
            dtype=self._dtype,
            batched=device != "cpu",
            method=plan.method,
        )
        self._rates = [optimiser.param_groups[0]["lr"] for optimiser in self.optimisers]
        decoder = self.model.get_decoder()
        # Lines of like length come in many shapes, packed ones in a single one.
        self._decoder: Any = torch.compile(decoder, dynamic=not self.packed) if compiled else decoder
        if device != "cpu":
            torch.set_float32_matmul_precision("high")

    def autocast(self) -> AbstractContextManager[Any]:
        if self._dtype == torch.float32:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, self._dtype)

    def step(self, micros: Sequence[Sequence[packing.Line]], share: float, number: int) -> tuple[float, int]:
        """One optimiser step at progress `share`. Weighted mean loss (nats) and number of targets.

        Raises TuningDiverged when the loss is not finite.
        """
        self._set_rates(share)
        count = sum(len(piece) - 1 for micro in micros for line in micro for piece in line)
        weights = [self._weights(micro) for micro in micros]
        size = sum(float(each.sum()) for each in weights if each is not None) or count
        total = 0.0
        for micro, weight in zip(micros, weights, strict=True):
            loss = self.loss(micro, weight) / size
            total += float(loss.item())
            if not torch.isfinite(loss):
                raise TuningDiverged(
                    f"the loss is {loss.item()} at step {number}",
                    remedy="lower --muon-rate and --adam-rate, or lengthen --warmup",
                )
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return total, count

    def _weights(self, lines: Sequence[packing.Line]) -> torch.Tensor | None:
        """The weight of each target of a micro-batch, in the order of its lines; None: all alike."""
        if self._weight is None:
            return None
        parts = [self._weight.of(piece) for line in lines for piece in line]
        return torch.from_numpy(np.concatenate(parts)).to(self.device)

    def loss(self, lines: Sequence[packing.Line], weights: torch.Tensor | None = None) -> torch.Tensor:
        """Summed next-token loss (nats) of a micro-batch, each target multiplied by its weight."""
        batch = packing.tensors(lines, self.end, width=self.plan.context if self.packed else None)
        labels = batch.labels.to(self.device)
        inputs = {"input_ids": batch.ids.to(self.device)}
        if batch.positions is not None:
            inputs["position_ids"] = batch.positions.to(self.device)
        # Without positions a line is one piece: right padding under causal attention needs no mask.
        with self.autocast():
            hidden = self._decoder(**inputs, use_cache=False).last_hidden_state
            kept = labels != packing.IGNORED
            logits = self.model.get_output_embeddings()(hidden[kept])
        each = torch.nn.functional.cross_entropy(logits.float(), labels[kept], reduction="none")
        return each.sum() if weights is None else (each * weights).sum()

    def factor(self, share: float) -> float:
        """What the peak rates are multiplied by at progress `share`."""
        if self.plan.schedule == "cosine":
            return cosine(share, warmup=self.plan.warmup)
        return wsd(share, warmup=self.plan.warmup, decay_from=self.plan.decay_from)

    def _set_rates(self, share: float) -> None:
        for optimiser, rate in zip(self.optimisers, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * self.factor(share)
