"""Attention over slots whose keys lie turned: of one token a row by bags, of a prompt by the library.

With a query of one token both products are bound by reading keys and values. Turned tiles make each a
weighted sum of rows: scores are rows of a key tile weighted by the query, results are values weighted by the
scores. A row reads its own tokens only, however long the others are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from senmon.engines.local_bags import Bags
from senmon.engines.local_cache import TILE, SlotCache


class SlotView:
    """One row's keys and values of tokens up to `stop`, of which those from `start` on are new."""

    def __init__(self, slots: SlotCache, slot: int, start: int, stop: int) -> None:
        self._keys, self._values = slots.tiles()[:, slot], slots.store[:, 1, slot]
        self._start, self._stop = start, stop
        self._tiles = -(-stop // TILE)

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """[tokens, heads, head_dim] each."""
        tiles, turned, at = self._keys[layer], keys.permute(1, 2, 0), self._start
        while at < self._stop:
            tile, place = divmod(at, TILE)
            end = min(self._stop, (tile + 1) * TILE)
            tiles[:, tile, :, place : place + end - at] = turned[:, :, at - self._start : end - self._start]
            at = end
        self._values[layer, :, self._start : self._stop] = values.transpose(0, 1)

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """[heads, tokens, head_dim] each."""
        keys = self._keys[layer, :, : self._tiles].transpose(2, 3).flatten(1, 2)
        return keys[:, : self._stop], self._values[layer, :, : self._stop]


class OneTokenStep:
    """The next token of each of the first rows, at `lengths[i]`; `queries` heads share the keys' heads."""

    def __init__(self, slots: SlotCache, lengths: Sequence[int], queries: int) -> None:
        rows, shape = len(lengths), slots.shape
        self._tiles, self._store = slots.tiles(), slots.store
        self._rows, self._places = torch.arange(rows), torch.tensor(lengths)
        self._tile, self._at = self._places // TILE, self._places % TILE
        width, size = slots.store.shape[4], shape.head_dim
        tiles = -(-(max(lengths) + 1) // TILE)
        # Which of the cache's heads each query reads, by row: [rows, queries, 1].
        heads = (torch.arange(queries) * shape.heads // queries)[None, :, None]
        heads = heads + self._rows[:, None, None] * shape.heads
        seen = torch.arange(tiles * TILE) <= self._places[:, None]
        tiled = torch.arange(tiles) <= self._tile[:, None]
        self._bar = torch.zeros(seen.shape).masked_fill_(~seen, -torch.inf)[:, None]
        own = tiled[:, None].expand(-1, queries, -1)
        starts = ((heads * (width // TILE) + torch.arange(tiles)) * size)[own]
        self._scores = Bags(_runs(starts, size), _offsets(own.flatten() * size))
        self._asking = (torch.arange(rows * queries).view(rows, -1, 1).expand(own.shape))[own]
        own = seen[:, None].expand(-1, queries, -1)
        self._kept = own.flatten().nonzero()[:, 0]
        index = (heads * width + torch.arange(tiles * TILE)).view(-1)[self._kept]
        self._results = Bags(index.int(), _offsets((self._places + 1).repeat_interleave(queries)))

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """[rows, heads, head_dim] each."""
        self._tiles[layer][self._rows, :, self._tile, :, self._at] = keys
        self._store[layer, 1][self._rows, :, self._places] = values

    def attention(self, layer: int, queries: Tensor) -> Tensor:
        """Scaled queries [rows, heads, head_dim] to results of that shape."""
        rows, heads, size = queries.shape
        asked = queries.reshape(-1, size).index_select(0, self._asking)
        scores = self._scores.sums(self._store[layer, 0].view(-1, TILE), asked.view(-1))
        shares = scores.view(rows, heads, -1).add_(self._bar).softmax(-1)
        weights = shares.view(-1).index_select(0, self._kept)
        return self._results.sums(self._store[layer, 1].view(-1, size), weights).view(rows, heads, size)


def _runs(starts: Tensor, size: int) -> Tensor:
    return (starts.int()[:, None] + torch.arange(size, dtype=torch.int32)).flatten()


def _offsets(sizes: Tensor) -> Tensor:
    """Where each bag begins."""
    return (sizes.cumsum(0) - sizes).int()
