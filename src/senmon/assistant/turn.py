"""One turn: route → ground → generate → act → release → done.

Each event is applied to the same fold that reads stored events later, so that the state of a running turn
and the state after a restart can't differ.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from senmon import tracing
from senmon.actions.runner import ActionOutcome, ActionRequest, ActionRunner
from senmon.assistant.acting import outcome_of
from senmon.assistant.candidates import candidates
from senmon.assistant.catalog import Catalog, ServedPack
from senmon.assistant.evidence import (
    cited,
    leading,
    public_buttons,
    public_progress,
    public_reason,
    visible,
    within_budget,
)
from senmon.assistant.faults import INTERNAL, public_fault
from senmon.assistant.first import read_first, signature
from senmon.assistant.fixed import language_reply, nothing_fits
from senmon.assistant.generating import generated
from senmon.assistant.judging import forbidden, judged
from senmon.assistant.language import foreign_language
from senmon.assistant.offers import accepts_offer, handoff_reply
from senmon.assistant.provenance import provenance
from senmon.assistant.release import Splitter
from senmon.assistant.window import earlier, window
from senmon.assistant.wishes import Agenda
from senmon.checks.protocol import CheckContext
from senmon.engines.protocol import Chunk, Engine, GenerateRequest, Sampling
from senmon.errors import PackNotFound, PromptTooLong, SenmonError
from senmon.messages import (
    Conversation,
    Event,
    EventType,
    FinishReason,
    Identity,
    Message,
    Passage,
    ToolCall,
    Usage,
    Verdict,
)
from senmon.packs.manifest import ActionSpec
from senmon.rendering import context_message, fill_references, flatten_facts, result_message
from senmon.routing.router import RouteChoice

MAX_ROUNDS = 4
MAX_REPAIRS = 2
REPAIR_TEMPERATURE = 0.7
CALLER_SYSTEM_CHARS = 2000

log = logging.getLogger(__name__)


class Assistant:
    """Answers messages. `catalog` gives the current snapshot; a turn keeps the one it began with."""

    def __init__(
        self,
        engine: Engine,
        actions: ActionRunner,
        catalog: Callable[[], Catalog],
        *,
        today: Callable[[], date] = date.today,
        sampling: Sampling | None = None,
    ) -> None:
        self.engine = engine
        self.actions = actions
        self.catalog = catalog
        self.today = today
        self.sampling = sampling or Sampling(max_tokens=200)

    async def reply(
        self,
        conversation: Conversation,
        text: str,
        identity: Identity,
        *,
        pinned: str | None = None,
        system: str = "",
        packs: Collection[str] | None = None,
    ) -> AsyncIterator[Event]:
        """The events of one turn: route · passages · action · delta · verdict · handoff · done or error.

        `conversation` ends before `text`, or with it. One of `packs` may answer (None: of all); `pinned`
        names it, PackNotFound before the first event. Later failures come as an `error` event.
        """
        catalog = self.catalog().only(packs).of(conversation.id)
        if pinned is not None and pinned not in catalog.packs:
            known = ", ".join(sorted(catalog.packs)) or "none"
            raise PackNotFound(f"no pack {pinned!r} is served", remedy=f"packs served: {known}")
        turn = Turn(self, catalog, _with_user(conversation, text), text, identity, pinned, system)
        try:
            async with aclosing(turn.run()) as events:
                async for event in events:
                    yield event
        except SenmonError as error:
            log.warning("a turn ended with %s", error.code)
            yield turn.emit("error", public_fault(error), {"detail": str(error)})
        except Exception:
            log.exception("a turn failed")
            yield turn.emit("error", INTERNAL)


def _with_user(conversation: Conversation, text: str) -> Conversation:
    said = Message("user", text)
    return conversation if conversation.messages[-1:] == (said,) else conversation.with_user(text)


@dataclass
class Turn:
    """The moving parts of one turn."""

    assistant: Assistant
    catalog: Catalog
    state: Conversation
    text: str
    identity: Identity
    pinned: str | None
    system: str
    served: ServedPack | None = None
    choice: RouteChoice | None = None
    passages: tuple[Passage, ...] = ()
    finish: FinishReason = "stop"
    usage: Usage = field(default_factory=Usage)
    said: str = ""
    raw: str = ""
    call: ToolCall | None = None
    trims: int = 0
    ended: bool = False
    agenda: Agenda = field(default_factory=Agenda)
    must: bool = False
    ran: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    #: Of a turn that was cut off: calls and rounds made, and whether the reply under way has text.
    seen: set[str] = field(default_factory=set)
    rounds: int = 0
    goes_on: bool = False

    def emit(
        self, type: EventType, data: Mapping[str, Any], private: Mapping[str, Any] | None = None
    ) -> Event:
        event = Event(type, data, private or {})
        self.state = self.state.apply(event)
        return event

    async def run(self) -> AsyncGenerator[Event, None]:
        accepted = accepts_offer(self.state, self.text)
        language = None if accepted else foreign_language(self.text, self.spoken())
        if accepted:
            yield self.emit("route", {"pack": None, "reason": "a person was offered"})
        elif language:
            yield self.emit("route", {"pack": None, "reason": f"language: {language}"})
        else:
            yield await self._route()
        if (blocked := await self.blocked()) is not None:
            for event in self.give_up(blocked):
                yield event
        elif accepted:
            yield self.emit("handoff", {"reason": "asked"})
            yield self.say(handoff_reply(self.state))
        elif self.served is None:
            yield self.say(self.nobodys(language))
        else:
            for event in await self.ground(self.served):
                yield event
            async with aclosing(self._answer(self.served)) as events:
                async for event in events:
                    yield event
        yield self.done()

    async def _answer(self, served: ServedPack) -> AsyncGenerator[Event, None]:
        """What is wanted, one after the other."""
        for wish in self.agenda.wishes:
            self.agenda.begin(wish, self.state.of(served.pack.name), self.state.pending)
            async with aclosing(self.rounds_of(served)) as events:
                async for event in events:
                    yield event
            if self.ended:
                return

    async def blocked(self) -> Verdict | None:
        """What forbids any reply to this message. Where no pack answers, each pack's checks are heard:
        nobody in a crisis is told that it is not our subject, or to sign in first."""
        heard = [self.served] if self.served else list(self.catalog.packs.values())
        checks = {check.name: check for served in heard for check in served.checks}
        context = CheckContext(messages=(Message("user", self.text),))
        return await forbidden(tuple(checks.values()), context)

    # --- where the message goes

    def spoken(self) -> set[str]:
        packs = [self.catalog.packs[self.pinned]] if self.pinned else self.catalog.packs.values()
        return {tag for served in packs for tag in served.pack.manifest.language} or {"en"}

    def nobodys(self, language: str | None) -> str:
        """The reply of no pack: it offers a person."""
        if language is None:
            return nothing_fits(self.catalog.packs)
        packs = (self.catalog.packs[self.pinned],) if self.pinned else tuple(self.catalog.packs.values())
        return language_reply(language, self.spoken(), packs)

    @tracing.stepped("route")
    async def _route(self) -> Event:
        if self.pinned is not None:
            tracing.note(pack=self.pinned)
            self.served = self.catalog.packs[self.pinned]
            return self.emit("route", {"pack": self.pinned, "pinned": True})
        router = self.catalog.router
        if router is None:
            return self.emit("route", {"pack": None, "reason": "no router"})
        choice = await asyncio.to_thread(router.route, self.text, self.state.pack, earlier(self.state))
        self.choice = choice = await self._kept(choice)
        self.served = self.catalog.packs.get(choice.pack) if choice.pack else None
        tracing.note(pack=choice.pack or "", score=round(choice.score, 4), margin=round(choice.margin, 4))
        data = {
            "pack": choice.pack if self.served else None,
            "score": round(choice.score, 4),
            "margin": round(choice.margin, 4),
            "intent": choice.intent,
            "reason": choice.reason,
            "scores": leading(choice.scores),
        }
        return self.emit("route", data)

    async def _kept(self, choice: RouteChoice) -> RouteChoice:
        """An answer to what the conversation's pack has asked stays with that pack."""
        mine = self.catalog.packs.get(self.state.pack or "")
        if mine is None or choice.pack == mine.pack.name:
            return choice
        first = await read_first(self.assistant.actions, mine, self.state, self.identity)
        kept = first is not None and first.keep
        return replace(choice, pack=mine.pack.name, reason="an answer to this pack") if kept else choice

    # --- what the model gets to see this turn

    @tracing.stepped("retrieve")
    async def ground(self, served: ServedPack) -> list[Event]:
        rules = served.pack.manifest.context
        if rules.passages:
            found = await asyncio.to_thread(
                served.knowledge.search, self.text, k=rules.passages, min_score=rules.min_score
            )
            self.passages = within_budget(found, rules.passage_tokens)
        tracing.note(pack=served.pack.name, passages=len(self.passages))
        customer = ("verified" if self.identity.verified else "not signed in") if rules.customer else None
        today = self.assistant.today().isoformat() if rules.date else None
        messages, manifest = self.state.of(served.pack.name), served.pack.manifest
        self.agenda = await asyncio.to_thread(Agenda.of, served.policy, manifest, messages)
        likely = self.agenda.moves
        message = context_message(self.passages, customer=customer, today=today, likely=likely)
        if message is None:
            return []
        private = {"messages": [message.to_json()], "facts": flatten_facts({}, self.passages)}
        return [self.emit("passages", {"items": [passage.to_json() for passage in self.passages]}, private)]

    async def _request(
        self, served: ServedPack, tools: tuple[ActionSpec, ...], attempt: int
    ) -> GenerateRequest:
        whole = self.state.of(served.pack.name)
        messages = self.agenda.view(whole)
        caller = (Message("system", self.system[:CALLER_SYSTEM_CHARS]),) if self.system else ()
        sampling = self.assistant.sampling
        if attempt:
            sampling = replace(
                sampling, temperature=max(sampling.temperature, REPAIR_TEMPERATURE), seed=attempt
            )
        return GenerateRequest(
            messages=(served.prefix, *caller, *window(messages, self.trims)),
            adapter=served.adapter,
            tools=tools,
            candidates=await asyncio.to_thread(candidates, tools, self.agenda.sources(messages)),
            released=self.agenda.released(whole, self.state.pending),
            sampling=sampling,
            must_call=self.must,
            party=(served.pack.name, self.identity.party(self.state.id)),
        )

    # --- generate, act, generate again

    async def rounds_of(self, served: ServedPack) -> AsyncGenerator[Event, None]:
        seen, self.seen = self.seen, set()
        tools = served.pack.manifest.actions.specs
        runner = self.assistant.actions
        first = None if self.ran else await read_first(runner, served, self.state, self.identity)
        if first is not None:
            seen.add(signature(first.call))
            async with aclosing(self._act(served, first.call)) as events:
                async for event in events:
                    yield event
            if self.ended:
                return
        for number in range(self.rounds, MAX_ROUNDS):
            offered, self.must = tools if number < MAX_ROUNDS - 1 else (), False
            if number == 0 and first is None:
                offered, self.must = self.agenda.wish.offered(tools)
            try:
                async with aclosing(self._generate(served, offered)) as events:
                    async for event in events:
                        yield event
            except PromptTooLong:
                if not self.ran:
                    raise
                log.warning("the result of %s is too long for the prompt", self.ran[-1])
                yield self.say(served.texts.failed)
                return
            if self.ended or self.call is None:
                return
            if (made := signature(self.call)) in seen:
                tools = ()
                continue
            seen.add(made)
            async with aclosing(self._act(served, self.call)) as events:
                async for event in events:
                    yield event
            if self.ended:
                return

    async def _generate(
        self, served: ServedPack, tools: tuple[ActionSpec, ...]
    ) -> AsyncGenerator[Event, None]:
        """Generate until the reply or a call is whole; a repair starts again from what is released."""
        attempt = 0
        while True:
            failed: Verdict | None = None
            self.call, before = None, self.said
            request = await self._request(served, tools, attempt)
            async with aclosing(self._units(request)) as units:
                async for unit in units:
                    text, failed = await self._judge(served, unit)
                    if failed is not None:
                        break
                    if text.strip() or self.said:
                        yield self._release(text, unit)
            if failed is None and self.call is None and self.said == before and not self.goes_on:
                failed = Verdict("reply", "repair", "the reply is empty")
            if failed is None:
                return
            attempt += 1
            if failed.outcome == "block" or failed.replacement or attempt > MAX_REPAIRS:
                for event in self.give_up(failed):
                    yield event
                return
            yield self._verdict(failed)

    async def _units(self, request: GenerateRequest) -> AsyncGenerator[str, None]:
        splitter = Splitter()
        async with aclosing(self._chunks(request)) as chunks:
            async for chunk in chunks:
                for unit in splitter.feed(chunk.text):
                    yield unit
                self.call = chunk.tool_call or self.call
                if chunk.finish:
                    self.finish = "stop" if chunk.finish == "tool_calls" else chunk.finish
                if chunk.usage:
                    self.usage = self.usage + chunk.usage
        if rest := splitter.rest():
            yield rest

    async def _chunks(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """The engine's chunks; a prompt that is too long loses its oldest turns first."""
        pack = self.served.pack.name if self.served else ""
        while True:
            try:
                async with aclosing(generated(self.assistant.engine, request, pack)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except PromptTooLong:
                messages = self.agenda.view(self.state.of(self.served.pack.name) if self.served else ())
                before, self.trims = window(messages, self.trims), self.trims + 1
                after = window(messages, self.trims)
                if after == before:
                    raise
                head = request.messages[: len(request.messages) - len(before)]
                request = replace(request, messages=(*head, *after))

    # --- judge and release

    async def _judge(self, served: ServedPack, unit: str) -> tuple[str, Verdict | None]:
        text, missing = fill_references(unit, self.state.facts)
        if missing:
            return visible(text), Verdict("references", "repair", f"unknown: {', '.join(missing)}")
        return await self._check(served, text)

    async def _check(self, served: ServedPack, text: str) -> tuple[str, Verdict | None]:
        """`text` as it would be sent, and what a check has against it."""
        text = visible(text)
        slots = self.state.slots.get(served.pack.name, {})
        context = CheckContext(self.state.of(served.pack.name), self.passages, self.state.facts, slots)
        return text, await judged(served.checks, self.said, text, context)

    def _release(self, text: str, raw: str) -> Event:
        if not self.said or self.said[-1].isspace():
            text, raw = text.lstrip(), raw.lstrip()
        elif not self.state.pending and not text[:1].isspace():
            text = f" {text}"  # after an action: a message of its own for the model, not for the visitor
        self.said, self.raw = self.said + text, self.raw + raw
        return self.emit("delta", {"text": text}, {"raw": raw} if raw != text else {})

    def say(self, text: str) -> Event:
        """Release a fixed text, on a line of its own when something was said before."""
        gap = "" if not self.said or self.said.endswith("\n") else "\n"
        return self._release(gap + text, gap + text)

    def _verdict(self, verdict: Verdict) -> Event:
        self.verdicts.append(verdict)
        public = {"check": verdict.check, "outcome": verdict.outcome}
        return self.emit("verdict", public, {"reason": verdict.reason})

    def give_up(self, failed: Verdict) -> list[Event]:
        """The verdict, and the fixed text that ends the reply."""
        self.ended = True
        self.finish = "content_filter" if failed.outcome == "block" else "stop"
        safe = self.served.texts.safe if self.served else ""
        return [self._verdict(failed), self.say(failed.replacement or safe)]

    # --- actions

    async def _act(self, served: ServedPack, call: ToolCall) -> AsyncGenerator[Event, None]:
        spec = served.pack.actions[call.name]
        self.ran.append(call.name)
        yield self.emit("action", {"name": call.name, "label": spec.label, "status": "started"})
        outcome, status, fixed = await self._outcome(served, spec, call)
        asked = Message("assistant", self.state.pending.strip(), tool_calls=(call,))
        private = {
            "messages": [asked.to_json(), result_message(call, outcome.result).to_json()],
            "slots": dict(outcome.slots),
            "facts": flatten_facts(outcome.result, ()),
        }
        slots = {**self.state.slots.get(served.pack.name, {}), **outcome.slots}
        progress = public_progress((check.name for check in served.checks), slots)
        data = {"name": call.name, "status": status, "buttons": public_buttons(outcome.buttons), **progress}
        if spec.reply == "verbatim" and outcome.texts:
            private["texts"] = list(outcome.texts)
        yield self.emit("action", data, private)
        if outcome.handoff is not None:
            yield self.emit("handoff", {"reason": public_reason(outcome.handoff)})
            fixed = fixed or served.texts.handoff
        if fixed is None and spec.reply == "verbatim" and outcome.texts:
            async with aclosing(self.verbatim(served, "\n\n".join(outcome.texts))) as events:
                async for event in events:
                    yield event
        elif fixed is not None:
            self.ended = True
            yield self.say(fixed)

    async def verbatim(self, served: ServedPack, answer: str, skip: int = 0) -> AsyncGenerator[Event, None]:
        self.ended = True
        splitter = Splitter()
        for unit in [each for each in (*splitter.feed(answer), splitter.rest()) if each][skip:]:
            # The action's own words: a name in double brackets is no reference of ours.
            text, failed = await self._check(served, unit)
            if failed is not None:
                for event in self.give_up(failed):
                    yield event
                return
            yield self._release(text, text)

    async def _outcome(
        self, served: ServedPack, spec: ActionSpec, call: ToolCall
    ) -> tuple[ActionOutcome, str, str | None]:
        request = ActionRequest(
            pack=served.pack,
            spec=spec,
            arguments=call.arguments,
            slots=self.state.slots.get(served.pack.name, {}),
            identity=self.identity,
            messages=self.state.of(served.pack.name),
            sender=self.state.id or "local",
        )
        return await outcome_of(self.assistant.actions, request, served.texts)

    # --- the end

    def done(self) -> Event:
        data = {
            "finish_reason": self.finish,
            "text": self.said.rstrip(),
            "cited": cited(self.passages, self.raw, acted=bool(self.ran)) if self.said else [],
            "usage": self.usage.to_json(),
            "provenance": provenance(
                self.served, self.choice, self.passages, self.ran, self.verdicts, self.usage.confidence
            ),
        }
        return self.emit("done", data)
