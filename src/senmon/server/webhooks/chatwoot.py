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
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from senmon.errors import ConversationNotFound, PersonSpeaks, RunConflict, SenmonError
from senmon.messages import Identity
from senmon.server.responses import BODY, errors_beside_text
from senmon.server.runturn import CHATWOOT, Turn
from senmon.server.services import Server, Services

router = APIRouter(tags=["chatwoot"])
#: Conversations with the bot; `open` and `resolved` ones are the people's.
OURS = "pending"
_TRIES = 20

log = logging.getLogger(__name__)
_waiting: set[asyncio.Task[None]] = set()


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
    if text and not await _begun_at_once(server, event, text):
        waiting = asyncio.create_task(_begin_later(server, event, text))
        _waiting.add(waiting)
        waiting.add_done_callback(_waiting.discard)
    return PlainTextResponse("taken")


async def _begun_at_once(server: Services, event: ChatwootEvent, text: str) -> bool:
    """What is taken is stored, unless an earlier message of the conversation is still being answered: False.
    The reply is queued with the end of the run, on whichever server that is."""
    try:
        await server.runs.begin(await _turn(server, event, text))
    except RunConflict:
        return False
    except PersonSpeaks:
        pass
    except SenmonError as error:
        log.warning("a message of Chatwoot was not answered: %s", error.code)
    return True


async def _begin_later(server: Services, event: ChatwootEvent, text: str) -> None:
    """Messages of one conversation queue up."""
    try:
        turn = await _turn(server, event, text)
        for _ in range(_TRIES):
            if (under_way := await server.workspace.store.running(turn.conversation)) is not None:
                async with aclosing(server.runs.follow(under_way.id)) as events:
                    async for _ in events:
                        pass
            if await _begun_at_once(server, event, text):
                return
        log.warning("a message of Chatwoot was not answered: earlier ones still are")
    except SenmonError as error:
        log.warning("a message of Chatwoot was not answered: %s", error.code)


async def _turn(server: Services, event: ChatwootEvent, text: str) -> Turn:
    assert event.account is not None and event.conversation is not None
    identity = Identity(CHATWOOT, f"{event.account.id}.{event.conversation.id}")
    conversation = await server.workspace.store.continue_conversation(identity, "chatwoot")
    return Turn(conversation.id, f"chatwoot-{event.id}", text, identity)
