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
    """Who comes: of which site, the same as before, and who it is if the host's site knows."""

    site_key: str | None = Field(None, max_length=64, description="Public key of the site that embeds us.")
    refresh_token: str | None = Field(
        None, max_length=128, description="The newest one; it is good for one use."
    )
    attempt: str = Field(
        "",
        max_length=64,
        description="Random, new for each refresh: with the same one, a refresh whose answer got lost can "
        "be sent again.",
    )
    customer: str | None = Field(
        None, max_length=4096, description="Customer token, signed by the host's site."
    )
    class_code: str | None = Field(
        None, max_length=40, description="A teacher's code (`senmon classes`), in place of a customer token."
    )
    nickname: str = Field("", max_length=60, description="With a class code: which pupil of the class it is.")


class SiteInfo(BaseModel):
    """What a site wishes of the widget."""

    name: str
    language: str
    packs: list[str] | None = Field(description="The packs that answer; null: all.")
    require_identity: bool
    prechat: dict[str, Any] | None = Field(description="JSON Schema of what is asked before a conversation.")
    csat: bool = Field(description="Whether to ask for a rating at the end.")
    contact: dict[str, str] | None = Field(description="`email`, `phone`: where else to turn to.")


class VisitorToken(BaseModel):
    """A visitor's token, for `Authorization: Bearer`, and a refresh token, to stay the same visitor."""

    token: str
    expires_in: int = Field(description="Seconds; at most 900 for a site.")
    refresh_token: str = Field(description="For one use, within 30 days. The only thing to keep.")
    site: SiteInfo | None = Field(None, description="Null without a site key.")
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


class ConversationRequest(Request):
    """A new conversation."""

    client_id: ClientId | None = Field(None, description="With the same one again: the same conversation.")
    prechat: dict[str, Any] | None = Field(None, description="Answers, by the site's schema.")


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
    replaces: str | None = Field(
        None,
        pattern=r"^[\w-]{1,64}$",
        description="Retry or edit: the conversation's last run, whose exchange this one takes the place of.",
    )


class RunStarted(BaseModel):
    """The run that answers; its events are at `/v1/runs/{run_id}/events`."""

    run_id: str | None = Field(description="Null when a person has joined: nothing else answers.")
    delivered: bool = Field(False, description="The message went to the person who has joined.")


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


class Author(BaseModel):
    """Who speaks: the visitor, the assistant under its persona's name, or a person of the site."""

    kind: Literal["visitor", "bot", "agent"]
    name: str


class Progress(BaseModel):
    """How far up the ladder of hints the open problem is."""

    step: int
    of: int


class PublicMessage(BaseModel):
    """One message of the history."""

    role: Literal["user", "assistant"]
    text: str
    run_id: str | None = Field(None, description="Null between the visitor and a person.")
    pack: str | None = None
    citations: list[Citation] = []
    author: Author
    feedback: Literal["up", "down"] | None = None
    progress: Progress | None = Field(None, description="After a tutor's reply: the hint it came to.")
    created_at: datetime


class HandoverState(BaseModel):
    """Where the conversation stands with a person."""

    status: Literal["none", "queued", "joined", "closed"]
    agent: str | None = Field(None, description="Who has joined.")
    position: int | None = Field(None, description="From 1, while queued.")


class HandoverRequest(Request):
    """A person is wanted."""

    note: CleanText = Field("", max_length=1000, description="What the person should know.")


class RatingRequest(Request):
    """How the conversation was."""

    score: int = Field(ge=1, le=5)
    comment: CleanText = Field("", max_length=2000)


class RatingKept(BaseModel):
    """The rating is stored."""

    score: int


class ConversationEventBody(BaseModel):
    """The data of one event of a conversation; the frame's `id` is the seq."""

    seq: int
    conversation_id: str
    type: Literal["handover", "message", "run", "rated"]
    data: dict[str, Any]


class ArticleBody(BaseModel):
    """A pack's article, as Markdown."""

    id: str
    title: str
    url: str = ""
    markdown: str


class History(BaseModel):
    """What was said. `active_run` is still being answered: follow its events."""

    conversation_id: str
    created: datetime
    messages: list[PublicMessage]
    active_run: str | None = None
    handover: HandoverState
    rated: bool
    last_event: int = Field(
        description="Of the conversation's events: follow them with this as Last-Event-ID."
    )
    earlier: int = Field(0, description="So many exchanges are before those told here.")


class HandoverInfo(BaseModel):
    """A conversation that waits for a person, or did."""

    id: str
    conversation_id: str
    run_id: str | None = Field(description="The run in which a person was asked for, if it was in one.")
    site: str
    reason: str
    note: str = Field("", description="What the visitor wrote with the wish.")
    state: Literal["open", "joined", "closed", "withdrawn"]
    agent: str | None = Field(None, description="Who has joined.")
    created: datetime
    customer: str | None = Field(None, description="The verified customer, if any.")
    channel: str


class HandoverList(BaseModel):
    """The conversations that wait for a person, oldest first."""

    handovers: list[HandoverInfo]


class HandoverLine(BaseModel):
    """One message as it was seen. `agent`: a person said it."""

    role: Literal["visitor", "assistant", "agent"]
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
    prechat: dict[str, Any] | None = Field(None, description="What the visitor gave before the conversation.")


class AcceptRequest(Request):
    """A person joins."""

    agent: CleanText = Field(min_length=1, max_length=100, description="The name that the visitor sees.")


class AgentMessage(Request):
    """What the person says."""

    text: SpokenText = Field(max_length=8000)


class AgentMessageKept(BaseModel):
    """The message is stored, and those who follow the conversation have it."""

    seq: int


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
    progress: Literal["hints"] | None = Field(
        None, description="`hints`: it leads with hints instead of telling, so a ladder can be shown."
    )


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
