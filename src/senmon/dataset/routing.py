"""What the router learns from a dataset."""

from __future__ import annotations

from senmon.dataset.example import Dataset


def routing_examples(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    """(first user message, intent) of each training example, in order."""
    return tuple((example.request, example.intent) for example in dataset.split("train"))
