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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from senmon.errors import DataInvalid, Problem
from senmon.messages import CONTEXT, Message, ToolCall
from senmon.packs.jsonl import read_jsonl
from senmon.packs.manifest import Strict
from senmon.packs.model_problems import field_fault
from senmon.packs.pack import Pack
from senmon.packs.yaml_text import Place, dotted
from senmon.rendering import context_message

#: Reports a problem: field, why, remedy.
Add = Callable[[str, str, str], None]
Words = Annotated[str, Field(min_length=1, max_length=500)]


class ActionExpectation(Strict):
    """The call that must be made; None: the reply must be text."""

    action: str | None = Field(description="the action's name, or null for none")
    arguments: dict[str, Any] = Field(default_factory=dict, description="the arguments as a JSON object")


class ReplyExpectation(Strict):
    """What the words of the reply must and must not hold."""

    contains: tuple[Words, ...] = Field((), description="texts of which the reply must hold one")
    absent: tuple[Words, ...] = Field((), description="texts that the reply must not hold")
    references: tuple[Words, ...] = Field((), description="facts that it must name, such as order.eta")


class RouteExpectation(Strict):
    """The pack that must answer; None: no pack."""

    pack: str | None = Field(description="the pack's name, or null for none")


Expectation = ActionExpectation | ReplyExpectation | RouteExpectation
KINDS: Mapping[str, type[ActionExpectation] | type[ReplyExpectation] | type[RouteExpectation]] = {
    "action": ActionExpectation,
    "reply": ReplyExpectation,
    "route": RouteExpectation,
}


class _Message(Strict):
    role: Literal["user", "assistant", "tool"] = Field(description="user, assistant or tool")
    content: str = Field("", max_length=20_000, description="at most 20,000 characters")
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str = ""
    name: str = ""
    passages: tuple[str, ...] = ()


class _Line(Strict):
    id: str = Field("", max_length=200, description="a name of at most 200 characters")
    kind: Literal["action", "reply", "route"] = Field(description="one of action, reply, route")
    intent: str = Field("", max_length=200, description="a label of at most 200 characters")
    messages: tuple[_Message, ...] = Field(
        min_length=1, max_length=100, description="the conversation, 1 to 100 messages"
    )
    expect: dict[str, Any] = Field(description="what the reply is judged by, as a JSON object")


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

    def add(field: str, why: str, remedy: str) -> None:
        problems.append(Problem(path, int(number), field, why, remedy))

    line = _validated(_Line, record, (), add)
    kind, wanted = record.get("kind"), record.get("expect")
    known = KINDS[kind] if isinstance(kind, str) and kind in KINDS else None
    expect = _validated(known, wanted, ("expect",), add) if known and isinstance(wanted, dict) else None
    if line is None or expect is None:
        return None
    _check_order(line.messages, add)
    _check_expectation(pack, expect, add)
    built = (_message(pack, raw, f"messages.{index}", add) for index, raw in enumerate(line.messages))
    messages = tuple(message for message in built if message is not None)
    return SuiteItem(line.id or source, line.kind, line.intent, messages, expect, source)


Model = TypeVar("Model", bound=BaseModel)


def _validated(model: type[Model], data: Any, before: Place, add: Add) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            place, why, remedy = field_fault(model, detail)
            add(dotted((*before, *place)), why, remedy)
        return None


def _check_order(messages: Sequence[_Message], add: Add) -> None:
    if messages[0].role != "user":
        add("messages.0", "the first message must be the user's", "begin with what the visitor says")
    if messages[-1].role == "assistant":
        why = "the last message must be the user's or a tool's"
        add(f"messages.{len(messages) - 1}", why, "leave the reply out: it is what the model is asked for")
    for index, message in enumerate(messages):
        if not (message.content.strip() or message.tool_calls or message.passages):
            add(f"messages.{index}.content", "is empty", "write the message, or leave it out")


def _check_expectation(pack: Pack, expect: Expectation, add: Add) -> None:
    if isinstance(expect, ActionExpectation):
        if expect.action is not None and expect.action not in pack.actions:
            known = ", ".join(sorted(pack.actions)) or "none"
            add("expect.action", f"the pack has no action {expect.action!r}", f"its actions: {known}")
        if expect.action is None and expect.arguments:
            add("expect.arguments", "arguments without an action", "name the action, or leave them out")
    if isinstance(expect, ReplyExpectation) and not (expect.contains or expect.absent or expect.references):
        add("expect", "nothing is expected", "give contains, absent or references")


def _message(pack: Pack, raw: _Message, field: str, add: Add) -> Message | None:
    if raw.passages:
        if raw.role != "tool" or raw.content:
            remedy = 'write {"role": "tool", "passages": ["article-id"]}'
            add(field, "passages belong to a tool message without content", remedy)
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
        shape = '{"id": …, "type": "function", "function": {"name": …, "arguments": …}}'
        add(f"{field}.tool_calls", f"not a tool call: {error}", f"write {shape}")
        return None
    name = raw.name or (CONTEXT if raw.role == "tool" and not raw.tool_call_id else "")
    return Message(raw.role, raw.content, calls, raw.tool_call_id, name)
