"""The values that travel through a conversation: messages, identity, passages, verdicts, events.

All frozen, all plain: no I/O, no model, no schema library. JSON comes in and goes out through
`to_json`/`from_json`; whoever reads untrusted JSON validates it before (server schemas, dataset loader).
The message shape is OpenAI's chat message.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

Role = Literal["system", "user", "assistant", "tool"]
EventType = Literal["run", "route", "passages", "action", "delta", "verdict", "handoff", "done", "error"]
Outcome = Literal["pass", "repair", "block"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "cancelled"]

#: `Message.name` of the tool message that carries passages, verified facts and the date of a turn.
CONTEXT = "context"
#: Owner of a turn that no pack answered; no pack can have this name.
NOBODY = "-"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for. `arguments` is a JSON object, already parsed."""

    id: str
    name: str
    arguments: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        arguments = json.dumps(self.arguments, ensure_ascii=False)
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": arguments}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ToolCall:
        """Raises ValueError when the arguments are not a JSON object."""
        function = data["function"]
        raw = function.get("arguments") or "{}"
        arguments = json.loads(raw) if isinstance(raw, str) else raw
        if not isinstance(arguments, dict):
            raise ValueError("arguments must be a JSON object")
        return cls(id=str(data.get("id", "")), name=str(function["name"]), arguments=arguments)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. An assistant message holds text, or tool calls, or both (text first)."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            data["tool_calls"] = [call.to_json() for call in self.tool_calls]
        if self.tool_call_id:
            data["tool_call_id"] = self.tool_call_id
        if self.name:
            data["name"] = self.name
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Message:
        calls = tuple(ToolCall.from_json(call) for call in data.get("tool_calls") or ())
        return cls(
            role=cast(Role, data["role"]),
            content=data.get("content") or "",
            tool_calls=calls,
            tool_call_id=data.get("tool_call_id") or "",
            name=data.get("name") or "",
        )


#: Begins the id of a pupil who signed in with a class code; no host may sign such an id.
BY_CLASS_CODE = "class:"
#: Roles of whoever speaks for many people.
BACK_ENDS = frozenset({"key", "operator"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks, from verified tokens only. `customer` is set when the host signed it, or a pupil gave a
    class code (`class:7a/anna`)."""

    site: str = "local"
    visitor: str = "local"
    customer: str | None = None
    roles: frozenset[str] = frozenset()

    @property
    def verified(self) -> bool:
        """Whether the host signed who it is: a class code and a nickname prove nothing."""
        return bool(self.customer) and not str(self.customer).startswith(BY_CLASS_CODE)

    def party(self, conversation: str) -> str:
        """Whose requests take turns together: the visitor's; of a back end, which speaks for many, each
        conversation's own."""
        return conversation if self.roles & BACK_ENDS else f"{self.site}/{self.visitor}"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a pack's knowledge that supports a reply. `facts` are named values to refer to; `answer`
    is the article's own short reply, which may name them."""

    id: str
    title: str
    text: str
    url: str = ""
    score: float = 0.0
    facts: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, "url": self.url, "score": round(self.score, 4)}


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one turn. `cached_tokens` were served from the prefix cache. `nats` is the negative log
    probability of `weighed` of the written tokens together; 0 of 0 where the engine can't know it."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    nats: float = field(default=0.0, compare=False)
    weighed: int = field(default=0, compare=False)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.nats + other.nats,
            self.weighed + other.weighed,
        )

    @property
    def confidence(self) -> float | None:
        """The geometric mean of the tokens' probabilities, 0 to 1; None where it is not known."""
        return math.exp(-self.nats / self.weighed) if self.weighed else None

    def to_json(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of a reply. `replacement`, when given, is text to release instead."""

    check: str
    outcome: Outcome
    reason: str = ""
    replacement: str | None = None

    def to_json(self) -> dict[str, str]:
        return {"check": self.check, "outcome": self.outcome, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a run.

    `data` goes to the client. `private` is stored beside it and never leaves the server: it holds what
    the fold needs (messages for the model, slots, answer vault). `seq` counts from 1 within a run; 0
    means that the event is not stored yet.
    """

    type: EventType
    data: Mapping[str, Any] = field(default_factory=dict)
    private: Mapping[str, Any] = field(default_factory=dict)
    run_id: str = ""
    seq: int = 0

    def at(self, run_id: str, seq: int) -> Event:
        return replace(self, run_id=run_id, seq=seq)

    def to_json(self) -> dict[str, Any]:
        """The public form: without `private`."""
        return {"seq": self.seq, "run_id": self.run_id, "type": self.type, "data": dict(self.data)}


@dataclass(frozen=True, slots=True)
class Conversation:
    """The state of a conversation: a fold over its stored events.

    `messages` excludes the pack's static prefix. `pack` is the pack of the last routed turn. `slots` are
    rasa slots per pack (`{pack: {slot: value}}`). `facts` are the named values that a reply of `pack` may
    refer to; `set_aside` keeps those of the other packs, which must not read them.
    `pending` is assistant text of the turn under way, as the model wrote it (references not filled in).
    `owners[i]` is the pack whose turn `messages[i]` belongs to: empty when unknown, `NOBODY` when none
    answered; `owner` is the turn's under way.
    """

    id: str = ""
    messages: tuple[Message, ...] = ()
    pack: str | None = None
    slots: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    set_aside: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pending: str = ""
    owners: tuple[str, ...] = ()
    owner: str = ""

    def with_messages(self, *messages: Message) -> Conversation:
        owners = self._owners() + (self.owner,) * len(messages)
        return replace(self, messages=self.messages + messages, owners=owners)

    def with_user(self, text: str) -> Conversation:
        """A turn begins: whose it is, the route will say."""
        return replace(self, owner="").with_messages(Message("user", text))

    def of(self, pack: str) -> tuple[Message, ...]:
        """What this pack's model has seen: its own turns, and those whose pack is not known."""
        owned = zip(self.messages, self._owners(), strict=True)
        return tuple(message for message, owner in owned if owner in ("", pack))

    def _owners(self) -> tuple[str, ...]:
        return self.owners + ("",) * (len(self.messages) - len(self.owners))

    def with_slots(self, pack: str, values: Mapping[str, Any]) -> Conversation:
        merged = {**self.slots.get(pack, {}), **values}
        return replace(self, slots={**self.slots, pack: merged})

    def with_facts(self, facts: Mapping[str, str]) -> Conversation:
        """New facts replace all older ones of the same root (`order` of `order.eta`)."""
        roots = {name.partition(".")[0] for name in facts}
        kept = {name: value for name, value in self.facts.items() if name.partition(".")[0] not in roots}
        return replace(self, facts={**kept, **facts})

    def without_answers(self) -> Conversation:
        """A new turn: an article's answer may be said only in the turn that found the article."""
        kept = {name: value for name, value in self.facts.items() if name.partition(".")[0] != "answer"}
        return replace(self, facts=kept)

    def apply(self, event: Event) -> Conversation:
        """The state after `event`. Unknown private keys are ignored, so that old events stay readable."""
        private = event.private
        if event.type == "delta":
            return replace(self, pending=self.pending + private.get("raw", event.data.get("text", "")))
        state = self._flushed() if event.type in ("run", "done", "error") else self
        if event.type == "run":
            state = replace(state, owner="")
        if event.type == "route":
            state = state._routed(event.data.get("pack")).without_answers()
        if "slots" in private and state.pack:
            state = state.with_slots(state.pack, private["slots"])
        if "facts" in private:
            state = state.with_facts(private["facts"])
        added = tuple(Message.from_json(message) for message in private.get("messages", ()))
        if any(message.tool_calls for message in added):
            state = replace(state, pending="")
        return state.with_messages(*added) if added else state

    def _routed(self, pack: str | None) -> Conversation:
        """The turn is this pack's, and so is the user's message that began it."""
        owners, owner = self._owners(), pack or NOBODY
        if self.messages and self.messages[-1].role == "user" and not owners[-1]:
            owners = (*owners[:-1], owner)
        state = self._with_facts_of(pack) if pack and self.pack and pack != self.pack else self
        return replace(state, pack=pack or self.pack, owners=owners, owner=owner)

    def _with_facts_of(self, pack: str) -> Conversation:
        aside = {**self.set_aside, str(self.pack): self.facts}
        return replace(self, facts=aside.pop(pack, {}), set_aside=aside)

    def _flushed(self) -> Conversation:
        if not self.pending.strip():
            return replace(self, pending="")
        said = Message("assistant", self.pending.strip())
        return replace(self.with_messages(said), pending="")

    @classmethod
    def fold(cls, id: str, events: Iterable[Event]) -> Conversation:
        state = cls(id=id)
        for event in events:
            state = state.apply(event)
        return state
