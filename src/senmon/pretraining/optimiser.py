"""Muon for the hidden matrices, AdamW for the rest; and the schedules of their rates.

Muon (Keller Jordan et al., 2024): momentum, then the nearest semi-orthogonal matrix by five Newton–Schulz
steps. `torch.optim.Muon` does these in bf16, which crawls on a CPU without bf16 arithmetic; here the dtype is
the caller's, and matrices of one shape can go through the steps together (`batched`), as a GPU likes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315
_STEPS = 5


def orthogonalise(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """The semi-orthogonal factor of matrices [..., m, n], about; same shape, float32."""
    x = matrix.to(dtype)
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    factor: Tensor = (x.mT if tall else x).float()
    return factor


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for 2-D parameters only."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
        batched: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype
        self._batched = batched

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[Any, list[Tensor]] = {}
            for number, parameter in enumerate(group["params"]):
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape if self._batched else number, []).append(parameter)
            for alike in shapes.values():
                self._update(alike, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        updates = [self._momentum(parameter, group["momentum"]) for parameter in parameters]
        factors = orthogonalise(torch.stack(updates) if len(updates) > 1 else updates[0][None], self._dtype)
        for parameter, factor in zip(parameters, factors, strict=True):
            scale = max(1.0, parameter.size(0) / parameter.size(1)) ** 0.5
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(factor, alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor, factor: float) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        gradient: Tensor = parameter.grad  # type: ignore[assignment]  # callers have looked
        momentum.lerp_(gradient, 1 - factor)
        return torch.lerp(gradient, momentum, factor)


def optimisers(
    model: Any,
    *,
    muon_rate: float,
    adam_rate: float,
    weight_decay: float,
    dtype: torch.dtype,
    batched: bool,
    method: str = "muon",
) -> list[torch.optim.Optimizer]:
    """Muon for the 2-D weights of the layers, AdamW (fused) for embeddings and norms; or AdamW for all."""
    hidden: list[Tensor] = []
    rest: list[Tensor] = []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
        (hidden if matrix else rest).append(parameter)
    adam: dict[str, Any] = {"lr": adam_rate, "betas": (0.9, 0.95), "fused": True}
    if method == "adamw":
        groups = [{"params": hidden, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
        return [torch.optim.AdamW(groups, **adam)]
    return [
        Muon(hidden, muon_rate, weight_decay=weight_decay, dtype=dtype, batched=batched),
        torch.optim.AdamW(rest, weight_decay=0.0, **adam),
    ]


def wsd(progress: float, *, warmup: float, decay_from: float) -> float:
    """Warm-up, stable, decay (linear to zero): the factor on the learning rate at `progress` in 0..1."""
    if progress < warmup:
        return (progress + 1e-6) / warmup
    return 1.0 if progress < decay_from or decay_from >= 1 else max(0.0, (1 - progress) / (1 - decay_from))


def cosine(progress: float, *, warmup: float, floor: float = 0.05) -> float:
    """Warm-up, then half a cosine down to `floor`."""
    if progress < warmup:
        return (progress + 1e-6) / warmup
    if warmup >= 1:
        return 1.0
    share = min(1.0, (progress - warmup) / (1 - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))
