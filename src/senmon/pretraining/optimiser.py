"""Muon for the hidden matrices, AdamW for the rest.

Muon (Keller Jordan et al., 2024): momentum, then the nearest semi-orthogonal matrix by five Newton–Schulz
steps. `torch.optim.Muon` does these in bf16, which crawls on a CPU without bf16 arithmetic; here the dtype is
the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315
_STEPS = 5


def orthogonalise(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """The semi-orthogonal factor of a 2-D matrix [m, n], about; same shape, float32."""
    x = matrix.to(dtype)
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.T
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    factor: Tensor = (x.T if tall else x).float()
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
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"]
        momentum.lerp_(parameter.grad, 1 - group["momentum"])
        update = torch.lerp(parameter.grad, momentum, group["momentum"])  # type: ignore[arg-type]
        scale = max(1.0, parameter.size(0) / parameter.size(1)) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(orthogonalise(update, self._dtype), alpha=-group["lr"] * scale)


def optimisers(
    model: Any, *, muon_rate: float, adam_rate: float, weight_decay: float, dtype: torch.dtype, fused: bool
) -> list[torch.optim.Optimizer]:
    """Muon for the 2-D weights of the layers, AdamW for embeddings and norms."""
    hidden: list[Tensor] = []
    rest: list[Tensor] = []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
        (hidden if matrix else rest).append(parameter)
    adam = torch.optim.AdamW(rest, lr=adam_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=fused)
    return [Muon(hidden, muon_rate, weight_decay=weight_decay, dtype=dtype), adam]


def wsd(progress: float, *, warmup: float, decay_from: float) -> float:
    """Warm-up, stable, decay (linear to zero): the factor on the learning rate at `progress` in 0..1."""
    if progress < warmup:
        return (progress + 1e-6) / warmup
    return 1.0 if progress < decay_from else max(0.0, (1 - progress) / (1 - decay_from))
