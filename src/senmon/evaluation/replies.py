"""Replies for cases, made by the engine, many at once, greedily."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from senmon.adapters import Adapter
from senmon.assistant.candidates import candidates
from senmon.checks.protocol import Check
from senmon.dataset.hinting import hinted
from senmon.embedding import Encoder
from senmon.engines.protocol import Chunk, Engine, GenerateRequest, Sampling
from senmon.errors import EngineBusy, RenderError
from senmon.evaluation.cases import Case
from senmon.evaluation.scoring import score
from senmon.messages import ToolCall, Usage
from senmon.packs.pack import Pack
from senmon.policy.artifact import load as load_policy
from senmon.policy.model import Policy
from senmon.rendering import prefix_message

PARALLEL = 16
#: Generated tokens at most: enough for the reference, for a call, or for a suite's short reply.
LEAST_TOKENS, MOST_TOKENS = 96, 256
BUSY_TRIES = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a subject made of a case. `error` is set when no reply could be made: every score is 0."""

    case: str
    source: str
    intent: str
    origin: str
    reply: str
    call: Mapping[str, Any] | None
    scores: Mapping[str, float]
    error: str = ""
    usage: Usage = field(default_factory=Usage)

    def to_json(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "source": self.source,
            "intent": self.intent,
            "origin": self.origin,
            "reply": self.reply,
            "call": self.call,
            "scores": dict(self.scores),
            "error": self.error,
            "usage": self.usage.to_json(),
        }


async def answer_all(
    pack: Pack,
    cases: Sequence[Case],
    *,
    engine: Engine,
    adapter: Adapter | None,
    checks: Sequence[Check],
    encoder: Encoder | None = None,
) -> tuple[Outcome, ...]:
    """One outcome per case, in order. A case's own fault (a prompt too long) scores 0.

    An adapter with a policy gets its hints; `encoder` (None: the installed one) must be the policy's.

    Raises EngineUnavailable, EngineBusy when the queue stays full, AdapterError.
    """
    free = asyncio.Semaphore(PARALLEL)
    policy = load_policy(adapter.path, encoder) if adapter else None
    if policy is not None:
        told = await asyncio.to_thread(_hinted, cases, policy)
    else:
        told = tuple(cases)

    async def one(case: Case) -> Outcome:
        async with free:
            return await _answer(pack, case, engine, adapter, checks)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(case)) for case in told]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return tuple(task.result() for task in tasks)


def _hinted(cases: Sequence[Case], policy: Policy) -> tuple[Case, ...]:
    return tuple(replace(case, messages=hinted(case.messages, policy)) for case in cases)


async def _answer(
    pack: Pack, case: Case, engine: Engine, adapter: Adapter | None, checks: Sequence[Check]
) -> Outcome:
    common = (case.id, case.source, case.intent, case.origin)
    try:
        text, call, usage = await _generate(engine, _request(pack, case, adapter))
    except RenderError as error:
        scores = await asyncio.to_thread(score, pack, case, "", None, checks)
        return Outcome(*common, "", None, dict.fromkeys(scores, 0.0), str(error))
    scores = await asyncio.to_thread(score, pack, case, text, call, checks)
    made = {"name": call.name, "arguments": dict(call.arguments)} if call else None
    return Outcome(*common, text.strip(), made, scores, usage=usage)


def _request(pack: Pack, case: Case, adapter: Adapter | None) -> GenerateRequest:
    tools = pack.manifest.actions.specs
    # A reference of n characters has fewer than n/2 tokens: room for one half longer.
    room = max(LEAST_TOKENS, min(MOST_TOKENS, len(case.reference) * 3 // 4))
    return GenerateRequest(
        messages=(prefix_message(pack), *case.messages),
        adapter=adapter,
        tools=tools,
        candidates=candidates(tools, case.messages),
        sampling=Sampling(temperature=0.0, max_tokens=room),
    )


async def _generate(engine: Engine, request: GenerateRequest) -> tuple[str, ToolCall | None, Usage]:
    for attempt in range(BUSY_TRIES):
        try:
            return await _collect(engine, request)
        except EngineBusy as busy:
            if attempt == BUSY_TRIES - 1:
                raise
            await asyncio.sleep(min(busy.retry_after, 5.0))
    raise AssertionError("unreachable")


async def _collect(engine: Engine, request: GenerateRequest) -> tuple[str, ToolCall | None, Usage]:
    text, call, usage = "", None, Usage()
    async with aclosing(cast(AsyncGenerator[Chunk, None], engine.generate(request))) as chunks:
        async for chunk in chunks:
            text += chunk.text
            call = chunk.tool_call or call
            usage = chunk.usage or usage
    return text, call, usage
