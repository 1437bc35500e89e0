"""What the router learns from a dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from senmon.dataset.example import Dataset

Requests = Sequence[tuple[str, str]]


def routing_examples(dataset: Dataset, requests: Requests = ()) -> tuple[tuple[str, str], ...]:
    """(first user message, intent) of each training example, in order; then `requests` (the pack's
    `routing.examples`) that are not among them.
    """
    learnt = [(example.request, example.intent) for example in dataset.split("train")]
    known = set(learnt)
    return (*learnt, *(pair for pair in requests if pair not in known))


def routing_digest(dataset: Dataset, requests: Requests = ()) -> str:
    """What stands for `routing_examples(dataset, requests)`."""
    if not requests:
        return dataset.digest
    text = json.dumps([dataset.digest, *requests], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
