"""The message that a run answers: as it is begun, and as another server reads it to go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any

from senmon.assistant import Assistant
from senmon.assistant.faults import INTERRUPTED
from senmon.assistant.resuming import resume
from senmon.messages import Conversation, Event, Identity, Message
from senmon.server.ports import Assistant as Replying

#: The site of Chatwoot's visitors.
CHATWOOT = "chatwoot"
#: Beside these an opening holds the messages.
_KEPT = ("text", "pinned", "system", "replaces")


@dataclass(frozen=True, slots=True)
class Turn:
    """A message to answer. `history` was said before, and is not stored yet (OpenAI's stateless calls)."""

    conversation: str
    client_id: str
    text: str
    identity: Identity
    pinned: str | None = None
    system: str = ""
    history: tuple[Message, ...] = ()
    #: The packs that may answer; None: all.
    packs: frozenset[str] | None = None
    #: The run whose exchange this one takes the place of.
    replaces: str | None = None

    @property
    def unattended(self) -> bool:
        """Nobody follows it: its reply is sent when it has ended."""
        return self.identity.site == CHATWOOT

    def opening(self, *, leased: bool = False) -> Event:
        """The run's first event, stored together with the run: what was taken is never forgotten. Of a leased
        run it holds what another server needs to go on."""
        said = [message.to_json() for message in (*self.history, Message("user", self.text))]
        public = {"conversation_id": self.conversation, "client_id": self.client_id}
        return Event("run", public, {"messages": said, **({"turn": to_json(self)} if leased else {})})


def to_json(turn: Turn) -> dict[str, Any]:
    identity = {**asdict(turn.identity), "roles": sorted(turn.identity.roles)}
    packs = None if turn.packs is None else sorted(turn.packs)
    return {"identity": identity, "packs": packs, **{name: getattr(turn, name) for name in _KEPT}}


def turn_of(opening: Event) -> Turn | None:
    """None for a run of a server that shared nothing."""
    kept = opening.private.get("turn")
    if not isinstance(kept, dict):
        return None
    identity = Identity(**{**kept["identity"], "roles": frozenset(kept["identity"]["roles"])})
    packs = None if kept["packs"] is None else frozenset(kept["packs"])
    told = opening.data["conversation_id"], opening.data["client_id"]
    return Turn(*told, identity=identity, packs=packs, **{name: kept[name] for name in _KEPT})


async def going_on(
    assistant: Replying, before: Conversation, stored: Sequence[Event], turn: Turn
) -> AsyncGenerator[Event, None]:
    """The events that are still to come of a run, of which `stored` begins with the opening."""
    last = stored[-1] if stored else None
    if last is None or last.type in ("done", "error") or not isinstance(assistant, Assistant):
        yield Event("error", INTERRUPTED)
        return
    state = before.apply(stored[0])
    rest = resume(
        assistant,
        state,
        stored[1:],
        turn.text,
        turn.identity,
        pinned=turn.pinned,
        system=turn.system,
        packs=turn.packs,
    )
    async with aclosing(rest) as events:
        async for event in events:
            yield event
