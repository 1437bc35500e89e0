"""One reply against what was expected of it: scores from 0 to 1, the same for every subject."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from senmon.assistant.release import Splitter
from senmon.checks.protocol import Check, CheckContext
from senmon.evaluation.cases import Case
from senmon.evaluation.metrics import chrf
from senmon.messages import CONTEXT, Message, Passage, ToolCall
from senmon.packs.pack import Pack
from senmon.rendering import fill_references, flatten_facts, references

#: Scores that are 0 or 1. `faultless` is 1 when all the others of a case are.
BINARY = ("faultless", "action", "arguments", "references", "facts", "checks", "suite", "route")
REPLY_SCORES = ("references", "checks")


def context_of(pack: Pack, messages: Sequence[Message]) -> CheckContext:
    """What a reply to `messages` may rest on: the passages shown, and the facts of results and passages."""
    passages: dict[str, Passage] = {}
    facts: dict[str, str] = {}
    for message in messages:
        if message.role != "tool":
            continue
        if message.name == CONTEXT:
            passages.update({found.id: found for found in _passages(pack, message.content)})
        else:
            facts.update(flatten_facts(_result(message.content)))
    shown = tuple(passages.values())
    facts = {**flatten_facts({}, shown), **facts}
    return CheckContext(tuple(messages), shown, facts, slots_of(messages))


def slots_of(messages: Sequence[Message]) -> Mapping[str, Any]:
    """The slots that the calls so far filled: arguments go to same-named slots.

    What actions set beyond that is not part of a conversation, and no action runs in an evaluation: it might
    change something outside.
    """
    return {
        name: value
        for message in messages
        for call in message.tool_calls
        for name, value in call.arguments.items()
    }


def _passages(pack: Pack, content: str) -> tuple[Passage, ...]:
    """The articles that a context message shows, in its order."""
    texts = ((article, f"# {article.title}\n{article.text.strip()}") for article in pack.articles)
    found = [(content.find(text), article) for article, text in texts if text in content]
    return tuple(article.passage() for _, article in sorted(found, key=lambda pair: pair[0]))


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
    if named := references(case.reference):
        scores["facts"] = float(set(named) <= set(references(text)))
    if case.reference:
        scores["similarity"] = chrf(text, case.reference)
    if case.wishes:
        scores["suite"] = float(_fulfils(case, text, filled))
    return scores


def _fulfils(case: Case, text: str, filled: str) -> bool:
    said = filled.casefold()
    return (
        bool(said)
        and (not case.contains or any(words.casefold() in said for words in case.contains))
        and not any(words.casefold() in said for words in case.absent)
        and set(case.references) <= set(references(text))
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
