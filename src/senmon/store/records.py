"""What the store gives back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Channel = Literal["native", "openai", "rasa"]
RunState = Literal["running", "done", "failed", "stopped"]
Rating = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """Who a conversation belongs to. `customer` is set once a verified customer spoke in it."""

    id: str
    site: str
    visitor: str
    customer: str | None
    channel: Channel
    created: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One exchange. `fresh`: this call made it; otherwise the same client_id had made it before."""

    id: str
    conversation: str
    client_id: str
    state: RunState
    number: int
    created: datetime
    fresh: bool = False


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
    """A conversation that waits for a person, or did."""

    id: str
    run: str
    conversation: str
    reason: str
    state: Literal["open", "closed"]
    created: datetime
