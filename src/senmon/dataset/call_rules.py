"""Whether a tool call of an example is one that the pack's actions allow and that serving could make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from senmon.messages import CONTEXT, Message, Passage, ToolCall
from senmon.packs.action_rules import IDENTITY_ARGUMENT
from senmon.packs.manifest import ActionSpec
from senmon.packs.pack import Pack

#: Field, what is wrong, what to do.
Fault = tuple[str, str, str]


@dataclass(frozen=True)
class PackRules:
    """What the examples of a pack are judged by."""

    actions: Mapping[str, ActionSpec]
    validators: Mapping[str, Draft202012Validator]
    passages: Mapping[str, Passage]
    licence: str

    @classmethod
    def of(cls, pack: Pack) -> PackRules:
        return cls(
            actions=pack.actions,
            validators={name: Draft202012Validator(spec.parameters) for name, spec in pack.actions.items()},
            passages={article.id: article.passage() for article in pack.articles},
            licence=pack.manifest.licence,
        )


def read_call(raw: Any, default_id: str) -> ToolCall:
    """The call in OpenAI's shape; arguments as object or JSON text. Raises ValueError with the reason."""
    if not isinstance(raw, dict) or not isinstance(raw.get("function"), dict):
        raise ValueError('a call is {"id": …, "type": "function", "function": {"name": …, "arguments": {…}}}')
    unknown = sorted((set(raw) - {"id", "type", "function"}) | (set(raw["function"]) - {"name", "arguments"}))
    if unknown:
        raise ValueError(f"unknown fields: {', '.join(unknown)}")
    if not isinstance(raw["function"].get("name"), str) or not isinstance(raw.get("id", ""), str):
        raise ValueError("a call's name and id are text")
    try:
        call = ToolCall.from_json(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError("arguments must be a JSON object") from error
    return call if call.id else ToolCall(default_id, call.name, call.arguments)


def call_faults(call: ToolCall, rules: PackRules, before: Iterable[Message]) -> Iterator[Fault]:
    """Faults of one call, given the messages before it; fields are relative to the call."""
    spec = rules.actions.get(call.name)
    if spec is None:
        known = ", ".join(sorted(rules.actions)) or "none"
        yield "function.name", f"unknown action `{call.name}`", f"actions of this pack: {known}"
        return
    properties = spec.parameters.get("properties", {})
    for name in sorted(set(call.arguments) - set(properties)):
        remedy = (
            "the server sets it" if name == IDENTITY_ARGUMENT else f"known: {', '.join(properties) or 'none'}"
        )
        yield f"function.arguments.{name}", f"`{call.name}` has no argument `{name}`", remedy
    for error in rules.validators[call.name].iter_errors(dict(call.arguments)):
        if error.validator != "additionalProperties":
            field = ".".join(["function.arguments", *map(str, error.absolute_path)])
            yield field, error.message[:200], f"see the parameters of `{call.name}` in pack.yaml"
    yield from _candidate_faults(call, spec, tuple(before))


def _candidate_faults(call: ToolCall, spec: ActionSpec, before: tuple[Message, ...]) -> Iterator[Fault]:
    for name, pattern in spec.candidates.items():
        if name not in call.arguments:
            continue
        found = {match.group(0).strip() for text in _said(before) for match in re.finditer(pattern, text)}
        if str(call.arguments[name]) not in found:
            why = f"`{call.arguments[name]}` does not occur before the call, so the model may not choose it"
            yield (
                f"function.arguments.{name}",
                why,
                "copy it from the user's words or from a result, letter by letter",
            )


def _said(messages: tuple[Message, ...]) -> Iterator[str]:
    for message in messages:
        if message.role == "user" or (message.role == "tool" and message.name != CONTEXT):
            yield message.content
