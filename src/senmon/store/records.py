"""What the store gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Channel = Literal["native", "openai", "rasa", "chatwoot"]
RunState = Literal["running", "done", "failed", "stopped"]
Rating = Literal["up", "down"]
HandoverState = Literal["open", "joined", "closed", "withdrawn"]
ConversationEventType = Literal["handover", "message", "run", "rated"]


@dataclass(frozen=True, slots=True)
class Site:
    """A site whose visitors may ask. `public_key` is None for one that embeds no widget.

    `salt` and `previous_salt` are what the site's secrets are derived from; `fingerprint` tells whether
    the derivation still gives what the site was told. `packs` None: all.
    """

    id: str
    name: str
    public_key: str | None
    created: datetime
    origins: tuple[str, ...] = ()
    packs: tuple[str, ...] | None = None
    require_identity: bool = False
    prechat: Mapping[str, Any] | None = None
    csat: bool = True
    contact: Mapping[str, str] | None = None
    language: str = "en"
    salt: str | None = None
    fingerprint: str | None = None
    previous_salt: str | None = None
    previous_until: datetime | None = None
    removed: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """Who a conversation belongs to. `customer` is set once a verified customer spoke in it."""

    id: str
    site: str
    visitor: str
    customer: str | None
    channel: Channel
    created: datetime
    prechat: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One exchange. `fresh`: this call made it; otherwise the same client_id had made it before."""

    id: str
    conversation: str
    client_id: str
    state: RunState
    number: int
    created: datetime
    finished: datetime | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class ConversationEvent:
    """An entry of a conversation's journal; `seq` counts from 1."""

    conversation: str
    seq: int
    type: ConversationEventType
    data: Mapping[str, Any]
    created: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret, of which only the sha256 is stored."""

    id: str
    site: str
    name: str
    created: datetime
    revoked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a visitor thinks of one run's reply. `correction` is what it should have said."""

    id: str
    run: str
    visitor: str
    rating: Rating
    reason: str
    correction: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Handover:
    """A conversation that waits for a person (`open`), has one (`joined`), or did.

    `run` is None when the visitor asked outside a run; `note` is what the visitor wrote with it.
    """

    id: str
    run: str | None
    conversation: str
    reason: str
    state: HandoverState
    created: datetime
    note: str = ""
    agent: str | None = None
    joined: datetime | None = None
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class HandoverStatus:
    """A conversation's handover as its visitor sees it. `position` counts from 1 while it is queued."""

    status: Literal["none", "queued", "joined", "closed"] = "none"
    agent: str | None = None
    position: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            **({"agent": self.agent} if self.agent else {}),
            **({"position": self.position} if self.position else {}),
        }
