"""What is asked in an evaluation: every reply of the held-out examples, and the suites' items."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Literal, TypeVar

from senmon.dataset.example import Dataset, Example
from senmon.evaluation.suite import ActionExpectation, ReplyExpectation, SuiteItem
from senmon.messages import Message

#: From here on the test split alone is used; below, valid and test together.
ENOUGH = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One reply to make. `messages` has no static prefix.

    `call` is the right call as (name, arguments); None: the reply must be text. `reference` is a good reply,
    if one is known. `contains`, `absent` and `references` are a suite's wishes.
    """

    id: str
    source: str
    intent: str
    origin: Literal["heldout", "suite"]
    messages: tuple[Message, ...]
    call: tuple[str, Mapping[str, Any]] | None
    reference: str = ""
    contains: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    wishes: bool = False


Item = TypeVar("Item", Case, Example)


def heldout(dataset: Dataset) -> tuple[Example, ...]:
    """The examples that no tuning step saw: the test split, with the valid split when it is small."""
    test = dataset.split("test")
    return test if len(test) >= ENOUGH else (*dataset.split("valid"), *test)


def heldout_cases(examples: Iterable[Example]) -> tuple[Case, ...]:
    """One case per assistant message: the conversation before it is the reference's."""
    return tuple(
        _from_example(example, index)
        for example in examples
        for index, message in enumerate(example.messages)
        if message.role == "assistant"
    )


def _from_example(example: Example, index: int) -> Case:
    target = example.messages[index]
    call = target.tool_calls[0] if target.tool_calls else None
    return Case(
        id=f"{example.id}#{index}",
        source=example.source,
        intent=example.intent,
        origin="heldout",
        messages=example.messages[:index],
        call=(call.name, call.arguments) if call else None,
        reference="" if call else target.content,
    )


def suite_cases(items: Iterable[SuiteItem]) -> tuple[Case, ...]:
    """The items that need a reply; routes are judged by the router."""
    return tuple(_from_item(item) for item in items if item.kind != "route")


def _from_item(item: SuiteItem) -> Case:
    expect = item.expect
    case = Case(
        id=f"suite:{item.id}",
        source=item.source,
        intent=item.intent or "suite",
        origin="suite",
        messages=item.messages,
        call=None,
    )
    if isinstance(expect, ActionExpectation):
        return replace(case, call=None if expect.action is None else (expect.action, expect.arguments))
    assert isinstance(expect, ReplyExpectation)
    return replace(
        case, contains=expect.contains, absent=expect.absent, references=expect.references, wishes=True
    )


def spread(cases: Sequence[Case], *, limit: int | None = None) -> tuple[Case, ...]:
    """The cases in an order of which any beginning is spread evenly over origins, intents and kinds."""
    return _interleaved(cases, lambda case: (case.origin, case.intent, case.call is None))[:limit]


def spread_examples(examples: Sequence[Example], *, limit: int | None = None) -> tuple[Example, ...]:
    """Like `spread`, for examples: evenly over intents."""
    return _interleaved(examples, lambda example: (example.intent,))[:limit]


def _interleaved(items: Sequence[Item], group: Callable[[Item], tuple[Any, ...]]) -> tuple[Item, ...]:
    """One of each group in turn; within a group by the hash of the id, so that no file's order matters."""
    groups: dict[tuple[Any, ...], list[Item]] = {}
    for item in sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest()):
        groups.setdefault(group(item), []).append(item)
    queues = [groups[key] for key in sorted(groups)]
    rounds = zip_longest(*queues)
    return tuple(item for turn in rounds for item in turn if item is not None)
