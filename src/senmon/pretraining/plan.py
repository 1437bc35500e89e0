"""What a run is to do, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from senmon.errors import ConfigError

Schedule = Literal["wsd", "cosine"]
Method = Literal["muon", "adamw"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to pretrain. Rates are peak rates; `minutes` ends the run by time, `tokens` by count.

    `batch_tokens` (padded) make an optimiser step, in micro-batches of `micro_tokens`; None: by device.
    `packed` lines hold several documents (None: on a GPU). `stop_after`: evaluations for which a group's bits
    per byte must have risen before it is drawn no more; 0: never.
    `valid_documents` are measured per group. `context_weight` is the weight in the loss of all in a
    conversation but its replies.
    """

    tokens: int
    minutes: float | None = None
    context: int = 1024
    batch_tokens: int | None = None
    micro_tokens: int | None = None
    method: Method = "muon"
    muon_rate: float = 0.01
    adam_rate: float = 2e-3
    weight_decay: float = 0.01
    schedule: Schedule = "wsd"
    warmup: float = 0.02
    decay_from: float = 0.6
    anneal_from: float = 2 / 3
    clip: float = 1.0
    seed: int = 0
    evaluations: int = 10
    valid_documents: int = 40
    stop_after: int = 0
    precision: str = "auto"
    compile: bool | None = None
    packed: bool | None = None
    context_weight: float = 1.0
    checkpoint_seconds: float = 300.0

    def __post_init__(self) -> None:
        """Raises ConfigError naming what is out of range."""
        limits = {
            "tokens": self.tokens >= 1,
            "context": self.context >= 8,
            "batch-tokens": self.batch_tokens is None or self.batch_tokens >= 8,
            "clip": self.clip > 0,
            "evaluations": self.evaluations >= 1,
            "muon-rate, adam-rate": self.muon_rate > 0 and self.adam_rate > 0,
            "warmup": 0 < self.warmup <= 1,
            "decay-from": 0 < self.decay_from <= 1,
            "context-weight": 0 <= self.context_weight <= 1,
            "schedule": self.schedule in ("wsd", "cosine"),
        }
        wrong = [name for name, fine in limits.items() if not fine]
        if wrong:
            raise ConfigError(
                f"out of range: {', '.join(wrong)}", remedy="`senmon base pretrain --help` says what is sane"
            )

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on from its checkpoint."""
        data = asdict(self)
        for name in ("checkpoint_seconds", "precision", "compile"):
            del data[name]
        return data


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run is. `valid` holds bits per byte per group at the last evaluation."""

    step: int
    tokens: int
    share: float
    loss: float
    tokens_per_second: float
    eta_seconds: float
    valid: Mapping[str, float] = field(default_factory=dict)
    phase: str = "training"


@dataclass(slots=True)
class State:
    """Everything that a run needs to go on exactly, beside weights and optimiser state.

    `pool_share` and `pool_tokens` say where the current pool of documents was drawn: its weights and size
    follow from them. `taken` counts the documents drawn of each source before that pool, `read` the targets
    learnt.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    pool: int = 0
    batch: int = 0
    pool_share: float = 0.0
    pool_tokens: int = 0
    precision: str = ""
    compiled: bool = False
    train: list[list[float]] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    stopped: dict[str, int] = field(default_factory=dict)
    pool_stopped: list[str] = field(default_factory=list)
