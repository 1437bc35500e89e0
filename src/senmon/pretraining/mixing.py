"""The order of training: which documents make up which batch, fixed by the seed alone.

No document sees another: each row of a batch holds one document (or a piece of a long one), rows of like
length together, so that attention within a row is attention within a document and little is padding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from senmon.pretraining.shards import Shard

POOL_BATCHES = 32
MULTIPLE = 32


@dataclass(frozen=True, slots=True)
class Mix:
    """Weights by `group/source`, else source, else group; missing: 0. `anneal` applies at the end."""

    start: Mapping[str, float]
    anneal: Mapping[str, float]

    def weights(self, progress: float, anneal_from: float) -> Mapping[str, float]:
        """The shares at `progress` (0..1) of a run."""
        return self.anneal if progress >= anneal_from else self.start


class Sampler:
    """Draws documents by weight, without replacement within a source's epoch."""

    def __init__(self, shards: Sequence[Shard], context: int, seed: int) -> None:
        self._shards = shards
        self._context = context
        self._seed = seed
        self._members: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        for number, shard in enumerate(shards):
            for index, name in enumerate(shard.sources):
                rows = np.flatnonzero(np.asarray(shard.source) == index)
                if not len(rows):
                    continue
                pairs = np.stack([np.full(len(rows), number), rows], axis=1)
                key = (shard.group, name)
                self._members[key] = (
                    np.concatenate([self._members[key], pairs]) if key in self._members else pairs
                )
        self._lengths = {key: self._mean_length(pairs) for key, pairs in self._members.items()}
        self._taken = dict.fromkeys(self._members, 0)
        self._orders: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        #: Of the current pool's rows, by identity: `group/source`.
        self.origin: dict[int, str] = {}
        #: Groups that are drawn no more.
        self.stopped: frozenset[str] = frozenset()

    def _mean_length(self, pairs: np.ndarray[Any, Any]) -> float:
        starts = [np.diff(shard.starts) for shard in self._shards]
        return float(np.mean([min(starts[shard][row], 4 * self._context) for shard, row in pairs[:2000]]))

    def pool(
        self, weights: Mapping[str, float], tokens: int, rng: np.random.Generator
    ) -> list[np.ndarray[Any, Any]]:
        """About `tokens` tokens of rows (each ≤ context long), drawn by weight (shares of tokens)."""
        keys = sorted(self._members)
        share = np.array([self._weight(key, weights) for key in keys])
        if share.sum() <= 0:
            raise ValueError("no source has a weight")
        counts = share / share.sum() * tokens / np.array([self._lengths[key] for key in keys])
        rows: list[np.ndarray[Any, Any]] = []
        self.origin = {}
        for key, count in zip(keys, counts, strict=True):
            whole = int(count) + int(rng.random() < count - int(count))
            drawn = [piece for _ in range(whole) for piece in self._pieces(*self._next(key))]
            self.origin |= dict.fromkeys(map(id, drawn), "/".join(key))
            rows += drawn
        return rows

    def can_draw(self, weights: Mapping[str, float], stopped: Collection[str]) -> bool:
        """Whether a group that has a weight is left."""
        return any(self._weight(key, weights) > 0 for key in self._members if key[0] not in stopped)

    def _weight(self, key: tuple[str, str], weights: Mapping[str, float]) -> float:
        """A source's own weight, else its part (by tokens) of its group's weight. Stopped groups have 0."""
        if key[0] in self.stopped:
            return 0.0
        group, source = key
        for name in (f"{group}/{source}", source):
            if name in weights:
                return weights[name]
        others = [k for k in self._members if k[0] == group and not {k[1], f"{k[0]}/{k[1]}"} & weights.keys()]
        total = sum(len(self._members[k]) * self._lengths[k] for k in others)
        return weights.get(group, 0.0) * len(self._members[key]) * self._lengths[key] / total

    def _next(self, key: tuple[str, str]) -> tuple[int, int]:
        members = self._members[key]
        epoch, place = divmod(self._taken[key], len(members))
        self._taken[key] += 1
        if place == 0 or key not in self._orders:
            self._orders[key] = np.random.default_rng([self._seed, epoch, len(members)]).permutation(
                len(members)
            )
        shard, row = members[self._orders[key][place]]
        return int(shard), int(row)

    def _pieces(self, shard: int, row: int) -> list[np.ndarray[Any, Any]]:
        ids = self._shards[shard].document(row)
        return [ids[at : at + self._context + 1] for at in range(0, max(1, len(ids) - 1), self._context)]

    def state(self) -> dict[str, int]:
        """How many documents of each source were drawn; `restore` goes on from there."""
        return {f"{group}/{source}": taken for (group, source), taken in self._taken.items()}

    def restore(self, state: Mapping[str, int]) -> None:
        for group, source in self._taken:
            self._taken[group, source] = state.get(f"{group}/{source}", 0)


def batches(
    rows: Sequence[np.ndarray[Any, Any]],
    batch_tokens: int,
    rng: np.random.Generator,
    *,
    micro_tokens: int | None = None,
) -> list[list[list[np.ndarray[Any, Any]]]]:
    """Optimiser steps of `batch_tokens`, each of micro-batches of at most `micro_tokens` padded tokens.

    Rows of like length share a micro-batch; a step's micro-batches are drawn at random, so that a step sees
    all lengths.
    """
    micro = min(micro_tokens or batch_tokens, batch_tokens)
    order = sorted(range(len(rows)), key=lambda index: (len(rows[index]), index))
    made: list[list[np.ndarray[Any, Any]]] = [[]]
    for index in order:
        width = padded(len(rows[index]))
        if made[-1] and width * (len(made[-1]) + 1) > micro:
            made.append([])
        made[-1].append(rows[index])
    return _steps([made[place] for place in rng.permutation(len(made)) if made[place]], batch_tokens)


def _steps(
    micro: Sequence[list[np.ndarray[Any, Any]]], batch_tokens: int
) -> list[list[list[np.ndarray[Any, Any]]]]:
    steps: list[list[list[np.ndarray[Any, Any]]]] = []
    room = 0
    for rows in micro:
        size = padded(max(map(len, rows))) * len(rows)
        if size > room:
            steps.append([])
            room = batch_tokens
        steps[-1].append(rows)
        room -= size
    return steps


def padded(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE
