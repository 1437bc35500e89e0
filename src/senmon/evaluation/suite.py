"""Evaluation suites: `eval/*.jsonl` of a pack, one item per line.

    {"id": "eta", "kind": "reply", "intent": "order_status",
     "messages": [{"role": "user", "content": "…"}, …],
     "expect": {"contains": ["Friday", "on its way"], "absent": ["sorry"], "references": ["order.eta"]}}
    {"id": "look-up", "kind": "action", "messages": […], "expect": {"action": "order_status",
     "arguments": {"order_id": "A1001"}}}
    {"id": "elsewhere", "kind": "route", "messages": […], "expect": {"pack": null}}

`messages` is the conversation up to the reply that is judged. As in training data, a tool message may name
`passages` instead of content. `action` null means that no action may be called; `contains` asks for any one
of its texts, upper and lower case alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from senmon.errors import DataInvalid, Problem
from senmon.messages import CONTEXT, Message, ToolCall
from senmon.packs.jsonl import read_jsonl
from senmon.packs.manifest import Strict
from senmon.packs.pack import Pack
from senmon.rendering import context_message

#: Reports a problem: field, why, remedy.
Add = Callable[..., None]
Words = Annotated[str, Field(min_length=1, max_length=500)]


class ActionExpectation(Strict):
    """The call that must be made; None: the reply must be text."""

    action: str | None
    arguments: dict[str, Any] = Field(default_factory=dict)


class ReplyExpectation(Strict):
    """What the words of the reply must and must not hold."""

    contains: tuple[Words, ...] = ()
    absent: tuple[Words, ...] = ()
    references: tuple[Words, ...] = ()


class RouteExpectation(Strict):
    """The pack that must answer; None: no pack."""

    pack: str | None


Expectation = ActionExpectation | ReplyExpectation | RouteExpectation
KINDS: Mapping[str, type[ActionExpectation] | type[ReplyExpectation] | type[RouteExpectation]] = {
    "action": ActionExpectation,
    "reply": ReplyExpectation,
    "route": RouteExpectation,
}


class _Message(Strict):
    role: Literal["user", "assistant", "tool"]
    content: str = Field("", max_length=20_000)
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str = ""
    name: str = ""
    passages: tuple[str, ...] = ()


class _Line(Strict):
    id: str = Field("", max_length=200)
    kind: Literal["action", "reply", "route"]
    intent: str = Field("", max_length=200)
    messages: tuple[_Message, ...] = Field(min_length=1, max_length=100)
    expect: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SuiteItem:
    """One thing to ask. `messages` ends with the turn to answer; `source` is `file:line`."""

    id: str
    kind: str
    intent: str
    messages: tuple[Message, ...]
    expect: Expectation
    source: str


def load_suites(pack: Pack) -> tuple[SuiteItem, ...]:
    """Every item of a pack's suites. Raises DataInvalid with every problem."""
    problems: list[Problem] = []
    items: dict[str, SuiteItem] = {}
    for path in pack.suite_files:
        shown = str(path.relative_to(pack.path))
        for number, item in _read(pack, path, shown, problems):
            if item.id in items:
                why = f"id {item.id!r} was used at {items[item.id].source}"
                problems.append(Problem(shown, number, "id", why, "give each item its own id"))
            items.setdefault(item.id, item)
    if problems:
        raise DataInvalid(f"{pack.name}: the evaluation suites have {len(problems)} problem(s)", problems)
    return tuple(items.values())


def _read(pack: Pack, path: Path, shown: str, problems: list[Problem]) -> Iterator[tuple[int, SuiteItem]]:
    for line in read_jsonl(path):
        found = [] if line.problem is None else [replace(line.problem, path=shown)]
        item = None if line.record is None else _item(pack, line.record, f"{shown}:{line.number}", found)
        problems.extend(found)
        if item is not None and not found:
            yield line.number, item


def _item(pack: Pack, record: Mapping[str, Any], source: str, problems: list[Problem]) -> SuiteItem | None:
    path, _, number = source.rpartition(":")

    def add(field: str, why: str, remedy: str = "") -> None:
        problems.append(Problem(path, int(number), field, why, remedy))

    try:
        line = _Line.model_validate(record)
        expect = KINDS[line.kind].model_validate(line.expect)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            add(".".join(str(part) for part in fault["loc"]), fault["msg"])
        return None
    if line.messages[-1].role == "assistant":
        add(f"messages.{len(line.messages) - 1}", "the last message must be the user's or a tool's")
    _check_expectation(pack, expect, add)
    built = (_message(pack, raw, f"messages.{index}", add) for index, raw in enumerate(line.messages))
    messages = tuple(message for message in built if message is not None)
    return SuiteItem(line.id or source, line.kind, line.intent, messages, expect, source)


def _check_expectation(pack: Pack, expect: Expectation, add: Add) -> None:
    if isinstance(expect, ActionExpectation):
        if expect.action is not None and expect.action not in pack.actions:
            known = ", ".join(sorted(pack.actions)) or "none"
            add("expect.action", f"the pack has no action {expect.action!r}", f"its actions: {known}")
        if expect.action is None and expect.arguments:
            add("expect.arguments", "arguments without an action")
    if isinstance(expect, ReplyExpectation) and not (expect.contains or expect.absent or expect.references):
        add("expect", "nothing is expected", "give contains, absent or references")


def _message(pack: Pack, raw: _Message, field: str, add: Add) -> Message | None:
    if raw.passages:
        if raw.role != "tool" or raw.content:
            add(field, "passages belong to a tool message without content")
            return None
        articles = {article.id: article for article in pack.articles}
        missing = [name for name in raw.passages if name not in articles]
        for name in missing:
            add(
                f"{field}.passages",
                f"no article {name!r}",
                f"its articles: {', '.join(sorted(articles)[:20])}",
            )
        return context_message([articles[name].passage() for name in raw.passages if name in articles])
    try:
        calls = tuple(ToolCall.from_json(call) for call in raw.tool_calls)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        add(f"{field}.tool_calls", f"not a tool call: {error}")
        return None
    name = raw.name or (CONTEXT if raw.role == "tool" and not raw.tool_call_id else "")
    return Message(raw.role, raw.content, calls, raw.tool_call_id, name)
