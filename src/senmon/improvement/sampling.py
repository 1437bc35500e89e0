"""Learning without people: replies that the checks refused are sampled again, and what passes is learnt.

Rejection sampling with the checks as verifier, as in STaR (arXiv 2203.14465) and RAFT (arXiv 2304.06767).
What a person disliked is left to people: no check knows why.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from senmon.adapters import Adapter
from senmon.dataset.call_rules import PackRules
from senmon.dataset.hinting import hinted
from senmon.dataset.normal_form import normalised
from senmon.dataset.record import Record, read_record
from senmon.embedding import Encoder
from senmon.engines.protocol import Chunk, Engine, GenerateRequest, Sampling
from senmon.errors import DataInvalid, EngineBusy, RenderError, SenmonError
from senmon.evaluation.example_faults import judge_of
from senmon.improvement.deciding import Desk
from senmon.improvement.lines import data_line, intent_of
from senmon.improvement.signals import SignalKind, signals_of
from senmon.improvement.talk import read_talk
from senmon.messages import Message
from senmon.packs.pack import Pack
from senmon.policy.artifact import load as load_policy
from senmon.rendering import prefix_message
from senmon.store.exchanges import Exchange, Review
from senmon.store.rows import now

#: Who decides, in the lineage of what is learnt.
REVIEWER = "checks"
#: What the checks said; an exchange with any other signal waits for a person.
THEIRS: frozenset[SignalKind] = frozenset({"repaired", "gave up", "blocked", "close", "unsure"})
OF_CHECKS: frozenset[SignalKind] = frozenset({"repaired", "gave up", "blocked"})
TEMPERATURE, TOP_P, MOST_TOKENS = 0.8, 0.95, 200
#: Of the samples, so many must pass and say the same.
AGREEING = 2
MOST_EXCHANGES = 500


@dataclass(frozen=True, slots=True)
class Sampled:
    """`tried` exchanges were sampled again, `kept` of them got a reply that is learnt."""

    tried: int
    kept: int


async def sampled(
    pack: Pack,
    desk: Desk,
    *,
    engine: Engine,
    adapter: Adapter | None,
    tries: int,
    encoder: Encoder | None = None,
    most: int = MOST_EXCHANGES,
) -> Sampled:
    """Sample `tries` replies to each undecided message whose reply the checks refused; decide for the one
    that most of the passing samples agree on. Raises EngineError, StoreError, AdapterError."""
    waiting = [
        each
        async for each in desk.store.reviews.exchanges(undecided=True, most=20 * most)
        if each.pack == pack.name and refused(each)
    ]
    kept = 0
    for exchange in waiting[:most]:
        context = await _context(pack, desk, exchange)
        if context is None:
            continue
        asked = context
        policy = load_policy(adapter.path, encoder) if adapter else None
        if policy is not None:
            asked = await asyncio.to_thread(hinted, context, policy)
        texts = await _samples(pack, asked, engine, adapter, tries)
        best, agreeing = chosen(pack, context, texts)
        if agreeing >= AGREEING:
            note = f"{agreeing} of {tries} samples pass the checks and agree"
            kept += await _decided(desk, exchange, best, note)
    return Sampled(min(len(waiting), most), kept)


def refused(exchange: Exchange) -> bool:
    """Whether the checks, and nobody else, had something against the reply."""
    kinds = {one.kind for one in signals_of(exchange)}
    return bool(kinds & OF_CHECKS) and kinds <= THEIRS


def chosen(pack: Pack, context: Sequence[Message], texts: Sequence[str]) -> tuple[str, int]:
    """The reply that passes every check and that most samples agree on, and how many of them."""
    judge = judge_of(pack)
    safe = normalised(pack.manifest.texts.safe)
    passing = [
        text
        for text in texts
        if text.strip() and normalised(text) != safe and not judge([*context, Message("assistant", text)])
    ]
    if not passing:
        return "", 0
    votes = Counter(map(normalised, passing))
    winner, count = votes.most_common(1)[0]
    return next(text for text in passing if normalised(text) == winner), count


async def _context(pack: Pack, desk: Desk, exchange: Exchange) -> tuple[Message, ...] | None:
    """What the model is to answer: masked, with the articles of today. None when it can't be learnt from."""
    draft = Review(exchange.run, "correct", pack.name, {"reply": "-"}, REVIEWER, "", now())
    talk = await read_talk(desk.store, exchange.conversation)
    try:
        draft = Review(
            exchange.run, "correct", pack.name,
            {"reply": "-", "intent": intent_of(talk.turn(exchange.run), draft)}, REVIEWER, "", now(),
        )  # fmt: skip
        line = data_line(pack, talk, draft, split="train")
    except SenmonError:
        return None
    record = read_record(line.record, PackRules.of(pack), "")
    return record.messages[:-1] if isinstance(record, Record) else None


async def _samples(
    pack: Pack, context: Sequence[Message], engine: Engine, adapter: Adapter | None, tries: int
) -> list[str]:
    async def one(seed: int) -> str:
        sampling = Sampling(TEMPERATURE, TOP_P, seed=seed, max_tokens=MOST_TOKENS)
        request = GenerateRequest((prefix_message(pack), *context), adapter, sampling=sampling)
        try:
            return await _whole(engine, request)
        except (RenderError, EngineBusy):
            return ""

    return list(await asyncio.gather(*(one(seed) for seed in range(1, tries + 1))))


async def _whole(engine: Engine, request: GenerateRequest) -> str:
    """The reply, when it came to its end."""
    text, ended = "", False
    async with aclosing(cast(AsyncGenerator[Chunk, None], engine.generate(request))) as chunks:
        async for chunk in chunks:
            text += chunk.text
            ended |= chunk.finish == "stop"
    return text.strip() if ended else ""


async def _decided(desk: Desk, exchange: Exchange, reply: str, note: str) -> bool:
    try:
        _, new = await desk.correct(exchange.run, reply=reply, note=note)
    except DataInvalid:
        return False
    return new
