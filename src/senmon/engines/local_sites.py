"""Linear layers that read the same input, as one product, plus the LoRA of whatever rows are at hand.

One adapter for all rows: `z = x Aᵀ; y += z B`. Several: their matrices lie stacked, rows are grouped by
adapter, and two batched products serve all groups. A row pays for its own adapter's rank only, and a new
adapter is copied into the stack without touching the others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from senmon.engines.local_lora import LoadedAdapter

Weights = Mapping[str, tuple[Tensor, Tensor]]
#: Sets of rows whose sides are kept, so that prefills between decode steps do not make them anew.
_KEPT = 32


@dataclass(frozen=True, slots=True)
class _Groups:
    """Row `take[g·m + i]` is the i-th of group g; row r's result lies at `place[r]`."""

    count: int
    take: Tensor
    place: Tensor


class Site:
    """`names` are linears of one input [rows, in]; their outputs lie side by side [rows, out]."""

    def __init__(self, names: Sequence[str], linears: Sequence[nn.Linear], *, pack: bool) -> None:
        self.names = tuple(names)
        self.sizes = tuple(linear.out_features for linear in linears)
        self.width, self.height = linears[0].in_features, sum(self.sizes)
        self._weight = torch.cat([linear.weight for linear in linears])
        self._bias = _joined_bias(linears)
        self._packed: Tensor | None = None
        if pack:
            # oneDNN's own layout for several rows; for one row a product with the transpose is faster.
            self._packed = torch.ops.mkldnn._reorder_linear_weight(self._weight)
            self._weight = self._weight.t().contiguous().t()
        self.side: Side | None = None

    def lend(self, linears: Sequence[nn.Linear]) -> None:
        """Lets the model's own layers look into this copy, so that theirs can be freed."""
        for linear, part in zip(linears, torch.split(self._weight, list(self.sizes)), strict=True):
            linear.weight = nn.Parameter(part, requires_grad=False)

    def __call__(self, x: Tensor) -> Tensor:
        if self._packed is None or len(x) == 1:
            y: Tensor = functional.linear(x, self._weight, self._bias)
        else:
            y = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
        if self.side is not None:
            self.side.add(x, y)
        return y


def _joined_bias(linears: Sequence[nn.Linear]) -> Tensor | None:
    if all(linear.bias is None for linear in linears):
        return None
    return torch.cat(
        [
            torch.zeros(linear.out_features, dtype=linear.weight.dtype)
            if linear.bias is None
            else linear.bias
            for linear in linears
        ]
    )


@dataclass(frozen=True, slots=True)
class _One:
    """One adapter for all rows. `parts`: where each linear's outputs and ranks lie, and its B."""

    a: Tensor
    parts: tuple[tuple[slice, slice, Tensor], ...]

    def add(self, x: Tensor, y: Tensor) -> None:
        z = x @ self.a.T
        for outputs, ranks, b in self.parts:
            y[:, outputs].addmm_(z[:, ranks], b)


@dataclass(frozen=True, slots=True)
class _Many:
    """Several adapters: `a` [groups, linears · rank, in]; of each linear `b` [groups, rank, its outputs]."""

    a: Tensor
    b: tuple[Tensor, ...]
    groups: _Groups

    def add(self, x: Tensor, y: Tensor) -> None:
        groups = self.groups
        grouped = x.index_select(0, groups.take).view(groups.count, -1, x.shape[1])
        z = torch.bmm(grouped, self.a.transpose(1, 2))
        start, rank = 0, self.b[0].shape[1]
        for number, b in enumerate(self.b):
            added = torch.bmm(z[:, :, number * rank : (number + 1) * rank], b).view(-1, b.shape[2])
            y[:, start : start + b.shape[2]] += added.index_select(0, groups.place)
            start += b.shape[2]


Side = _One | _Many


class _Stack:
    """The adapters of one site, at the places that the bank gives them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._rank = 0
        self.a = torch.zeros(0, 0, site.width)
        self.b = tuple(torch.zeros(0, 0, size) for size in site.sizes)

    def reserve(self, places: int, weights: Iterable[Weights]) -> None:
        """Room for `places` adapters, `weights` among them; what lies there stays."""
        rank = max(
            (len(one[name][0]) for one in weights for name in self._site.names if name in one), default=0
        )
        have, was = len(self.a), self._rank
        if places <= have and rank <= was:
            return
        places, rank = max(places, have), max(rank, was)
        a = self.a.new_zeros(places, len(self.b) * rank, self._site.width)
        b = tuple(old.new_zeros(places, rank, old.shape[2]) for old in self.b)
        for part, (old, new) in enumerate(zip(self.b, b, strict=True)):
            a[:have, part * rank : part * rank + was] = self.a[:, part * was : (part + 1) * was]
            new[:have, :was] = old
        self.a, self.b, self._rank = a, b, rank

    def side(self, groups: _Groups) -> _Many:
        return _Many(self.a[: groups.count], tuple(part[: groups.count] for part in self.b), groups)

    def put(self, place: int, weights: Weights) -> None:
        self.a[place] = 0
        for part, (name, stacked) in enumerate(zip(self._site.names, self.b, strict=True)):
            stacked[place] = 0
            if name in weights:
                a, b = weights[name]
                start = part * self._rank
                self.a[place, start : start + len(a)] = a
                stacked[place, : len(a)] = b


class SiteBank:
    """Which adapters the sites add to which rows. `shapes`: (in, out) of every linear, by name."""

    def __init__(self, sites: Sequence[Site], *, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self.device = device
        self.shapes = {
            name: (site.width, size)
            for site in sites
            for name, size in zip(site.names, site.sizes, strict=True)
        }
        self._sites = tuple(sites)
        self._active: tuple[LoadedAdapter | None, ...] = (None,)
        self._sides: OrderedDict[tuple[LoadedAdapter | None, ...], tuple[Side | None, ...]] = OrderedDict()
        self._places: dict[LoadedAdapter | None, int] = {}
        self._stacks = tuple(_Stack(site) for site in self._sites)

    def fuse(self, weights: Weights) -> Weights:
        """The same weights, the A of a site's linears side by side in one tensor."""
        fused: dict[str, tuple[Tensor, Tensor]] = {}
        for site in self._sites:
            names = [name for name in site.names if name in weights]
            if names:
                factors = [weights[name][0] for name in names]
                parts = torch.split(torch.cat(factors), [len(a) for a in factors])
                fused |= {name: (part, weights[name][1]) for name, part in zip(names, parts, strict=True)}
        return fused

    def activate(self, rows: Sequence[LoadedAdapter | None]) -> None:
        """The next pass applies `rows[i]` to row i; one entry holds for all rows."""
        chosen = tuple(rows)
        if len(set(chosen)) == 1:
            chosen = chosen[:1]
        if chosen == self._active:
            return
        sides = self._sides.pop(chosen, None) or self._made(chosen)
        self._sides[chosen] = sides
        if len(self._sides) > _KEPT:
            self._sides.popitem(last=False)
        for site, side in zip(self._sites, sides, strict=True):
            site.side = side
        self._active = chosen

    def _made(self, rows: tuple[LoadedAdapter | None, ...]) -> tuple[Side | None, ...]:
        if len(rows) > 1:
            return self._many(rows)
        weights = rows[0].weights if rows[0] is not None else {}
        return tuple(_one(site, weights) for site in self._sites)

    def _many(self, rows: Sequence[LoadedAdapter | None]) -> tuple[Side | None, ...]:
        self._settle(rows)
        groups = self._group(rows)
        used = {name for row in rows if row is not None for name in row.weights}
        return tuple(
            stack.side(groups) if used.intersection(site.names) else None
            for site, stack in zip(self._sites, self._stacks, strict=True)
        )

    def _settle(self, rows: Sequence[LoadedAdapter | None]) -> None:
        """A place in the stack for each adapter of `rows`; those not needed now make room."""
        wanted = set(rows)
        missing = [row for row in dict.fromkeys(rows) if row not in self._places]
        if not missing:
            return
        kept = {row: place for row, place in self._places.items() if row in wanted}
        free = [place for place in range(len(kept) + len(missing)) if place not in kept.values()]
        new = [row.weights for row in missing if row is not None]
        for stack in self._stacks:
            stack.reserve(len(kept) + len(missing), new)
        for row, place in zip(missing, free, strict=False):
            for stack in self._stacks:
                stack.put(place, row.weights if row is not None else {})
            kept[row] = place
        self._places = kept
        # What was made for several rows looks into places that may now be another's.
        for former in [former for former in self._sides if len(former) > 1]:
            del self._sides[former]

    def _group(self, rows: Sequence[LoadedAdapter | None]) -> _Groups:
        members: list[list[int]] = [[] for _ in range(1 + max(self._places[row] for row in rows))]
        for index, row in enumerate(rows):
            members[self._places[row]].append(index)
        most = max(len(group) for group in members)
        take = [index for group in members for index in (*group, *[0] * (most - len(group)))]
        place = [0] * len(rows)
        for number, group in enumerate(members):
            for at, index in enumerate(group):
                place[index] = number * most + at
        return _Groups(
            len(members),
            torch.tensor(take, device=self.device),
            torch.tensor(place, device=self.device),
        )

    def forget(self) -> None:
        """Lets go of every adapter; for an idle engine."""
        for site in self._sites:
            site.side = None
        self._active = (None,)
        self._sides.clear()
        self._places = {}
        self._stacks = tuple(_Stack(site) for site in self._sites)


def _one(site: Site, weights: Weights) -> _One | None:
    pieces, parts, start, rank = [], [], 0, 0
    for name, size in zip(site.names, site.sizes, strict=True):
        if name in weights:
            a, b = weights[name]
            parts.append((slice(start, start + size), slice(rank, rank + len(a)), b))
            pieces.append(a)
            rank += len(a)
        start += size
    return _One(_adjoining(pieces), tuple(parts)) if pieces else None


def _adjoining(pieces: Sequence[Tensor]) -> Tensor:
    """The tensor that `pieces` are consecutive rows of (a view), or a copy that has them so."""
    first, rows = pieces[0], sum(len(piece) for piece in pieces)
    at, whole = first.data_ptr(), first.is_contiguous()
    for piece in pieces:
        whole = whole and piece.data_ptr() == at
        at += piece.nbytes
    shared = all(p.untyped_storage().data_ptr() == first.untyped_storage().data_ptr() for p in pieces)
    if whole and shared:
        return first.as_strided((rows, first.shape[1]), first.stride(), first.storage_offset())
    return torch.cat(list(pieces))
