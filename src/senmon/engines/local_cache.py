"""Keys and values: a slot per running row, and blocks kept for prefixes that come again."""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

#: Slots grow by this many tokens; an idle engine keeps at most `_IDLE_TOKENS` in all slots together.
_GROWTH = 256
#: Where keys lie turned, so many tokens' lie together.
TILE = 64
_IDLE_TOKENS = 4096
#: Blocks behind one, the latest, in which a prompt's next tokens are looked for.
_FOLLOWERS = 64


#: Keys and values of some tokens, as they lie in a slot.
Block = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class KVShape:
    """What one token's keys and values look like.

    `turned`: keys lie in tiles [head_dim, TILE], so that those of many tokens are summed side by side.
    """

    layers: int
    heads: int
    head_dim: int
    dtype: torch.dtype
    device: torch.device
    turned: bool = False


class SlotCache:
    """One tensor `[layers, 2, slots, heads, tokens, head_dim]`, grown on demand up to slots × context.

    Positions beyond a row's length hold zeros or finite left-overs, and are masked.
    """

    def __init__(self, shape: KVShape, *, slots: int, context: int) -> None:
        self.shape = shape
        self.slots = slots
        self.context = context
        self._store = self._zeros(0, 0)

    @property
    def store(self) -> torch.Tensor:
        """The tensor itself; `reserve` may replace it."""
        return self._store

    @property
    def tokens(self) -> int:
        """Tokens that storage is allocated for."""
        return int(self._store.shape[2] * self._store.shape[4])

    def reserve(self, rows: int, width: int) -> None:
        """Makes room; what is stored stays."""
        have_rows, have_width = self._store.shape[2], self._store.shape[4]
        if rows <= have_rows and width <= have_width:
            return
        more_rows = have_rows if rows <= have_rows else min(self.slots, max(rows, 2 * have_rows))
        more_width = have_width if width <= have_width else _grown(width, self.context)
        grown = self._zeros(more_rows, more_width)
        grown[:, :, :have_rows, :, :have_width] = self._store
        self._store = grown

    def move(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` tokens of a row into another slot."""
        whole = -(-length // TILE) * TILE
        self._store[:, :, target, :, :whole] = self._store[:, :, source, :, :whole]

    def read(self, slot: int, start: int, stop: int) -> Block:
        """A copy of tokens that lie in one tile, for `write`."""
        return self._keys_at(slot, start, stop).clone(), self._store[:, 1, slot, :, start:stop].clone()

    def write(self, slot: int, start: int, block: Block, count: int) -> None:
        """The first `count` tokens of a block."""
        keys, values = block[0], block[1][:, :, :count]
        keys = keys[..., :count] if self.shape.turned else keys[:, :, :count]
        stop = start + count
        self.reserve(slot + 1, stop)
        self._keys_at(slot, start, stop).copy_(keys)
        self._store[:, 1, slot, :, start:stop] = values

    def _keys_at(self, slot: int, start: int, stop: int) -> torch.Tensor:
        if not self.shape.turned:
            return self._store[:, 0, slot, :, start:stop]
        tile, at = divmod(start, TILE)
        return self.tiles()[:, slot, :, tile, :, at : at + stop - start]

    def tiles(self) -> torch.Tensor:
        """Turned keys [layers, slots, heads, tiles, head_dim, TILE], a view."""
        layers, _, slots, heads, width, size = self._store.shape
        return self._store[:, 0].view(layers, slots, heads, width // TILE, size, TILE)

    def clear(self, slot: int) -> None:
        """Zeros a slot that may hold values that aren't finite: masked, they would still spoil sums."""
        self._store[:, :, slot : slot + 1] = 0

    def drop(self) -> None:
        """Forgets everything."""
        self._store = self._zeros(0, 0)

    def trim(self) -> None:
        """Gives memory back after a peak; for an idle engine."""
        if self.tokens > _IDLE_TOKENS:
            self.drop()

    def _zeros(self, rows: int, width: int) -> torch.Tensor:
        s = self.shape
        return torch.zeros((s.layers, 2, rows, s.heads, width, s.head_dim), dtype=s.dtype, device=s.device)


def _grown(width: int, context: int) -> int:
    """Tokens to make room for; whole tiles."""
    return -(-min(context, -(-width // _GROWTH) * _GROWTH) // TILE) * TILE


class PrefixCache:
    """Blocks of keys and values by what led to them, least recently used out first.

    A block's key is a chain: digest(previous key, its tokens), begun from the adapter's version. LoRA
    changes keys and values, so nothing is ever shared across adapters. Where a prompt leaves what is known in
    mid-block, the block's beginning is used.
    """

    def __init__(self, tokens: int, *, block: int = 16) -> None:
        self.block = block
        self._limit = tokens // block
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()
        #: What follows each key: the next block's tokens by its own key, and what each key follows.
        self._next: dict[bytes, dict[bytes, tuple[int, ...]]] = {}
        self._before: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def find(self, space: str, ids: Sequence[int]) -> list[tuple[Block, int]]:
        """The longest known run at the start of `ids`, leaving at least one token over: its blocks, and how
        many tokens of each (all, but of the last)."""
        found: list[bytes] = []
        last = _root(space)
        for key in self._chain(space, ids, (len(ids) - 1) // self.block):
            if key not in self._blocks:
                break
            found.append(key)
            last = key
        part, count = self._begun(last, ids[len(found) * self.block : len(ids) - 1])
        # Ends first, so that a chain loses its end before its beginning.
        for key in reversed(found):
            self._blocks.move_to_end(key)
        blocks = [(self._blocks[key], self.block) for key in found]
        if part is not None:
            self._blocks.move_to_end(part)
            blocks.append((self._blocks[part], count))
        return blocks

    def keep(self, space: str, ids: Sequence[int], slots: SlotCache, slot: int) -> None:
        """Keeps the whole blocks of a row whose keys and values for `ids` lie in `slot`."""
        keys = list(self._chain(space, ids, min(len(ids) // self.block, self._limit)))
        before = _root(space)
        for index, key in enumerate(keys):
            if key not in self._blocks:
                start = index * self.block
                self._blocks[key] = slots.read(slot, start, start + self.block)
                self._next.setdefault(before, {})[key] = tuple(ids[start : start + self.block])
                self._before[key] = before
            before = key
        for key in reversed(keys):
            self._blocks.move_to_end(key)
        while len(self._blocks) > self._limit:
            self._forget(self._blocks.popitem(last=False)[0])

    def _begun(self, before: bytes, ids: Sequence[int]) -> tuple[bytes | None, int]:
        """The block behind `before` that begins most as `ids` do, and for how many tokens."""
        best, most = None, 0
        for key, tokens in islice(reversed(self._next.get(before, {}).items()), _FOLLOWERS):
            count = _alike(tokens, ids)
            if count > most:
                best, most = key, count
        return best, most

    def _forget(self, key: bytes) -> None:
        before = self._before.pop(key)
        followers = self._next[before]
        del followers[key]
        if not followers:
            del self._next[before]

    def _chain(self, space: str, ids: Sequence[int], count: int) -> Iterator[bytes]:
        key = _root(space)
        for index in range(count):
            tokens = array("q", ids[index * self.block : (index + 1) * self.block])
            key = hashlib.blake2b(key + tokens.tobytes(), digest_size=16).digest()
            yield key


def _root(space: str) -> bytes:
    return hashlib.blake2b(space.encode("utf-8"), digest_size=16).digest()


def _alike(tokens: Sequence[int], ids: Sequence[int]) -> int:
    """How many tokens both begin with."""
    count = 0
    for one, other in zip(tokens, ids, strict=False):
        if one != other:
            break
        count += 1
    return count
