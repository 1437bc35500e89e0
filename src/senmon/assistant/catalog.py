"""What is served at one moment: an immutable snapshot that a turn holds from its start to its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from senmon.adapters import Adapter
from senmon.adapters.canary import chosen
from senmon.checks.protocol import Check
from senmon.knowledge import Knowledge
from senmon.messages import Message
from senmon.packs.manifest import Texts
from senmon.packs.pack import Pack
from senmon.policy.model import Policy
from senmon.routing.router import Router

Status = Literal["ready", "untuned"]


@dataclass(frozen=True, slots=True)
class Trial:
    """An adapter that answers `share` of a hundred conversations in the promoted one's place."""

    adapter: Adapter
    share: int
    policy: Policy | None = None
    knowledge: Knowledge | None = None


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
    trial: Trial | None = None

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

    def of(self, conversation: str) -> Catalog:
        """What this conversation is served: the version on trial, where it is one of its."""
        on_trial = {
            name: _on_trial(served, served.trial)
            for name, served in self.packs.items()
            if served.trial and chosen(conversation, served.trial.adapter.version, served.trial.share)
        }
        return replace(self, packs={**self.packs, **on_trial}) if on_trial else self

    def adapters(self) -> tuple[Adapter, ...]:
        """Every adapter that a turn may ask for."""
        served = self.packs.values()
        found = (*(each.adapter for each in served), *(each.trial.adapter for each in served if each.trial))
        return tuple(adapter for adapter in found if adapter is not None)

    def only(self, packs: Collection[str] | None) -> Catalog:
        """What a site is served that has chosen some packs; None: everything."""
        if packs is None:
            return self
        return replace(self, packs={name: served for name, served in self.packs.items() if name in packs})


def _on_trial(served: ServedPack, trial: Trial) -> ServedPack:
    knowledge = trial.knowledge or served.knowledge
    return replace(served, adapter=trial.adapter, policy=trial.policy, knowledge=knowledge)
