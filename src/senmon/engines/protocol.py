"""The seam between the assistant and whatever makes tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from senmon.adapters import Adapter
from senmon.messages import FinishReason, Message, ToolCall, Usage
from senmon.packs.manifest import ActionSpec


@dataclass(frozen=True, slots=True)
class Sampling:
    """`temperature` 0 is greedy. `seed` makes sampling repeatable whatever else is in the batch."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One reply to make.

    `messages` starts with the pack's static prefix (`rendering.prefix`). `adapter` None is the bare base.
    `released` is assistant text that was sent already: generation goes on from it. `tools` may be called;
    empty forbids calls. `candidates[argument]` lists the only values that this argument may take.
    `must_call`: the reply begins with a call, where one is possible. `party`: the pack, and who asks in it;
    where requests wait, packs take turns, and in each those who ask.
    """

    messages: tuple[Message, ...]
    adapter: Adapter | None = None
    tools: tuple[ActionSpec, ...] = ()
    candidates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    released: str = ""
    sampling: Sampling = Sampling()
    must_call: bool = False
    party: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a reply. The last one has `finish` and `usage`; a call comes whole, as `tool_call`."""

    text: str = ""
    tool_call: ToolCall | None = None
    finish: FinishReason | None = None
    usage: Usage | None = None


class Engine(Protocol):
    """Makes tokens. Closing the iterator cancels the generation within one step."""

    @property
    def base_digest(self) -> str:
        """Digest of the base that adapters must match; empty when the engine can't know it."""

    def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Raises EngineBusy, EngineUnavailable, PromptTooLong, AdapterError before the first chunk."""

    async def close(self) -> None:
        """Stop; running generations end with EngineUnavailable."""


@runtime_checkable
class Holds(Protocol):
    """An engine whose adapters have to be brought to it."""

    async def hold(self, adapters: Iterable[Adapter]) -> None:
        """These are served from now on; they are there when this returns. Raises AdapterError."""
