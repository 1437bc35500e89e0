"""What reviewers corrected weighs more than a line of the pack's own: it is few, and known to be needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from senmon.dataset.example import Example

#: A reviewed line is learnt so often in each epoch, as long as all of them are no more than the rest.
TIMES = 3


def repetitions(examples: Sequence[Example]) -> int:
    """How often an epoch has each reviewed line; 0 when there is none."""
    reviewed = sum(one.reviewed for one in examples)
    return max(1, min(TIMES, (len(examples) - reviewed) // reviewed)) if reviewed else 0


def emphasised(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The examples, with the reviewed ones repeated."""
    times = repetitions(examples)
    return (*examples, *(one for _ in range(times - 1) for one in examples if one.reviewed))
