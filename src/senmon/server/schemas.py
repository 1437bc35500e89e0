"""Bodies of the native API. Bounded, and nothing beyond what is declared."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from senmon.server.text import CleanText, SpokenText

ClientId = Annotated[
    str, Field(pattern=r"^[\w.:-]{1,128}$", description="Chosen by the client, one per message.")
]


class Request(BaseModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VisitorRequest(Request):
    """Who the visitor is, if the host's site knows."""

    customer: str | None = Field(
        None, max_length=4096, description="Customer token, signed by the host's site."
    )


class VisitorToken(BaseModel):
    """A visitor's token, for `Authorization: Bearer`."""

    token: str
    expires_in: int = Field(description="Seconds.")
    customer: str | None = Field(None, description="The verified customer, if any.")
    demo: bool = Field(False, description="Whether `POST /v1/demo/customer` is there.")
    max_message_chars: int


class DemoCustomerRequest(Request):
    """Which demo customer signs in."""

    customer: str = Field("demo", pattern=r"^[\w.@:-]{1,64}$")


class CustomerToken(BaseModel):
    """A customer's token, for `X-Senmon-Customer` or `POST /v1/visitors`."""

    customer_token: str
    expires_in: int = Field(description="Seconds.")


class ConversationCreated(BaseModel):
    """A new conversation, bound to the visitor."""

    conversation_id: str


class MessageRequest(Request):
    """One message of the visitor."""

    client_id: ClientId
    text: SpokenText
    pack: str | None = Field(
        None, max_length=48, description="Answer with this pack instead of the routed one."
    )


class RunStarted(BaseModel):
    """The run that answers; its events are at `/v1/runs/{run_id}/events`."""

    run_id: str


class RunStopped(BaseModel):
    """The run's state after the stop: what had ended before stays as it was."""

    run_id: str
    state: Literal["running", "done", "failed", "stopped"]


class EventBody(BaseModel):
    """The data of one server-sent event; its `id` is the seq."""

    seq: int
    run_id: str
    type: Literal["run", "route", "passages", "action", "delta", "verdict", "handoff", "done", "error"]
    data: dict[str, Any]


class Citation(BaseModel):
    """A piece of the pack's knowledge that the reply rests on."""

    id: str
    title: str
    url: str = ""


class PublicMessage(BaseModel):
    """One message of the history."""

    role: Literal["user", "assistant"]
    content: str
    run_id: str
    pack: str | None = None
    citations: list[Citation] = []
    rating: Literal["up", "down"] | None = None


class History(BaseModel):
    """What was said. `active_run` is still being answered: follow its events."""

    conversation_id: str
    created: datetime
    messages: list[PublicMessage]
    active_run: str | None = None


class HandoverInfo(BaseModel):
    """A conversation that waits for a person, or did."""

    id: str
    conversation_id: str
    run_id: str = Field(description="The run in which a person was asked for.")
    reason: str
    state: Literal["open", "closed"]
    created: datetime
    customer: str | None = Field(None, description="The verified customer, if any.")
    channel: str


class HandoverList(BaseModel):
    """The conversations that wait for a person, oldest first."""

    handovers: list[HandoverInfo]


class HandoverLine(BaseModel):
    """One message as it was seen."""

    role: Literal["visitor", "assistant"]
    text: str


class HandoverRoute(BaseModel):
    """Where a message went; `pack` is empty where nobody answered."""

    pack: str | None
    intent: str | None
    score: float | None
    reason: str


class HandoverAction(BaseModel):
    """An action of the assistant."""

    name: str
    arguments: dict[str, Any]
    status: str = Field(description="finished, denied or failed.")


class HandoverCheck(BaseModel):
    """A check that wanted something else said."""

    check: str
    outcome: str
    reason: str


class HandoverDetail(HandoverInfo):
    """Everything that the person needs who takes over."""

    summary: str = Field(description="A few sentences, made by rule.")
    transcript: list[HandoverLine]
    routes: list[HandoverRoute]
    actions: list[HandoverAction]
    failed_checks: list[HandoverCheck]
    facts: dict[str, str] = Field(
        description="Values that the visitor was shown, by the name of the reference."
    )
    sources: list[Citation] = Field(description="Articles behind the replies.")


class FeedbackRequest(Request):
    """What the visitor thinks of a reply. A later one replaces it."""

    rating: Literal["up", "down"]
    reason: CleanText = Field("", max_length=500)
    correction: CleanText = Field("", max_length=4000, description="What it should have said.")
    topic: str | None = Field(
        None,
        max_length=48,
        description="Wrong topic: the pack that should have answered, or `none`. An operator decides.",
    )


class FeedbackKept(BaseModel):
    """The feedback is stored. `topic_proposed`: the right topic now waits for an operator."""

    feedback_id: str
    run_id: str
    rating: Literal["up", "down"]
    topic_proposed: bool = False


class PackInfo(BaseModel):
    """A pack that is served."""

    name: str
    title: str
    persona: str = Field(description="The name under which it speaks.")
    description: str
    version: str
    language: list[str]
    status: str = Field(description="ready, untuned or tuning.")
    stale: list[str] = Field(description="Why its adapter is out of date; empty: it is not.")
    adapter: str | None = Field(None, description="Version of the promoted adapter.")
    greeting: str
    suggestions: list[str]


class PackList(BaseModel):
    """All packs that are served."""

    packs: list[PackInfo]


class Tuning(BaseModel):
    """The newest tuning of a pack. `finished` is empty while it runs."""

    model_config = ConfigDict(extra="ignore")

    pack: str
    phase: str
    step: int = 0
    steps: int = 0
    loss: float | None = None
    eta_seconds: float | None = None
    note: str = ""
    started: str = ""
    finished: str = ""
    promoted: bool = False


class TuningList(BaseModel):
    """The newest tuning of each pack."""

    tunings: list[Tuning]


class Alive(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"
    version: str


class Ready(BaseModel):
    """Whether messages can be answered."""

    ready: bool
    checks: dict[str, Any]
