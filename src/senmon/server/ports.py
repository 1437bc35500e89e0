"""What the server needs of the workspace that it serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Protocol

from senmon.adapters import Adapter
from senmon.messages import Conversation, Event, Identity
from senmon.packs.pack import Pack
from senmon.settings import Settings
from senmon.store.store import Store


class Assistant(Protocol):
    """Answers one message; see `senmon.assistant`."""

    def reply(
        self,
        conversation: Conversation,
        text: str,
        identity: Identity,
        *,
        pinned: str | None = None,
        system: str = "",
        packs: Collection[str] | None = None,
    ) -> AsyncIterator[Event]:
        """May raise a SenmonError before the first event, never after it. `packs` None: all may answer."""


class ServedPack(Protocol):
    """A pack as it is served now."""

    @property
    def pack(self) -> Pack: ...
    @property
    def adapter(self) -> Adapter | None: ...
    @property
    def stale(self) -> Sequence[str]: ...
    @property
    def status(self) -> str: ...


class Catalog(Protocol):
    """What is served at one moment."""

    @property
    def packs(self) -> Mapping[str, ServedPack]: ...


class Workspace(Protocol):
    """The composition root. `assistant`, `catalog` and `store` are there after `start`."""

    @property
    def settings(self) -> Settings: ...
    @property
    def assistant(self) -> Assistant: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def store(self) -> Store: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def ready(self) -> tuple[bool, Mapping[str, Any]]:
        """Whether messages can be answered, and the parts that this depends on."""

    def engine_figures(self) -> Mapping[str, float]:
        """What the engine counts of itself: slots, active, waiting, …; empty when it counts nothing."""

    def runs(self) -> Sequence[Mapping[str, Any]]:
        """The newest tuning of each pack: pack, phase, step, steps, …; `finished` is empty while it runs."""
