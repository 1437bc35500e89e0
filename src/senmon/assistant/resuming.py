"""A turn that was cut off goes on from what it stored: routed, acted and released once, generated again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from senmon.assistant.catalog import ServedPack
from senmon.assistant.faults import INTERRUPTED
from senmon.assistant.first import signature
from senmon.assistant.language import foreign_language
from senmon.assistant.offers import handoff_reply
from senmon.assistant.turn import Assistant, Turn
from senmon.messages import Conversation, Event, Identity, Message, ToolCall, Verdict


@dataclass(frozen=True, slots=True)
class Stored:
    """What a turn stored before it was cut off, from its route on."""

    events: tuple[Event, ...]

    def of(self, type: str) -> list[Event]:
        return [event for event in self.events if event.type == type]

    @property
    def acted(self) -> Event | None:
        """The last thing that an action stored."""
        return next(iter(self.of("action")[::-1]), None)

    @property
    def since(self) -> tuple[Event, ...]:
        """What followed it."""
        at = max((at for at, event in enumerate(self.events) if event.type == "action"), default=-1)
        return self.events[at + 1 :]

    @property
    def calls(self) -> list[ToolCall]:
        """Those that were answered."""
        messages = [one for event in self.of("action") for one in event.private.get("messages", ())]
        return [call for one in messages for call in Message.from_json(one).tool_calls]


async def resume(
    assistant: Assistant,
    before: Conversation,
    stored: Sequence[Event],
    text: str,
    identity: Identity,
    *,
    pinned: str | None = None,
    system: str = "",
    packs: Collection[str] | None = None,
) -> AsyncGenerator[Event, None]:
    """The events that are still to come, up to done. `before` ends with the message; `stored` is what was
    stored of the turn after it.

    An action that was begun and told no result is not tried again: whether it was done is not known.
    """
    if not stored:
        events = assistant.reply(before, text, identity, pinned=pinned, system=system, packs=packs)
        async for event in events:
            yield event
        return
    known = Stored(tuple(stored))
    turn = Turn(
        assistant, assistant.catalog().only(packs).of(before.id), before, text, identity, pinned, system
    )
    route = known.of("route")[-1].data
    turn.served = turn.catalog.packs.get(str(route.get("pack")))
    if route.get("pack") and turn.served is None:
        yield turn.emit("error", INTERRUPTED)
        return
    turn.emit("route", route)
    if turn.served is None:
        events = _fixed(turn, known, route)
    else:
        fresh = await turn.ground(turn.served) if not known.of("verdict") else []
        told = any(event.type != "route" for event in known.events)
        _restore(turn, before, known)
        for event in () if told else fresh:
            yield turn.emit(event.type, event.data, event.private)
        events = _going_on(turn, turn.served, before, known)
    async with aclosing(events) as rest:
        async for event in rest:
            yield event
    yield turn.done()


def _restore(turn: Turn, before: Conversation, known: Stored) -> None:
    """The turn's moving parts as they were."""
    turn.state = before
    for event in known.events:
        turn.state = turn.state.apply(event)
        if event.type == "delta":
            turn.said += str(event.data["text"])
            turn.raw += str(event.private.get("raw", event.data["text"]))
        elif event.type == "action" and event.data["status"] == "started":
            turn.ran.append(str(event.data["name"]))
        elif event.type == "verdict":
            reason = str(event.private.get("reason", ""))
            turn.verdicts.append(Verdict(event.data["check"], event.data["outcome"], reason))
    turn.seen = {signature(call) for call in known.calls}
    turn.goes_on = any(event.type == "delta" for event in known.since)


async def _fixed(turn: Turn, known: Stored, route: Any) -> AsyncGenerator[Event, None]:
    """A reply that no pack gives is one text."""
    state = turn.state
    _restore(turn, state, known)
    if turn.said:
        return
    if (blocked := await turn.blocked()) is not None:
        for event in turn.give_up(blocked):
            yield event
    elif route.get("reason") == "a person was offered":
        if not known.of("handoff"):
            yield turn.emit("handoff", {"reason": "asked"})
        yield turn.say(handoff_reply(state))
    else:
        language = foreign_language(turn.text, turn.spoken())
        yield turn.say(turn.nobodys(language))


async def _going_on(
    turn: Turn, served: ServedPack, before: Conversation, known: Stored
) -> AsyncGenerator[Event, None]:
    acted, since = known.acted, known.since
    said = [event for event in since if event.type == "delta"]
    verdict = next(iter(known.of("verdict")[::-1]), None)
    if not turn.ran and not turn.said and (blocked := await turn.blocked()) is not None:
        for event in turn.give_up(blocked):
            yield event
    elif verdict is not None and verdict.data["outcome"] == "block":
        if known.events[-1].type != "delta":
            yield turn.say(served.texts.safe)
        turn.finish = "content_filter"
    elif acted is not None and acted.data["status"] == "started":
        for event in _unknown(turn, served, str(acted.data["name"])):
            yield event
    elif (rest := _fixed_after(served, acted, since)) is not None:
        if rest and not said:
            yield turn.say(rest)
    elif acted is not None and "texts" in acted.private:
        words = turn.verbatim(served, "\n\n".join(acted.private["texts"]), skip=len(said))
        async with aclosing(words) as events:
            async for event in events:
                yield event
    else:
        async with aclosing(_generated(turn, served, before, known)) as events:
            async for event in events:
                yield event


def _fixed_after(served: ServedPack, acted: Event | None, since: Sequence[Event]) -> str | None:
    """The fixed text that ends a turn whose action was refused, failed, or asked for a person."""
    if acted is None:
        return None
    status = acted.data["status"]
    if status == "denied":
        return served.texts.sign_in
    if status == "failed":
        return served.texts.failed
    return served.texts.handoff if any(event.type == "handoff" for event in since) else None


def _unknown(turn: Turn, served: ServedPack, name: str) -> list[Event]:
    failed = {"name": name, "status": "failed", "buttons": []}
    messages = [Message("assistant", turn.state.pending.strip()).to_json()] if turn.state.pending else []
    return [turn.emit("action", failed, {"messages": messages}), turn.say(served.texts.failed)]


async def _generated(
    turn: Turn, served: ServedPack, before: Conversation, known: Stored
) -> AsyncGenerator[Event, None]:
    """The wish at hand from the released text, then those after it."""
    wishes = turn.agenda.wishes
    at = min(max(0, len(turn.ran) - 1), len(wishes) - 1) if len(wishes) > 1 else 0
    begun, started = before, 0
    for event in known.events:
        begins = event.type == "action" and event.data["status"] == "started"
        if begins and (started := started + 1) > at:
            break
        begun = begun.apply(event) if at or event.type in ("route", "passages") else begun
    turn.rounds = len(turn.ran) - at
    for wish in wishes[at:]:
        state = begun if wish is wishes[at] else turn.state
        turn.agenda.begin(wish, state.of(served.pack.name), state.pending)
        async with aclosing(turn.rounds_of(served)) as events:
            async for event in events:
                yield event
        if turn.ended:
            return
        turn.rounds, turn.goes_on = 0, False
