"""A conversation with the real assistant, and a record of what happened in each turn.

A conversation has its own action runner unless it is given one, so what one changes (an order cancelled) no
other one sees. The engine is wrapped: what the model wrote at first is kept, also where a check stopped it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from senmon.actions.runner import ActionRunner
from senmon.adapters import Adapter
from senmon.assistant import Assistant, Catalog
from senmon.engines.protocol import Chunk, Engine, GenerateRequest
from senmon.errors import EngineBusy
from senmon.evaluation.oracle.evidence import Said, lines
from senmon.messages import CONTEXT, Conversation, Event, Identity, Message
from senmon.packs.pack import Pack
from senmon.rendering import fill_references

BUSY_TRIES = 40
ACTION_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Acted:
    """An action that ran: what it was asked, how it ended, what it gave."""

    name: str
    arguments: Mapping[str, Any]
    status: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange. `text` is what the visitor saw; `raw` what the model wrote before any check, references
    filled in where they could be; `unknown` those that could not. Times are seconds from the message;
    infinite when there was none."""

    said: str
    pack: str | None
    text: str
    raw: str
    unknown: tuple[str, ...]
    acted: tuple[Acted, ...]
    passages: tuple[str, ...]
    verdicts: tuple[str, ...]
    handoff: bool
    error: str
    generated: bool
    first_token: float
    first_text: float
    last_text: float
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Made:
    """One generation as the model gave it; `whole` is False when it was stopped half-way."""

    request: GenerateRequest
    text: str = ""
    whole: bool = False


class Recording:
    """An engine that keeps what was made, and waits where the queue is full."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.made: list[_Made] = []
        self.first_chunk = float("inf")

    @property
    def base_digest(self) -> str:
        return self._engine.base_digest

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        made = _Made(request)
        self.made.append(made)
        async with aclosing(patient(self._engine, request)) as chunks:
            async for chunk in chunks:
                self.first_chunk = min(self.first_chunk, time.monotonic())
                made.text += chunk.text
                made.whole = made.whole or chunk.finish is not None
                yield chunk

    async def close(self) -> None:
        """The engine belongs to somebody else."""

    async def firsts(self) -> tuple[str, ...]:
        """The first attempt of every round, in full: a check's veto cut some of them short."""
        firsts = [made for made in self.made if made.request.sampling.temperature == 0.0]
        for made in firsts:
            if not made.whole:
                made.text = ""
                async with aclosing(patient(self._engine, made.request)) as chunks:
                    async for chunk in chunks:
                        made.text += chunk.text
                made.whole = True
        return tuple(made.text for made in firsts)


async def patient(engine: Engine, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
    """The engine's chunks; a full queue is waited for."""
    for attempt in range(BUSY_TRIES):
        try:
            stream = cast(AsyncGenerator[Chunk, None], engine.generate(request))
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except EngineBusy as busy:
            if attempt == BUSY_TRIES - 1:
                raise
            await asyncio.sleep(min(busy.retry_after, 1.0))


@dataclass(frozen=True, slots=True)
class Stand:
    """Where conversations take place: everything that is served, with one pack's adapter chosen."""

    engine: Engine
    catalog: Catalog
    allowed: Callable[[Pack], bool]
    environment: Callable[[str], str | None] = lambda name: None

    @classmethod
    def unhurried(
        cls,
        engine: Engine,
        catalog: Catalog,
        allowed: Callable[[Pack], bool],
        environment: Callable[[str], str | None],
    ) -> Stand:
        """Actions may take their time: with many conversations at once on a busy machine each is slow, and
        that is no property of the reply."""
        packs = {name: replace(one, pack=_unhurried(one.pack)) for name, one in catalog.packs.items()}
        return cls(engine, replace(catalog, packs=packs), allowed, environment)

    def with_adapter(self, pack: str, adapter: Adapter | None) -> Stand:
        served = replace(self.catalog.packs[pack], adapter=adapter)
        return replace(self, catalog=replace(self.catalog, packs={**self.catalog.packs, pack: served}))

    def runner(self) -> ActionRunner:
        return ActionRunner(self.allowed, self.environment)

    def pack(self, name: str) -> Pack:
        return self.catalog.packs[name].pack


def _unhurried(pack: Pack) -> Pack:
    actions = pack.manifest.actions
    specs = tuple(spec.model_copy(update={"timeout_seconds": ACTION_SECONDS}) for spec in actions.specs)
    return replace(
        pack,
        manifest=pack.manifest.model_copy(update={"actions": actions.model_copy(update={"specs": specs})}),
    )


class Talk:
    """One conversation on a stand."""

    def __init__(
        self,
        stand: Stand,
        id: str,
        customer: str | None = None,
        *,
        pinned: str | None = None,
        runner: ActionRunner | None = None,
    ) -> None:
        self.stand = stand
        self.identity = Identity(customer=customer)
        self.pinned = pinned
        self.state = Conversation(id=id)
        self.turns: list[Turn] = []
        self._runner = runner or stand.runner()

    async def say(self, text: str) -> Turn:
        """The next message of the visitor, answered."""
        engine = Recording(self.stand.engine)
        assistant = Assistant(engine, self._runner, lambda: self.stand.catalog)
        events: list[Event] = []
        started, times = time.monotonic(), []
        before = self.state
        self.state = before.apply(
            Event("run", {"text": text}, {"messages": [Message("user", text).to_json()]})
        )
        async for event in assistant.reply(before, text, self.identity, pinned=self.pinned):
            if event.type == "delta":
                times.append(time.monotonic() - started)
            self.state = self.state.apply(event)
            events.append(event)
        filled = [fill_references(each, self.state.facts) for each in await engine.firsts()]
        turn = Turn(
            said=text,
            pack=next((e.data.get("pack") for e in events if e.type == "route"), None),
            text="".join(str(e.data["text"]) for e in events if e.type == "delta").strip(),
            raw=" ".join(part.strip() for part, _ in filled).strip(),
            unknown=tuple(name for _, missing in filled for name in missing),
            acted=tuple(_acted(e) for e in events if _ended(e)),
            passages=tuple(str(i["id"]) for e in events if e.type == "passages" for i in e.data["items"]),
            verdicts=tuple(str(e.data["check"]) for e in events if e.type == "verdict"),
            handoff=any(e.type == "handoff" for e in events),
            error=next((str(e.data.get("code")) for e in events if e.type == "error"), ""),
            generated=bool(engine.made),
            first_token=engine.first_chunk - started,
            first_text=times[0] if times else float("inf"),
            last_text=times[-1] if times else float("inf"),
            facts=self.state.facts,
        )
        self.turns.append(turn)
        return turn

    def evidence(self) -> Said:
        """Everything that a reply of this conversation may rest on."""
        shown = {id for turn in self.turns for id in turn.passages}
        articles = [one for served in self.stand.catalog.packs.values() for one in served.pack.articles]
        return Said(
            user=tuple(message.content for message in self.state.messages if message.role == "user"),
            passages=tuple(
                "\n".join((one.title, one.text, *lines(dict(one.facts)), one.answer, one.url))
                for one in articles
                if one.id in shown
            ),
            results=tuple(
                {acted.name: acted.result}
                for turn in self.turns
                for acted in turn.acted
                if acted.status == "finished"
            ),
        )


def _ended(event: Event) -> bool:
    return event.type == "action" and event.data.get("status") != "started"


def _acted(event: Event) -> Acted:
    messages = [Message.from_json(each) for each in event.private.get("messages", ())]
    call = next((call for message in messages for call in message.tool_calls), None)
    content = next((m.content for m in messages if m.role == "tool" and m.name != CONTEXT), "{}")
    try:
        result = json.loads(content)
    except ValueError:
        result = {}
    return Acted(
        name=str(event.data.get("name", "")),
        arguments=dict(call.arguments) if call else {},
        status=str(event.data.get("status", "")),
        result=result if isinstance(result, dict) else {},
    )


async def each(
    items: Sequence[Any],
    job: Callable[[Any], Any],
    *,
    parallel: int,
    on_done: Callable[[], None] = lambda: None,
) -> list[Any]:
    """`job` of every item, so many at once, results in order. The first failure ends it."""
    free = asyncio.Semaphore(parallel)

    async def one(item: Any) -> Any:
        async with free:
            result = await job(item)
        on_done()
        return result

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]
