"""A dataset in the form of the Hugging Face `datasets` library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from senmon.dataset.example import SPLITS, Dataset, Example
from senmon.messages import Message

if TYPE_CHECKING:
    from datasets import DatasetDict


def to_hf(dataset: Dataset, *, tools: str = "") -> DatasetDict:
    """A DatasetDict with a Dataset per split that has examples.

    `messages` is a list of {role, content, tool_calls, tool_call_id, name}; `tool_calls` is JSON text,
    since the arguments of different actions have no common column type. `tools`, JSON text, becomes a
    column of its own.
    """
    import datasets

    datasets.disable_progress_bars()
    features = _features(tools)
    more = {"tools": tools} if tools else {}
    return datasets.DatasetDict(
        {
            name: datasets.Dataset.from_list([{**_row(example), **more} for example in examples], features)
            for name in SPLITS
            if (examples := dataset.split(name))
        }
    )


def _features(tools: str) -> Any:
    from datasets import Features, Value

    text = Value("string")
    message = dict.fromkeys(("role", "content", "tool_calls", "tool_call_id", "name"), text)
    labels = dict.fromkeys(("id", "intent", "split", "source", "licence", "origin"), text)
    more = {"tools": text} if tools else {}
    return Features({**labels, "tags": [text], "messages": [message], **more})


def _row(example: Example) -> dict[str, Any]:
    return {
        "id": example.id,
        "intent": example.intent,
        "split": example.split,
        "source": example.source,
        "licence": example.licence,
        "origin": example.origin,
        "tags": list(example.tags),
        "messages": [_message(message) for message in example.messages],
    }


def _message(message: Message) -> dict[str, str]:
    calls = [call.to_json() for call in message.tool_calls]
    return {
        "role": message.role,
        "content": message.content,
        "tool_calls": json.dumps(calls, ensure_ascii=False) if calls else "",
        "tool_call_id": message.tool_call_id,
        "name": message.name,
    }
