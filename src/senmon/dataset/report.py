"""What a dataset holds, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from senmon.dataset.example import SPLITS, Dataset
from senmon.packs.pack import Article, Pack
from senmon.rendering import context_message


@dataclass(frozen=True, slots=True)
class DatasetCounts:
    """Sizes, and what of the pack no training conversation shows.

    `turns` are user messages; `several_turns` are conversations with more than one. `intents` and `tags` come
    with the most frequent first.
    """

    examples: int
    splits: Mapping[str, int]
    intents: Mapping[str, int]
    tags: Mapping[str, int]
    messages: int
    turns: int
    several_turns: int
    calls: int
    uncalled_actions: tuple[str, ...]
    unused_articles: tuple[str, ...]
    licences: Mapping[str, int]


def count_dataset(pack: Pack, dataset: Dataset) -> DatasetCounts:
    """The counts of `dataset`, which `load_dataset(pack)` made."""
    examples = dataset.examples
    turns = [sum(message.role == "user" for message in example.messages) for example in examples]
    return DatasetCounts(
        examples=len(examples),
        splits={name: len(dataset.split(name)) for name in SPLITS},
        intents=dataset.intents(),
        tags=dict(Counter(tag for example in examples for tag in example.tags).most_common()),
        messages=sum(len(example.messages) for example in examples),
        turns=sum(turns),
        several_turns=sum(count > 1 for count in turns),
        calls=sum(len(message.tool_calls) for example in examples for message in example.messages),
        uncalled_actions=_uncalled(pack, dataset),
        unused_articles=_unused(pack, dataset),
        licences=dict(Counter(example.licence for example in examples).most_common()),
    )


def _uncalled(pack: Pack, dataset: Dataset) -> tuple[str, ...]:
    train = dataset.split("train")
    called = {call.name for example in train for message in example.messages for call in message.tool_calls}
    return tuple(name for name in pack.actions if name not in called)


def _unused(pack: Pack, dataset: Dataset) -> tuple[str, ...]:
    """Articles that no training conversation shows."""
    shown = {
        message.content
        for example in dataset.split("train")
        for message in example.messages
        if message.role == "tool"
    }
    missing = {article.id: _as_shown(article) for article in pack.articles}
    for content in shown:
        for name in [name for name, text in missing.items() if text in content]:
            del missing[name]
        if not missing:
            break
    return tuple(missing)


def _as_shown(article: Article) -> str:
    """What of an article stands in a context message wherever it is shown: no place, no list of facts."""
    message = context_message([article.passage()])
    lines = message.content.splitlines() if message else []
    text = "\n".join(line for line in lines if not line.startswith("facts: "))
    return text.removeprefix("[[answer.1]]").strip()
