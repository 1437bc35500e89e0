"""Linear layers that read the same input, as one product, plus the LoRA of whatever rows are at hand.

One adapter for all rows: `z = x Aᵀ; y += z B`. Several: their matrices lie stacked, and each row sums the
rows of its own adapter's matrices, weighted by its input (`local_bags`). A row pays for its own adapter only,
rows need no order, and a new adapter is copied into the stack without touching the others.

An adapter whose prompts come again and again gets weights of its own, W + B A, for long prompts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional

from senmon.engines.local_bags import Bags
from senmon.engines.local_lora import LoadedAdapter

Weights = Mapping[str, tuple[Tensor, Tensor]]
#: Sets of rows whose sides are kept, so that prefills between decode steps do not make them anew.
_KEPT = 32
#: Up to so many rows a product with 16-bit weights is the faster one: fewer bytes come from memory.
_FEW_ROWS = 64
#: Prompts of so many tokens pay for an adapter's own weights; so much memory may they take.
_WORTH, _MERGED_BYTES = 2_000, 320 << 20
#: Adapters whose tokens are counted meanwhile.
_COUNTED = 256
#: What a 16-bit float may lose of a weight: half its finest step.
_LOST = 2.0**-25


class Site:
    """`names` are linears of one input [rows, in]; their outputs lie side by side [rows, out].

    Weights that came in 16 bits are kept in 16 bits for few rows; the arithmetic is float32 all the same.
    """

    def __init__(self, names: Sequence[str], linears: Sequence[nn.Linear], *, pack: bool) -> None:
        self.names = tuple(names)
        self.sizes = tuple(linear.out_features for linear in linears)
        self.width, self.height = linears[0].in_features, sum(self.sizes)
        self._weight = torch.cat([linear.weight for linear in linears])
        self._bias = _joined_bias(linears)
        self._packed: Tensor | None = None
        self._half = _half(self._weight, self._bias) if pack else None
        if pack:
            # oneDNN's own layout for several rows; for one row a product with the transpose is faster.
            self._packed = torch.ops.mkldnn._reorder_linear_weight(self._weight)
            self._weight = self._weight.t().contiguous().t() if self._half is None else self._weight[:0]
        self.side: Side | None = None
        #: This pass's weights in oneDNN's layout, an adapter's included, instead of the base's.
        self.merged: Tensor | None = None

    @property
    def mergeable(self) -> bool:
        return self._packed is not None

    def merge(self, weights: Weights) -> Tensor:
        """The base's weights plus an adapter's, for `merged`."""
        if self._half is not None:
            whole: Tensor = torch.ops.quantized.linear_unpack_fp16(self._half)[0]
        else:
            whole = self._weight.clone()
        for name, part in zip(self.names, torch.split(whole, list(self.sizes)), strict=True):
            if name in weights:
                a, b = weights[name]
                part.addmm_(b.T, a)
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(whole)
        return packed

    @property
    def compact(self) -> bool:
        """Whether few rows run with 16-bit weights."""
        return self._half is not None

    def lend(self, linears: Sequence[nn.Linear]) -> None:
        """Lets the model's own layers look into this copy, so that theirs can be freed.

        Where nothing plain is kept they are left empty: the model's own pass is over.
        """
        whole = len(self._weight) > 0
        parts = torch.split(self._weight, list(self.sizes)) if whole else [self._weight] * len(linears)
        for linear, part in zip(linears, parts, strict=True):
            linear.weight = nn.Parameter(part, requires_grad=False)

    def __call__(self, x: Tensor) -> Tensor:
        if self.merged is not None:
            y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.merged, self._bias, "none", [], "")
            return y
        if self._half is not None and len(x) <= _FEW_ROWS:
            y = torch.ops.quantized.linear_dynamic_fp16(x, self._half)
        elif self._packed is None or (len(x) == 1 and self._half is None):
            y = functional.linear(x, self._weight, self._bias)
        else:
            y = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
        if self.side is not None:
            self.side.add(x, y)
        return y


def _half(weight: Tensor, bias: Tensor | None) -> object | None:
    """The weight in 16-bit floats, laid out for FBGEMM, or None where that would lose something."""
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return None
    lost = (weight.half().float() - weight).abs().max()
    return torch.ops.quantized.linear_prepack_fp16(weight, bias) if bool(lost <= _LOST) else None


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
    """Several adapters: `a` [places · in, linears · rank]; `runs` of linears of one size, their B as
    [places · linears · rank, size], which row of it belongs to which weight, and where their ranks lie."""

    a: Tensor
    inputs: Bags
    runs: tuple[tuple[Tensor, Bags, slice], ...]

    def add(self, x: Tensor, y: Tensor) -> None:
        z = self.inputs.sums(self.a, x.reshape(-1))
        if len(self.runs) == 1:
            b, bags, _ = self.runs[0]
            y += bags.sums(b, z.view(-1)).view(y.shape)
            return
        start = 0
        for b, bags, ranks in self.runs:
            added = bags.sums(b, z[:, ranks].reshape(-1)).view(len(y), -1)
            y[:, start : start + added.shape[1]] += added
            start += added.shape[1]


Side = _One | _Many


class _Stack:
    """The adapters of one site, at the places that the bank gives them."""

    def __init__(self, site: Site) -> None:
        self._names = site.names
        self._runs = [(size, len(list(same))) for size, same in groupby(site.sizes)]
        self._rank = 0
        self._a = torch.zeros(0, site.width, 0)
        #: By run of linears of one size [places, linears, rank, size].
        self._b = [torch.zeros(0, count, 0, size) for size, count in self._runs]

    def reserve(self, places: int, weights: Iterable[Weights]) -> None:
        """Room for `places` adapters, `weights` among them; what lies there stays."""
        rank = max((len(one[name][0]) for one in weights for name in self._names if name in one), default=0)
        have, was = len(self._a), self._rank
        if places <= have and rank <= was:
            return
        places, rank = max(places, have), max(rank, was)
        linears = len(self._names)
        a = torch.zeros(places, self._a.shape[1], linears, rank)
        a[:have, :, :, :was] = self._a.view(have, a.shape[1], linears, was)
        self._a = a.flatten(2)
        for number, old in enumerate(self._b):
            new = torch.zeros(places, old.shape[1], rank, old.shape[3])
            new[:have, :, :was] = old
            self._b[number] = new
        self._rank = rank

    def side(self, places: Sequence[int], known: dict[tuple[int, int], Bags]) -> _Many:
        """For rows whose adapters lie at `places`. `known` bags are shared with other sites."""

        def bags(parts: int, size: int) -> Bags:
            if (parts, size) not in known:
                starts = [(place * parts + part) * size for place in places for part in range(parts)]
                known[parts, size] = Bags.spans(starts, size)
            return known[parts, size]

        runs, rank = [], 0
        for b, (_, count) in zip(self._b, self._runs, strict=True):
            ranks = slice(rank * self._rank, (rank + count) * self._rank)
            runs.append((b.view(-1, b.shape[3]), bags(count, self._rank), ranks))
            rank += count
        return _Many(self._a.view(-1, self._a.shape[2]), bags(1, self._a.shape[1]), tuple(runs))

    def put(self, place: int, weights: Weights) -> None:
        self._a[place] = 0
        number = 0
        for b, (_, count) in zip(self._b, self._runs, strict=True):
            b[place] = 0
            for at in range(count):
                if (name := self._names[number]) in weights:
                    factor, other = weights[name]
                    start = number * self._rank
                    self._a[place, :, start : start + len(factor)] = factor.T
                    b[place, at, : len(other)] = other
                number += 1


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
        self._own = _OwnWeights(self._sites)

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

    def activate(self, rows: Sequence[LoadedAdapter | None], tokens: int = 1) -> None:
        """The next pass, `tokens` a row, applies `rows[i]` to row i; one entry holds for all rows."""
        chosen = tuple(rows)
        if len(set(chosen)) == 1:
            chosen = chosen[:1]
        own = self._own.of(chosen[0], tokens) if len(chosen) == 1 else None
        for site, merged in zip(self._sites, own or (None,) * len(self._sites), strict=True):
            site.merged = merged
        if chosen == self._active or own is not None:
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
        places = [self._places[row] for row in rows]
        used = {name for row in rows if row is not None for name in row.weights}
        known: dict[tuple[int, int], Bags] = {}
        return tuple(
            stack.side(places, known) if used.intersection(site.names) else None
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

    def forget(self) -> None:
        """Lets go of every adapter; for an idle engine."""
        for site in self._sites:
            site.side = None
        self._active = (None,)
        self._sides.clear()
        self._places = {}
        self._stacks = tuple(_Stack(site) for site in self._sites)


class _OwnWeights:
    """The base's weights with one adapter in them, for adapters with many long prompts; by version.

    A prompt then needs no products of the adapter's own. The least recently used make room.
    """

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = sites
        size = sum(4 * site.width * site.height for site in sites)
        able = all(site.mergeable for site in sites)
        self._most = _MERGED_BYTES // size if able and size else 0
        self._kept: OrderedDict[str, tuple[Tensor, ...]] = OrderedDict()
        self._tokens: OrderedDict[str, int] = OrderedDict()

    def of(self, adapter: LoadedAdapter | None, tokens: int) -> tuple[Tensor, ...] | None:
        """None where products of its own are the better way: few tokens, or an adapter seldom asked."""
        if adapter is None or tokens <= _FEW_ROWS or not self._most:
            return None
        name = adapter.version
        if name not in self._kept:
            self._tokens[name] = self._tokens.pop(name, 0) + tokens
            if self._tokens[name] <= _WORTH:
                if len(self._tokens) > _COUNTED:
                    self._tokens.popitem(last=False)
                return None
            del self._tokens[name]
            if len(self._kept) >= self._most:
                self._kept.popitem(last=False)
            self._kept[name] = tuple(site.merge(adapter.weights) for site in self._sites)
        self._kept.move_to_end(name)
        return self._kept[name]


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
