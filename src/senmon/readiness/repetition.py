"""Duplicates, and what training shares with what is held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from senmon.dataset.example import Dataset, Example
from senmon.dataset.hygiene import alike
from senmon.dataset.likeness import core, user_turns
from senmon.dataset.near_duplicates import near_duplicates
from senmon.dataset.normal_form import conversation_key, normalised
from senmon.dataset.twins import twins
from senmon.messages import Message
from senmon.readiness.findings import Finding, finding, shortened

#: Word pairs in common from which two series of user turns are one.
ALIKE_TURNS = 0.8
#: Requests of at most so many words are common to everybody: to share them is no leak worth mending.
FEW_WORDS = 2


@dataclass(frozen=True, slots=True)
class ExamItem:
    """An item of an evaluation suite: its place, and the conversation up to what is asked."""

    source: str
    messages: tuple[Message, ...]


def repetition_findings(dataset: Dataset) -> Iterator[Finding]:
    """Exact and near duplicates, and held-out conversations beside a twin in training."""
    for group in alike(dataset):
        yield from _duplicates(group)
    examples = dataset.examples
    if all(example.split == "train" for example in examples):
        return
    for twin in twins([example.messages for example in examples]):
        yield from _split_leaks([examples[at] for at in twin])


def _split_leaks(group: Sequence[Example]) -> Iterator[Finding]:
    trained = [example.source for example in group if example.split == "train"]
    for example in group if trained else ():
        if example.split != "train":
            yield finding(
                "split_leak",
                "note" if _unavoidable(example.messages) else "error",
                [example.source, *trained],
                f"held out, but training holds nearly the same: “{example.request}”",
                "give both the same split, or rewrite one of them",
            )


def _duplicates(group: Sequence[Example]) -> Iterator[Finding]:
    """Each member beyond the first: exact against the first with its words, near against the group's
    first."""
    first: dict[str, Example] = {}
    for example in group:
        key = conversation_key(example.messages)
        twin = first.get(key)
        if twin is not None:
            yield finding(
                "exact_duplicate",
                "warning",
                [example.source, twin.source],
                f"the same conversation again: “{example.request}”",
                "remove one of them",
            )
        elif first:
            yield finding(
                "near_duplicate",
                "note",
                [example.source, group[0].source],
                f"almost the same as another: “{example.request}”",
                "keep it only if the small difference matters",
            )
        first.setdefault(key, example)


def suite_leak_findings(dataset: Dataset, items: Sequence[ExamItem]) -> Iterator[Finding]:
    """Training conversations that begin like an item: same core of each user turn, or 80 % of the word
    pairs."""
    depths = {len(user_turns(item.messages)) for item in items}
    places: dict[tuple[str, ...], str] = {}
    for item in items:
        places.setdefault(tuple(map(core, user_turns(item.messages))), item.source)
    asked = {item.source: item.messages for item in items}
    near = _near_items(dataset, items, depths)
    for example in dataset.split("train"):
        turns = user_turns(example.messages)
        cores = tuple(map(core, turns))
        hit = next(
            (places[cores[:depth]] for depth in sorted(depths, reverse=True) if cores[:depth] in places), None
        )
        hit = hit or near.get(example.source)
        if hit:
            yield finding(
                "suite_leak",
                "note" if _unavoidable(asked[hit]) else "error",  # what is shared are the item's turns
                [example.source, hit],
                f"training asks what the suite asks: “{shortened(turns[0], 120)}”",
                "remove it from training, or ask something else in the suite",
            )


def _unavoidable(messages: Sequence[Message]) -> bool:
    """`hi`, `thank you`, `a person please`: there are not enough ways to say it."""
    return all(len(core(text).split()) <= FEW_WORDS for text in user_turns(messages))


def _near_items(dataset: Dataset, items: Sequence[ExamItem], depths: set[int]) -> dict[str, str]:
    """Place of a training example → place of an item whose user turns are near-duplicates of its first
    ones."""
    found: dict[str, str] = {}
    train = dataset.split("train")
    for depth in sorted(depths):
        asked = [item for item in items if len(user_turns(item.messages)) == depth]
        longer = [example for example in train if len(user_turns(example.messages)) >= depth]
        texts = [_said(item.messages, depth) for item in asked] + [
            _said(one.messages, depth) for one in longer
        ]
        for group in near_duplicates(texts, threshold=ALIKE_TURNS):
            heads = [asked[at].source for at in group if at < len(asked)]
            if heads:
                found.update({longer[at - len(asked)].source: heads[0] for at in group if at >= len(asked)})
    return found


def _said(messages: Sequence[Message], depth: int) -> str:
    return " ¶ ".join(normalised(text) for text in user_turns(messages)[:depth])
