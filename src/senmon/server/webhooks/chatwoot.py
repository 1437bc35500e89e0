"""Chatwoot's agent bot: its visitors' messages come here, replies and hand-overs go back through its API.

Chatwoot posts every event of the inbox to the bot's address. Answered are messages of visitors in
conversations that are still the bot's (`pending`); once a person has opened one, the bot is silent. Not every
release of Chatwoot signs what it posts, so the address itself holds the secret.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from senmon.errors import ConversationNotFound, PersonSpeaks, RunConflict, SenmonError
from senmon.messages import Identity
from senmon.server.responses import BODY, errors_beside_text
from senmon.server.runturn import Turn
from senmon.server.services import Server, Services
from senmon.store.records import Run

router = APIRouter(tags=["chatwoot"])
#: Conversations with the bot; `open` and `resolved` ones are the people's.
OURS = "pending"
_TRIES = 20
_SITE = "chatwoot"

log = logging.getLogger(__name__)
_answers: set[asyncio.Task[None]] = set()


class ChatwootConversation(BaseModel):
    """Chatwoot's conversation, as far as it is needed."""

    model_config = ConfigDict(extra="ignore")

    id: int
    status: str = ""
    inbox_id: int | None = None


class ChatwootAccount(BaseModel):
    """Chatwoot's account."""

    model_config = ConfigDict(extra="ignore")

    id: int


class ChatwootEvent(BaseModel):
    """An event as Chatwoot posts it to an agent bot. What is not named here is left alone."""

    model_config = ConfigDict(extra="ignore")

    event: str = Field(max_length=64)
    id: int | None = None
    content: str | None = None
    message_type: str | int | None = None
    private: bool = False
    conversation: ChatwootConversation | None = None
    account: ChatwootAccount | None = None

    @property
    def said(self) -> str:
        """A visitor's words in a conversation of the bot's; empty otherwise."""
        ours = self.conversation is not None and self.conversation.status == OURS
        asked = self.event == "message_created" and self.message_type in ("incoming", 0) and not self.private
        known = self.id is not None and self.account is not None
        return (self.content or "").strip() if ours and asked and known else ""


@router.post(
    "/webhooks/chatwoot/{secret}",
    response_class=PlainTextResponse,
    responses=errors_beside_text(*BODY, 404),
    summary="Take an event of Chatwoot",
)
async def chatwoot(
    secret: Annotated[str, Path(max_length=200)], event: ChatwootEvent, server: Server
) -> PlainTextResponse:
    """A visitor's message begins a run; the reply goes back through Chatwoot's API. The same message again is
    the same run. Everything else is taken note of and left alone."""
    settings = server.workspace.settings
    wanted = settings.chatwoot_secret.get_secret_value() if settings.chatwoot_secret else ""
    if not wanted or not hmac.compare_digest(secret.encode(), wanted.encode()):
        raise ConversationNotFound("there is nothing here", remedy="check SENMON_CHATWOOT_SECRET")
    text = event.said[: settings.max_message_chars]
    if text:
        answer = asyncio.create_task(_answer(server, event, text))
        _answers.add(answer)
        answer.add_done_callback(_answers.discard)
    return PlainTextResponse("taken")


async def _answer(server: Services, event: ChatwootEvent, text: str) -> None:
    try:
        run = await _begun(server, event, text)
        if run is not None:
            await _sent_back(server, event, run)
    except SenmonError as error:
        log.warning("a message of Chatwoot was not answered: %s", error.code)


async def _begun(server: Services, event: ChatwootEvent, text: str) -> Run | None:
    """Messages of one conversation queue up. None: it was answered before, or a person has it."""
    assert event.account is not None and event.conversation is not None
    identity = Identity(_SITE, f"{event.account.id}.{event.conversation.id}")
    conversation = await server.workspace.store.continue_conversation(identity, "chatwoot")
    turn = Turn(conversation.id, f"chatwoot-{event.id}", text, identity)
    for _ in range(_TRIES):
        await server.runs.idle(conversation.id)
        try:
            return await server.runs.begin(turn)
        except PersonSpeaks:
            return None
        except RunConflict:
            continue
    raise RunConflict("this conversation's earlier message is still being answered")


async def _sent_back(server: Services, event: ChatwootEvent, run: Run) -> None:
    """What was said when the run ends, and the conversation opened when it was handed over."""
    assert event.account is not None and event.conversation is not None
    parts, handed_over = list[str](), False
    async with aclosing(server.runs.follow(run.id)) as events:
        async for each in events:
            if each.type == "delta":
                parts.append(str(each.data.get("text", "")))
            elif each.type == "error":
                parts.append(f" {each.data.get('message', '')}")
            handed_over |= each.type == "handoff"
    place: dict[str, Any] = {"account": event.account.id, "conversation": event.conversation.id}
    outbox = server.workspace.store.webhooks
    if text := "".join(parts).strip():
        told = {**place, "text": text}
        await outbox.enqueue("chatwoot.message", f"reply-{run.id}", told, run.conversation)
    if handed_over:
        await outbox.enqueue("chatwoot.open", f"open-{run.id}", place, run.conversation)
