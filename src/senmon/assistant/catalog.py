"""What is served at one moment: an immutable snapshot that a turn holds from its start to its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from senmon.adapters import Adapter
from senmon.checks.protocol import Check
from senmon.knowledge import Knowledge
from senmon.messages import Message
from senmon.packs.manifest import Texts
from senmon.packs.pack import Pack
from senmon.policy.model import Policy
from senmon.routing.router import Router

Status = Literal["ready", "untuned"]


@dataclass(frozen=True, slots=True)
class ServedPack:
    """A pack with everything that a turn needs. `stale` says why its adapter is out of date; `policy` came
    with the adapter and tells it what a message makes likely."""

    pack: Pack
    prefix: Message
    knowledge: Knowledge
    checks: tuple[Check, ...]
    adapter: Adapter | None = None
    dataset_digest: str = ""
    prefix_digest: str = ""
    stale: tuple[str, ...] = ()
    policy: Policy | None = None

    @property
    def status(self) -> Status:
        return "ready" if self.adapter else "untuned"

    @property
    def texts(self) -> Texts:
        return self.pack.manifest.texts


@dataclass(frozen=True, slots=True)
class Catalog:
    """All packs served now, and the router over them. `problems` names packs that could not be loaded."""

    packs: Mapping[str, ServedPack] = field(default_factory=dict)
    router: Router | None = None
    problems: tuple[str, ...] = ()

    def only(self, packs: Collection[str] | None) -> Catalog:
        """What a site is served that has chosen some packs; None: everything."""
        if packs is None:
            return self
        return replace(self, packs={name: served for name, served in self.packs.items() if name in packs})
