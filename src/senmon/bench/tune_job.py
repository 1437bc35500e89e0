"""What one tuning of the benchmark is: the same rows, order, steps and optimiser for everybody."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from senmon.rendering import IGNORED
from senmon.tuning.rows import Row

#: Rows of so many steps are sorted by length together, as length grouping does.
WINDOW = 8
Program = Literal["senmon", "trl"]
Data = tuple[tuple[int, ...], tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class TuneJob:
    """`rows` in order, `batch` of them a step: (ids, labels, tokens that all share). `half`: bf16.

    `checkpointing`: gradients by computing twice, TRL's default.
    """

    name: str
    program: Program
    rows: tuple[Data, ...]
    valid: tuple[Data, ...]
    batch: int
    half: bool
    rate: float = 2e-3
    checkpointing: bool = False
    threads: int = 1
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TuneJob:
        def rows(name: str) -> tuple[Data, ...]:
            return tuple((tuple(ids), tuple(labels), int(cut)) for ids, labels, cut in data[name])

        return cls(**{**data, "rows": rows("rows"), "valid": rows("valid")})

    @property
    def steps(self) -> int:
        return len(self.rows) // self.batch


@dataclass(frozen=True, slots=True)
class TuneResult:
    """Seconds of training alone; `loss` on the validation rows in float32 afterwards; memory in MB.

    `peak` is the most that the process held while it trained, `before` what it held when training began.
    """

    name: str
    wall: float
    cpu: float
    loss: float
    peak: float
    before: float


def data_of(row: Row) -> Data:
    return row.ids, row.labels, row.cut


def row_of(data: Data, name: str) -> Row:
    ids, labels, cut = data
    return Row(name, "", ids, labels, cut, sum(label != IGNORED for label in labels), hash(ids[:cut]))


def shuffled(rows: Sequence[Row], steps: int, batch: int, seed: int) -> list[Row]:
    """`steps · batch` rows, each once, in random order."""
    order = list(rows)
    random.Random(seed).shuffle(order)
    return order[: steps * batch]


def by_length(rows: Sequence[Row], batch: int, seed: int) -> list[Row]:
    """The same rows, those of a step alike in length; steps in random order."""
    size = WINDOW * batch
    steps = []
    for start in range(0, len(rows), size):
        window = sorted(rows[start : start + size], key=lambda row: len(row.ids))
        steps += [window[at : at + batch] for at in range(0, len(window), batch)]
    random.Random(seed).shuffle(steps)
    return [row for step in steps for row in step]


def made_up(prefix: int, suffix: int, share: float, count: int, vocabulary: int, seed: int) -> list[Row]:
    """Random tokens: a shared prefix, then `suffix` tokens of which the last `share` is the reply."""
    numbers = random.Random(seed)
    low = min(64, vocabulary // 2)
    shared = tuple(numbers.randrange(low, vocabulary) for _ in range(prefix))
    reply = max(1, min(suffix - 1, round(share * suffix)))
    rows = []
    for number in range(count):
        ids = shared + tuple(numbers.randrange(low, vocabulary) for _ in range(suffix))
        labels = (IGNORED,) * (len(ids) - reply) + ids[-reply:]
        rows.append(row_of((ids, labels, prefix), str(number)))
    return rows
