"""What a tuning run tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["load", "measure", "plan", "train", "evaluate", "prefer", "save", "done"]


@dataclass(frozen=True, slots=True)
class TuneProgress:
    """One sign of life. Losses are nats per supervised token; `tokens_per_second` counts the tokens of
    examples, shared prefix included; `note` is for people."""

    phase: Phase
    step: int = 0
    steps: int = 0
    loss: float | None = None
    valid_loss: float | None = None
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    note: str = ""


OnProgress = Callable[[TuneProgress], None]


def ignore(_: TuneProgress) -> None:
    """For who doesn't care."""
