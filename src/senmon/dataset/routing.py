"""What the router learns from a dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from senmon.dataset.example import Dataset

Requests = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Learnt:
    """Of a dataset, what routing needs: its digest, and (first user message, intent) of each training
    example, in order."""

    digest: str
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, dataset: Dataset) -> Learnt:
        return cls(
            dataset.digest, tuple((example.request, example.intent) for example in dataset.split("train"))
        )


def routing_examples(dataset: Dataset | Learnt, requests: Requests = ()) -> tuple[tuple[str, str], ...]:
    """The pairs of the training examples; then `requests` (the pack's `routing.examples`) that are not
    among them."""
    learnt = (dataset if isinstance(dataset, Learnt) else Learnt.of(dataset)).pairs
    known = set(learnt)
    return (*learnt, *(pair for pair in requests if pair not in known))


def routing_digest(dataset: Dataset | Learnt, requests: Requests = ()) -> str:
    """What stands for `routing_examples(dataset, requests)`."""
    if not requests:
        return dataset.digest
    text = json.dumps([dataset.digest, *requests], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
