"""What a person needs who takes a conversation over: made of its stored events, by rule, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from senmon.messages import Conversation, Event
from senmon.rendering import references

MAX_LINES = 200
MAX_SUMMARY = 600
QUOTED = 160


@dataclass(frozen=True, slots=True)
class Line:
    """One message as it was seen; `role` is `visitor` or `assistant`."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Route:
    """Where a message went. `pack` is None where nobody answered; `reason` says why."""

    pack: str | None
    intent: str | None
    score: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Acted:
    """An action of the assistant, with what it was asked and how it ended."""

    name: str
    arguments: Mapping[str, Any]
    status: str


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that wanted something else said, and why; `block` ended the reply."""

    check: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class HandoverPackage:
    """`facts` are values that the visitor was shown by reference; `sources` the articles behind replies."""

    reason: str
    summary: str
    transcript: tuple[Line, ...]
    routes: tuple[Route, ...]
    actions: tuple[Acted, ...]
    failed_checks: tuple[FailedCheck, ...]
    facts: Mapping[str, str]
    sources: tuple[Mapping[str, Any], ...]


def handover_package(events: Sequence[Event], reason: str) -> HandoverPackage:
    """`events` of a whole conversation, run by run, as they are stored."""
    runs = groupby(events, key=lambda each: each.run_id)
    lines = tuple(line for _, run in runs for line in _said(list(run)))
    actions = _actions(events)
    facts = _facts(events)
    routes = tuple(_route(event) for event in events if event.type == "route")
    checks = tuple(
        FailedCheck(
            str(event.data.get("check", "")),
            str(event.data.get("outcome", "")),
            str(event.private.get("reason", "")),
        )
        for event in events
        if event.type == "verdict"
    )
    return HandoverPackage(
        reason=reason,
        summary=_summary(reason, lines, routes, actions, checks, facts),
        transcript=lines[-MAX_LINES:],
        routes=routes[-MAX_LINES:],
        actions=actions[-MAX_LINES:],
        failed_checks=checks[-MAX_LINES:],
        facts=facts,
        sources=_sources(events),
    )


def _said(run: Sequence[Event]) -> Iterable[Line]:
    for event in run:
        if event.type == "run" and event.private.get("messages"):
            yield Line("visitor", str(event.private["messages"][-1].get("content") or ""))
    text = "".join(str(event.data.get("text", "")) for event in run if event.type == "delta").strip()
    if text:
        yield Line("assistant", text)


def _route(event: Event) -> Route:
    pack, score = event.data.get("pack"), event.data.get("score")
    reason = str(event.data.get("reason") or ("pinned" if event.data.get("pinned") else ""))
    return Route(pack, event.data.get("intent"), score, reason)


def _actions(events: Iterable[Event]) -> tuple[Acted, ...]:
    found = []
    for event in events:
        if event.type == "action" and event.data.get("status") != "started":
            name = str(event.data.get("name", ""))
            found.append(Acted(name, _arguments(event), str(event.data.get("status", ""))))
    return tuple(found)


def _arguments(event: Event) -> Mapping[str, Any]:
    state = Conversation().apply(event)
    calls = [call for message in state.messages for call in message.tool_calls]
    return dict(calls[-1].arguments) if calls else {}


def _facts(events: Iterable[Event]) -> dict[str, str]:
    """Named values at the moment when they were said; of one root (`order`) those of the latest result."""
    state, shown = Conversation(), dict[str, str]()
    for event in events:
        if event.type == "delta":
            said = [name for name in references(str(event.private.get("raw", ""))) if name in state.facts]
            roots = {_root(name) for name in said}
            # Of another order nothing may stand beside the facts of this one.
            shown = {
                name: value
                for name, value in shown.items()
                if _root(name) not in roots or state.facts.get(name) == value
            }
            shown.update({name: state.facts[name] for name in said})
        state = state.apply(event)
    return shown


def _root(name: str) -> str:
    return name.partition(".")[0]


def _sources(events: Iterable[Event]) -> tuple[Mapping[str, Any], ...]:
    found: dict[str, Mapping[str, Any]] = {}
    for event in events:
        for item in event.data.get("items", ()) if event.type == "passages" else ():
            found[str(item.get("id"))] = {name: str(item.get(name, "")) for name in ("id", "title", "url")}
    return tuple(found.values())


def _summary(
    reason: str,
    lines: Sequence[Line],
    routes: Sequence[Route],
    actions: Sequence[Acted],
    checks: Sequence[FailedCheck],
    facts: Mapping[str, str],
) -> str:
    """A few sentences to read at a glance."""
    asked = [line.text for line in lines if line.role == "visitor"]
    packs = list(dict.fromkeys(route.pack for route in routes if route.pack))
    intents = list(dict.fromkeys(route.intent for route in routes if route.intent))
    count = f"{len(asked)} message{'' if len(asked) == 1 else 's'}"
    parts = [f"Handed over: {reason}. {count}, answered by {', '.join(packs) or 'nobody'}."]
    if intents:
        parts.append(f"About: {', '.join(intents[-5:])}.")
    if actions:
        parts.append(f"Done: {', '.join(map(_action_words, actions[-5:]))}.")
    if facts:
        parts.append(
            "Shown: " + ", ".join(f"{name} {value[:60]}" for name, value in list(facts.items())[-6:]) + "."
        )
    if checks:
        parts.append(f"Held back by: {', '.join(dict.fromkeys(check.check for check in checks))}.")
    if asked:
        parts.append(f"Last: “{asked[-1][:QUOTED]}”")
    return " ".join(parts)[:MAX_SUMMARY]


def _action_words(action: Acted) -> str:
    given = ", ".join(f"{value}" for value in action.arguments.values())
    return f"{action.name}({given[:60]}) {action.status}"
