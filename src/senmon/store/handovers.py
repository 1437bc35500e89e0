"""Conversations that wait for a person or have one, for the people of a site and for the visitor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import HandoverConflict, HandoverNotFound, RunConflict
from senmon.store.belonging import bind_customer
from senmon.store.database import Database
from senmon.store.journal import record
from senmon.store.records import ConversationRecord, Handover, HandoverState, HandoverStatus
from senmon.store.rows import columns_of, new_id, now, one, values_of
from senmon.store.tables import conversation_events, conversations, handovers, runs

MOST = 200
ACTIVE = ("open", "joined")
_SHOWN: dict[HandoverState, Literal["none", "queued", "joined", "closed"]] = {
    "open": "queued",
    "joined": "joined",
    "closed": "closed",
    "withdrawn": "none",
}
#: Statements of every turn, made once.
_JOINED = select(handovers.c.agent).where(
    handovers.c.conversation == bindparam("of"), handovers.c.state == "joined"
)
_DELIVERED = select(conversation_events.c.data).where(
    conversation_events.c.conversation == bindparam("of"),
    conversation_events.c.client_id == bindparam("client_id"),
)


class Handovers:
    """The people's methods are bound to a site (None: all sites): nobody sees another's conversations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # The people

    async def waiting(self, site: str | None) -> tuple[tuple[Handover, ConversationRecord], ...]:
        """The open ones, oldest first, at most MOST."""
        return await self._listed(site, ("open",))

    async def active(self, site: str | None) -> tuple[tuple[Handover, ConversationRecord], ...]:
        """Open and joined ones, oldest first, at most MOST."""
        return await self._listed(site, ACTIVE)

    async def queue(self) -> tuple[int, datetime | None]:
        """How many are open, and since when the oldest one waits."""
        query = select(func.count(), func.min(handovers.c.created)).where(handovers.c.state == "open")
        async with self._database.reading() as connection:
            count, oldest = (await connection.execute(query)).one()
        return int(count), oldest

    async def _listed(
        self, site: str | None, states: tuple[str, ...]
    ) -> tuple[tuple[Handover, ConversationRecord], ...]:
        query = _of(site).where(handovers.c.state.in_(states)).order_by(handovers.c.created, handovers.c.id)
        async with self._database.reading() as connection:
            return tuple(_pair(row) for row in (await connection.execute(query.limit(MOST))).mappings())

    async def get(self, id: str, site: str | None) -> tuple[Handover, ConversationRecord]:
        """Raises HandoverNotFound."""
        async with self._database.reading() as connection:
            row = (await connection.execute(_of(site).where(handovers.c.id == id))).mappings().first()
        if row is None:
            raise HandoverNotFound("no such handover here", remedy="GET /v1/handovers lists the open ones")
        return _pair(row)

    async def accept(self, id: str, site: str | None, agent: str) -> Handover:
        """A person joins. Twice by the same one is no error. HandoverNotFound, HandoverConflict."""
        found, _ = await self.get(id, site)
        query = update(handovers).where(handovers.c.id == id, handovers.c.state == "open")
        async with self._database.writing() as connection:
            values = {"state": "joined", "agent": agent, "joined": now()}
            if (await connection.execute(query.values(values))).rowcount:
                joined = {"status": "joined", "agent": agent}
                await record(connection, found.conversation, "handover", joined)
        found, _ = await self.get(id, site)
        if (found.state, found.agent) != ("joined", agent):
            raise _not_open(found)
        return found

    async def say(self, id: str, site: str | None, text: str) -> int:
        """A person's message; its seq in the conversation's journal. HandoverNotFound, HandoverConflict."""
        found, _ = await self.get(id, site)
        async with self._database.writing() as connection:
            agent = await joined_agent(connection, found.conversation, id)
            if agent is None:
                raise HandoverConflict(
                    "nobody has joined, or it is over", remedy="POST /v1/handovers/{id}/accept comes first"
                )
            author = {"kind": "agent", "name": agent}
            return await record(
                connection,
                found.conversation,
                "message",
                {"role": "assistant", "text": text, "author": author, "created_at": now().isoformat()},
            )

    async def close(self, id: str, site: str | None) -> Handover:
        """It is over, whether somebody joined or not. Closing twice is no error. Raises HandoverNotFound."""
        await self.get(id, site)
        async with self._database.writing() as connection:
            await _end(connection, handovers.c.id == id, "closed")
        return (await self.get(id, site))[0]

    async def take(self, conversation: str, agent: str) -> Handover:
        """A person joins a conversation, whether one was asked for or not. HandoverConflict when another has
        joined."""
        async with self._database.writing() as connection:
            await open_handover(connection, conversation, reason="taken over")
        async with self._database.reading() as connection:
            query = select(handovers.c.id).where(
                handovers.c.conversation == conversation, handovers.c.state.in_(ACTIVE)
            )
            row = await one(connection, query)
        if row is None:  # withdrawn meanwhile
            raise HandoverConflict("it is over", remedy="take it over again")
        return await self.accept(str(row["id"]), None, agent)

    async def give_back(self, id: str, site: str | None) -> Handover:
        """The assistant answers again, and the visitor is not asked how it was. HandoverNotFound."""
        await self.get(id, site)
        async with self._database.writing() as connection:
            await _end(connection, handovers.c.id == id, "withdrawn")
        return (await self.get(id, site))[0]

    # The visitor, whose conversation it is

    async def request(self, conversation: str, note: str = "") -> HandoverStatus:
        """Ask for a person; no error when one is asked for already."""
        async with self._database.writing() as connection:
            await open_handover(connection, conversation, reason="asked", note=note)
        return await self.status(conversation)

    async def withdraw(self, conversation: str) -> HandoverStatus:
        """No person is wanted any more. No error when none was."""
        active = handovers.c.conversation == conversation
        async with self._database.writing() as connection:
            await _end(connection, active & (handovers.c.state == "open"), "withdrawn")
            await _end(connection, active & (handovers.c.state == "joined"), "closed")
        return await self.status(conversation)

    async def status(self, conversation: str) -> HandoverStatus:
        """Of the newest handover."""
        async with self._database.reading() as connection:
            return await handover_status(connection, conversation)

    async def deliver(self, conversation: str, client_id: str, text: str, customer: str | None) -> bool:
        """The visitor's message to the person who has joined; False when nobody has.

        The same `client_id` again is the same message. Raises RunConflict when it came with another text,
        Forbidden when the conversation became another customer's meanwhile.
        """
        async with self._database.writing() as connection:
            if (known := await _delivered(connection, conversation, client_id)) is not None:
                if known.get("text") != text:
                    raise RunConflict(
                        f"client_id {client_id} was used for another text",
                        remedy="use a new client_id per message",
                    )
                return True
            asked = select(runs.c.id).where(
                runs.c.conversation == conversation, runs.c.client_id == client_id
            )
            if await joined_agent(connection, conversation) is None or await one(connection, asked):
                return False
            said = {
                "role": "user",
                "text": text,
                "author": {"kind": "visitor", "name": customer or ""},
                "created_at": now().isoformat(),
                "client_id": client_id,
            }
            await bind_customer(connection, conversation, customer)
            await record(connection, conversation, "message", said, client_id=client_id)
            return True


async def handover_status(connection: AsyncConnection, conversation: str) -> HandoverStatus:
    """Of the newest handover, with its place in the site's queue."""
    query = select(*columns_of(handovers, Handover)).where(handovers.c.conversation == conversation)
    newest = query.order_by(handovers.c.created.desc(), handovers.c.id.desc()).limit(1)
    row = await one(connection, newest)
    if row is None:
        return HandoverStatus()
    position = await _position(connection, Handover(**row)) if row["state"] == "open" else None
    return HandoverStatus(_SHOWN[row["state"]], row["agent"], position)


async def joined_agent(connection: AsyncConnection, conversation: str, id: str | None = None) -> str | None:
    """The person who answers in a conversation now (through handover `id`)."""
    query = _JOINED if id is None else _JOINED.where(handovers.c.id == id)
    row = await one(connection, query, {"of": conversation})
    return None if row is None else str(row["agent"] or "")


async def belongs_to_person(connection: AsyncConnection, conversation: str, client_id: str) -> bool:
    """Whether this message is a person's to answer: one has joined, or had it before."""
    joined = await joined_agent(connection, conversation) is not None
    return joined or await _delivered(connection, conversation, client_id) is not None


async def _delivered(
    connection: AsyncConnection, conversation: str, client_id: str
) -> Mapping[str, Any] | None:
    row = await one(connection, _DELIVERED, {"of": conversation, "client_id": client_id})
    return None if row is None else dict(row["data"])


async def open_handover(
    connection: AsyncConnection, conversation: str, *, reason: str, note: str = "", run: str | None = None
) -> None:
    """Queue the conversation unless it is queued or joined already; then a note is added to it."""
    active = handovers.c.conversation == conversation, handovers.c.state.in_(ACTIVE)
    known = await one(connection, select(handovers.c.id, handovers.c.note).where(*active))
    if known is not None:
        if note and not known["note"]:
            await connection.execute(update(handovers).where(handovers.c.id == known["id"]).values(note=note))
        return
    made = Handover(new_id(), run, conversation, reason[:500], "open", now(), note)
    await connection.execute(insert(handovers).values(values_of(made)))
    position = await _position(connection, made)
    await record(connection, conversation, "handover", {"status": "queued", "position": position})


async def _end(connection: AsyncConnection, which: Any, state: HandoverState) -> None:
    query = select(handovers.c.id, handovers.c.conversation).where(which, handovers.c.state.in_(ACTIVE))
    for row in (await connection.execute(query)).mappings().all():
        ended = update(handovers).where(handovers.c.id == row["id"])
        await connection.execute(ended.values(state=state, closed=now()))
        await record(connection, row["conversation"], "handover", {"status": _SHOWN[state]})


async def _position(connection: AsyncConnection, handover: Handover) -> int:
    """How many of the same site wait, up to this one."""
    site = select(conversations.c.site).where(conversations.c.id == handover.conversation).scalar_subquery()
    query = (
        select(func.count())
        .select_from(handovers.join(conversations, conversations.c.id == handovers.c.conversation))
        .where(
            handovers.c.state == "open",
            conversations.c.site == site,
            or_(
                handovers.c.created < handover.created,
                (handovers.c.created == handover.created) & (handovers.c.id <= handover.id),
            ),
        )
    )
    return int((await connection.execute(query)).scalar_one())


def _of(site: str | None) -> Select[Any]:
    mine = [handovers.c[name].label(f"h_{name}") for name in Handover.__dataclass_fields__]
    theirs = [conversations.c[name].label(f"c_{name}") for name in ConversationRecord.__dataclass_fields__]
    joined = handovers.join(conversations, conversations.c.id == handovers.c.conversation)
    query = select(*mine, *theirs).select_from(joined)
    return query if site is None else query.where(conversations.c.site == site)


def _pair(row: Any) -> tuple[Handover, ConversationRecord]:
    mine = {name: row[f"h_{name}"] for name in Handover.__dataclass_fields__}
    theirs = {name: row[f"c_{name}"] for name in ConversationRecord.__dataclass_fields__}
    return Handover(**mine), ConversationRecord(**theirs)


def _not_open(found: Handover) -> HandoverConflict:
    if found.state == "joined":
        return HandoverConflict(f"{found.agent} has joined already", remedy="close it first, or leave it")
    return HandoverConflict("it is over", remedy="GET /v1/handovers lists the open ones")
