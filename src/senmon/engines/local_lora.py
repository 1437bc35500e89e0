"""Many LoRA adapters in one batch.

Every `nn.Linear` is wrapped once. For the adapters of the rows at hand, their A and B matrices are
concatenated along the rank: `z = x Aᵀ; z *= mask; y += z B`, where the mask lets each row see its own
adapter's ranks only. One adapter needs no mask, none needs no work.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

#: Concatenations kept, so that a prefill between two decode steps does not rebuild them.
_KEPT = 4


@dataclass(frozen=True, slots=True, eq=False)
class LoadedAdapter:
    """Weights in memory: module name → (A [rank, in], B [rank, out] with the scale folded in)."""

    version: str
    weights: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    bytes: int


@dataclass(frozen=True, slots=True)
class _Joined:
    """One module's matrices for a set of adapters. `owners[r]` is the index of the adapter of rank r."""

    a: torch.Tensor
    b: torch.Tensor
    owners: tuple[int, ...]


class _Side:
    """What a wrapped linear adds now. A plain object: assignments on a Module are slow."""

    __slots__ = ("a", "b", "mask")

    def __init__(self) -> None:
        self.a: torch.Tensor | None = None
        self.b: torch.Tensor | None = None
        self.mask: torch.Tensor | None = None


class LoraLinear(nn.Module):
    """A linear layer plus whatever `side` holds: [rows, tokens, in] → [rows, tokens, out]."""

    def __init__(self, base: nn.Linear, side: _Side) -> None:
        super().__init__()
        self.base = base
        self.side = side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.base(x)
        a, b = self.side.a, self.side.b
        if a is None or b is None:
            return y
        z = x.reshape(-1, x.shape[-1]) @ a.T
        if self.side.mask is not None:
            z *= self.side.mask
        y.view(-1, y.shape[-1]).addmm_(z, b)
        return y


class LoraBank:
    """The wrapped linears of one model, and which adapters they apply to which rows."""

    def __init__(self, model: nn.Module, *, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self.device = device
        self.shapes: dict[str, tuple[int, int]] = {}
        self._sides: dict[str, _Side] = {}
        self._joined: OrderedDict[tuple[LoadedAdapter, ...], Mapping[str, _Joined]] = OrderedDict()
        self._active: tuple[LoadedAdapter | None, ...] = ()
        self._wrap(model)

    def _wrap(self, model: nn.Module) -> None:
        linears = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
        for name, linear in linears:
            parent, _, leaf = name.rpartition(".")
            side = self._sides[name] = _Side()
            self.shapes[name] = (linear.in_features, linear.out_features)
            setattr(model.get_submodule(parent), leaf, LoraLinear(linear, side))

    def fuse(self, weights: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> Any:
        """The same weights: here every linear has its own."""
        return weights

    def activate(self, rows: Sequence[LoadedAdapter | None], tokens: int = 1) -> None:
        """The next pass applies `rows[i]` to row i. Many tokens a row only with one row."""
        chosen = tuple(rows)
        if len(set(chosen)) == 1:
            chosen = chosen[:1]
        if chosen == self._active:
            return
        distinct = tuple(sorted({row for row in chosen if row is not None}, key=lambda row: row.version))
        joined = self._join(distinct)
        places = torch.tensor([distinct.index(row) if row is not None else -1 for row in chosen])
        masks: dict[tuple[int, ...], torch.Tensor | None] = {}
        for name, side in self._sides.items():
            part = joined.get(name)
            side.a, side.b, side.mask = None, None, None
            if part is not None:
                if part.owners not in masks:
                    masks[part.owners] = self._mask(places, part.owners)
                side.a, side.b, side.mask = part.a, part.b, masks[part.owners]
        self._active = chosen

    def _mask(self, places: torch.Tensor, owners: tuple[int, ...]) -> torch.Tensor | None:
        mask = places[:, None] == torch.tensor(owners)[None, :]
        return None if bool(mask.all()) else mask.to(device=self.device, dtype=self.dtype)

    def _join(self, adapters: tuple[LoadedAdapter, ...]) -> Mapping[str, _Joined]:
        joined = self._joined.pop(adapters, None)
        if joined is None:
            names = {name for adapter in adapters for name in adapter.weights}
            joined = {name: _concatenate(name, adapters) for name in names}
        self._joined[adapters] = joined
        if len(self._joined) > _KEPT:
            self._joined.popitem(last=False)
        return joined

    def forget(self) -> None:
        """Lets go of every adapter that isn't needed; for an idle engine."""
        self.activate((None,))
        self._joined.clear()


def _concatenate(name: str, adapters: Sequence[LoadedAdapter]) -> _Joined:
    parts = [
        (index, *adapter.weights[name]) for index, adapter in enumerate(adapters) if name in adapter.weights
    ]
    owners = tuple(index for index, a, _ in parts for _ in range(a.shape[0]))
    if len(parts) == 1:
        return _Joined(parts[0][1], parts[0][2], owners)
    return _Joined(torch.cat([a for _, a, _ in parts]), torch.cat([b for _, _, b in parts]), owners)
