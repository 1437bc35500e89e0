"""One reply against what was expected of it: scores from 0 to 1, the same for every subject."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from senmon.assistant.release import Splitter
from senmon.checks.protocol import Check, CheckContext
from senmon.evaluation.cases import Case
from senmon.evaluation.metrics import chrf
from senmon.messages import CONTEXT, Conversation, Message, Passage, ToolCall
from senmon.packs.pack import Pack
from senmon.rendering import fill_references, flatten_facts, passage_text, references

#: Scores that are 0 or 1. `faultless` is 1 when all the others of a case are.
BINARY = ("faultless", "action", "arguments", "references", "facts", "checks", "suite", "route")
REPLY_SCORES = ("references", "checks")


def context_of(pack: Pack, messages: Sequence[Message]) -> CheckContext:
    """What a reply to `messages` may rest on: the passages shown, and the facts of results and passages."""
    passages: dict[str, Passage] = {}
    state = Conversation()
    for message in messages:
        if message.role == "user":
            state = state.without_answers()
        elif message.name == CONTEXT:
            found = _passages(pack, message.content)
            passages.update({each.id: each for each in found})
            state = state.with_facts(flatten_facts({}, found))
        elif message.role == "tool":
            state = state.with_facts(flatten_facts(_result(message.content)))
    return CheckContext(tuple(messages), tuple(passages.values()), state.facts, slots_of(pack, messages))


def slots_of(pack: Pack, messages: Sequence[Message]) -> Mapping[str, Any]:
    """The slots that the calls so far filled: arguments go to same-named slots, and so does what a result
    states anew of an argument, as `{"problem": {"text": …}}` does where an action takes a `problem`.

    What actions set beyond that is not part of a conversation, and no action runs in an evaluation: it might
    change something outside.
    """
    known = {name for spec in pack.actions.values() for name in spec.parameters.get("properties", {})}
    slots: dict[str, Any] = {}
    for message in messages:
        for call in message.tool_calls:
            slots.update(call.arguments)
        if message.role == "tool" and message.name != CONTEXT:
            result = _result(message.content)
            stated = {name: result[name] for name in known & result.keys()}
            slots.update({name: value["text"] for name, value in stated.items() if _has_text(value)})
    return slots


def _has_text(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("text"), str)


def _passages(pack: Pack, content: str) -> tuple[Passage, ...]:
    """The articles that a context message shows, in its order."""
    passages = [article.passage() for article in pack.articles]
    texts = ((passage, passage_text(passage, 1).removeprefix("[[answer.1]]")) for passage in passages)
    found = [(content.find(text), passage) for passage, text in texts if text in content]
    return tuple(passage for _, passage in sorted(found, key=lambda pair: pair[0]))


def named_facts(text: str, passages: Sequence[Passage]) -> set[str]:
    """The facts that a reply names, itself or by an answer that names them; `passages` are this turn's."""
    named = set(references(text))
    for place, passage in enumerate(passages, 1):
        if f"answer.{place}" in named:
            named.update(references(passage.answer))
    return named


def _newest(pack: Pack, messages: Sequence[Message]) -> tuple[Passage, ...]:
    """The passages that the last turn shows."""
    for message in reversed(messages):
        if message.role == "user":
            break
        if message.name == CONTEXT:
            return _passages(pack, message.content)
    return ()


def _result(content: str) -> Mapping[str, Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def score(
    pack: Pack, case: Case, text: str, call: ToolCall | None, checks: Sequence[Check]
) -> dict[str, float]:
    """The scores of one reply. May take a moment: checks run."""
    scores = _call_scores(case, call)
    if case.call is None:
        scores.update(_reply_scores(pack, case, text, checks) if call is None else _nothing(case))
    scores["faultless"] = float(all(value == 1.0 for name, value in scores.items() if name in BINARY))
    return scores


def _call_scores(case: Case, call: ToolCall | None) -> dict[str, float]:
    if case.call is None:
        return {"action": float(call is None)}
    name, arguments = case.call
    named = call is not None and call.name == name
    exact = named and call is not None and dict(call.arguments) == dict(arguments)
    return {"action": float(named), "arguments": float(exact)}


def _nothing(case: Case) -> dict[str, float]:
    """A call where text was due has no words to judge: every score of words is 0."""
    optional = {
        "facts": bool(references(case.reference)),
        "similarity": bool(case.reference),
        "suite": case.wishes,
    }
    return dict.fromkeys((*REPLY_SCORES, *(name for name, due in optional.items() if due)), 0.0)


def _reply_scores(pack: Pack, case: Case, text: str, checks: Sequence[Check]) -> dict[str, float]:
    context = context_of(pack, case.messages)
    text = text.strip()
    filled, missing = fill_references(text, context.facts)
    scores = {
        "references": float(bool(text) and not missing),
        "checks": float(bool(text) and not missing and passes(text, checks, context)),
    }
    named = named_facts(text, _newest(pack, case.messages))
    if due := references(case.reference):
        scores["facts"] = float(set(due) <= named)
    if case.reference:
        scores["similarity"] = chrf(text, case.reference)
    if case.wishes:
        scores["suite"] = float(_fulfils(case, named, filled))
    return scores


def _fulfils(case: Case, named: set[str], filled: str) -> bool:
    said = filled.casefold()
    return (
        bool(said)
        and (not case.contains or any(words.casefold() in said for words in case.contains))
        and not any(words.casefold() in said for words in case.absent)
        and set(case.references) <= named
    )


def passes(text: str, checks: Sequence[Check], context: CheckContext) -> bool:
    """Whether every release unit of a reply would be released as it is."""
    splitter = Splitter()
    said = ""
    for unit in [*splitter.feed(text), splitter.rest()]:
        candidate, missing = fill_references(unit, context.facts)
        if missing or any(check.judge(said, candidate, context).outcome != "pass" for check in checks):
            return False
        said += candidate
    return True
