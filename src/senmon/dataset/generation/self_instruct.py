"""Requests and replies that a model writes in the manner of examples (Wang et al. 2023, Self-Instruct).

The model sees training examples only. What it writes is data: parsed, bounded, sieved.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from random import Random
from typing import Any

from senmon.dataset.generation.candidate import Candidate, Parent, with_request
from senmon.dataset.generation.protected import copied_values
from senmon.messages import CONTEXT, Message

#: Asks the model: messages and seed → its text.
Ask = Callable[[Sequence[Message], int], Awaitable[str]]
SHOWN = 6
WANTED = 8
PARALLEL = 4
MAX_REQUEST, MAX_REPLY = 400, 1200
_SYSTEM = (
    "You write training examples for an assistant. You get requests of one kind, and write new ones: "
    "the same intent, other words, other lengths, other people. Keep each value listed under `keep` exactly. "
    "Answer with JSON Lines only, one object per line, nothing else."
)


def instruction(parents: Sequence[Parent], wanted: int) -> tuple[Message, ...]:
    """The prompt for new requests like the first parent's; the others show the manner."""
    first = parents[0]
    reply = writes_reply(first)
    shape = {"request": "…", **({"reply": "…"} if reply else {})}
    shown = [{"request": parent.example.request} for parent in parents[1:]]
    model = {
        "request": first.example.request,
        **({"reply": first.example.messages[-1].content} if reply else {}),
    }
    keep = [value for value in copied_values(first) if value.casefold() in first.example.request.casefold()]
    lines = [
        f"Intent: {first.example.intent}",
        "Examples:",
        *(json.dumps(each, ensure_ascii=False) for each in [model, *shown]),
        f"keep: {json.dumps(keep, ensure_ascii=False)}",
    ]
    if reply:
        lines.append(
            "A reply may use only what the example's reply says; keep names in [[…]] exactly as they are."
        )
    lines.append(f"Write {wanted} new lines of this shape: {json.dumps(shape, ensure_ascii=False)}")
    return Message("system", _SYSTEM), Message("user", "\n".join(lines))


def writes_reply(parent: Parent) -> bool:
    """One turn without calls: the reply may be new too. Otherwise all after the request stays."""
    messages = parent.example.messages
    return sum(message.role == "user" for message in messages) == 1 and not any(
        message.tool_calls or (message.role == "tool" and message.name != CONTEXT) for message in messages
    )


def parse_answer(text: str, parent: Parent, seed: int) -> Iterator[Candidate]:
    """The candidates in a model's answer. Lines that are no such objects are passed over."""
    for line in text.splitlines()[: 4 * WANTED]:
        written = _object(line)
        request = _clean(written.get("request"), MAX_REQUEST)
        if not request:
            continue
        candidate = with_request(parent, request, "self-instruct", seed)
        reply = _clean(written.get("reply"), MAX_REPLY)
        if writes_reply(parent) and reply:
            messages = (*candidate.messages[:-1], {**candidate.messages[-1], "content": reply})
            candidate = Candidate(
                "self-instruct", seed, candidate.parent, candidate.intent, messages, candidate.licence
            )
        yield candidate


async def written(parents: Sequence[Parent], rounds: range, ask: Ask, seed: int) -> list[list[Candidate]]:
    """An answer about one intent per number of `rounds`, a few at once, in order; each number asks anew."""
    free = asyncio.Semaphore(PARALLEL)

    async def one(number: int) -> list[Candidate]:
        random = Random(f"{seed}:self-instruct:{parents[0].example.intent}:{number}")
        shown = random.sample(list(parents), k=min(SHOWN, len(parents)))
        async with free:
            answer = await ask(instruction(shown, WANTED), random.randrange(2**31))
        return list(parse_answer(answer, shown[0], seed))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number)) for number in rounds]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


def _object(line: str) -> dict[str, Any]:
    line = re.sub(r"^\s*(?:[-*]|\d+[.)])\s*", "", line).strip().rstrip(",")
    try:
        data = json.loads(line) if line.startswith("{") and len(line) < 8000 else {}
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _clean(value: Any, most: int) -> str:
    """Text on one line without control characters or markers of chat templates; empty when it is none."""
    if not isinstance(value, str) or len(value) > most or re.search(r"<\|\w+\|>|</?tool_\w+>", value):
        return ""
    text = " ".join(value.split())
    return text if text.isprintable() else ""
