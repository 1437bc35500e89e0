"""What the outside world is to be told, kept until it was told: an outbox that survives the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import RowMapping, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import WebhookNotFound
from senmon.store.database import Database
from senmon.store.rows import columns_of, moment, new_id, now, one, values_of
from senmon.store.tables import conversations, outbox, webhooks

#: Who claims a delivery has so long to make it; then it is anybody's again.
LEASE = timedelta(seconds=60)
#: What was delivered, or given up, is kept for so long to be looked at.
KEPT = timedelta(days=14)
#: Deliveries that wait for one webhook; more would be a dead one's. The oldest waiting stay.
MOST_WAITING = 10_000
FAMILIES = ("handover", "feedback", "gate")
State = Literal["waiting", "delivered", "given up"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """`events` are families; `site` None: of all sites."""

    id: str
    url: str
    events: tuple[str, ...]
    site: str | None
    created: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """`event` is the same in every try, and the receiver's key to know a repetition by. `webhook` None:
    to Chatwoot. `due` None: never again."""

    id: str
    webhook: str | None
    event: str
    type: str
    data: Mapping[str, Any]
    conversation: str | None
    created: datetime
    attempts: int
    due: datetime | None
    state: State
    note: str


class Webhooks:
    """Registered webhooks and the outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, url: str, events: Sequence[str], site: str | None = None) -> Webhook:
        made = Webhook(new_id(), url, tuple(events), site, now())
        async with self._database.writing() as connection:
            await connection.execute(insert(webhooks).values(values_of(made)))
        return made

    async def all(self) -> tuple[Webhook, ...]:
        """Oldest first."""
        query = select(*columns_of(webhooks, Webhook)).order_by(webhooks.c.created)
        async with self._database.reading() as connection:
            return tuple(_webhook(row) for row in (await connection.execute(query)).mappings())

    async def get(self, prefix: str) -> Webhook:
        """By its id or the beginning of it. Raises WebhookNotFound."""
        found = [one for one in await self.all() if prefix and one.id.startswith(prefix)]
        if len(found) != 1:
            why = "several webhooks begin so" if found else "there is no such webhook"
            raise WebhookNotFound(f"{why}: {prefix[:40]!r}", remedy="senmon webhooks list")
        return found[0]

    async def remove(self, id: str) -> None:
        """With all that waits for it."""
        async with self._database.writing() as connection:
            await connection.execute(delete(outbox).where(outbox.c.webhook == id))
            await connection.execute(delete(webhooks).where(webhooks.c.id == id))

    async def announce(self, type: str, data: Mapping[str, Any], *, only: str | None = None) -> int:
        """Something happened that no transaction of the store tells of; to how many webhooks. `only` to one,
        whatever it wants to hear."""
        async with self._database.writing() as connection:
            return await announce(connection, type, data, only=only)

    # --- sending

    async def claim(self, most: int) -> tuple[Delivery, ...]:
        """What is due, oldest first: this caller's for LEASE. An attempt counts from here on, so that one
        that kills its sender is not tried for ever."""
        async with self._database.reading() as connection:  # most looks find nothing: no writer waits
            query = _due(await moment(connection))
            if (await connection.execute(query.limit(1))).first() is None:
                return ()
        async with self._database.writing() as connection:
            at = await moment(connection)
            found = [Delivery(**row) for row in (await connection.execute(query.limit(most))).mappings()]
            mine = []
            for each in found:
                # By the time as well: on a server with several senders one alone gets it.
                same = outbox.c.id == each.id, outbox.c.due == each.due
                taken = update(outbox).where(*same).values(due=at + LEASE, attempts=each.attempts + 1)
                if (await connection.execute(taken)).rowcount:
                    mine.append(each)
            return tuple(mine)

    async def delivered(self, id: str) -> None:
        await self._end(id, None, state="delivered", due=None, note="")

    async def again(self, id: str, after: timedelta, note: str, *, tried: int | None = None) -> None:
        """`tried`: the attempts with this one. When somebody else has tried since, theirs counts."""
        await self._end(id, tried, after=after, state="waiting", note=note)

    async def given_up(self, id: str, note: str, *, tried: int | None = None) -> None:
        """As `again`."""
        await self._end(id, tried, state="given up", due=None, note=note)

    async def retry(self, webhook: str | None = None) -> int:
        """Try at once what waits or was given up; how many. Of one webhook, or of all and of Chatwoot."""
        which = outbox.c.state != "delivered"
        if webhook is not None:
            which &= outbox.c.webhook == webhook
        async with self._database.writing() as connection:
            query = update(outbox).where(which).values(state="waiting", due=now(), attempts=0)
            return int((await connection.execute(query)).rowcount)

    async def deliveries(self, webhook: str | None, most: int = 20) -> tuple[Delivery, ...]:
        """The newest first; None: to Chatwoot."""
        mine = outbox.c.webhook.is_(None) if webhook is None else outbox.c.webhook == webhook
        query = select(*columns_of(outbox, Delivery)).where(mine).order_by(outbox.c.created.desc())
        query = query.limit(most)
        async with self._database.reading() as connection:
            return tuple(Delivery(**row) for row in (await connection.execute(query)).mappings())

    async def counts(self) -> dict[str | None, dict[State, int]]:
        """By webhook and state."""
        query = select(outbox.c.webhook, outbox.c.state, func.count()).group_by(
            outbox.c.webhook, outbox.c.state
        )
        found: dict[str | None, dict[State, int]] = {}
        async with self._database.reading() as connection:
            for webhook, state, count in await connection.execute(query):
                found.setdefault(webhook, {})[state] = int(count)
        return found

    async def forget(self) -> None:
        """Delete what was delivered, or given up, long ago."""
        old = outbox.c.state != "waiting", outbox.c.created < now() - KEPT
        async with self._database.writing() as connection:
            await connection.execute(delete(outbox).where(*old))

    async def _end(
        self, id: str, tried: int | None, *, note: str, after: timedelta | None = None, **values: Any
    ) -> None:
        ending = update(outbox).where(outbox.c.id == id)
        if tried is not None:
            ending = ending.where(outbox.c.state == "waiting", outbox.c.attempts == tried)
        async with self._database.writing() as connection:
            if after is not None:
                values["due"] = await moment(connection) + after
            await connection.execute(ending.values(note=note[:200], **values))


def _due(at: datetime) -> Select[Any]:
    ready = outbox.c.state == "waiting", outbox.c.due <= at
    return select(*columns_of(outbox, Delivery)).where(*ready).order_by(outbox.c.due, outbox.c.created)


async def announce(
    connection: AsyncConnection,
    type: str,
    data: Mapping[str, Any],
    *,
    conversation: str | None = None,
    only: str | None = None,
) -> int:
    """Queue an event for every webhook that wants its family, inside the caller's transaction; how many."""
    query = select(*columns_of(webhooks, Webhook))
    if only is not None:
        query = query.where(webhooks.c.id == only)
    wanted = [_webhook(row) for row in (await connection.execute(query)).mappings()]
    if only is None:
        wanted = [each for each in wanted if type.partition(".")[0] in each.events]
    if not wanted:
        return 0
    told = dict(data)
    if conversation is not None:
        owner = select(conversations.c.site).where(conversations.c.id == conversation)
        told |= {"conversation_id": conversation, "site": (await connection.execute(owner)).scalar_one()}
        wanted = [each for each in wanted if each.site in (None, told["site"])]
    event = f"evt_{new_id()}"
    for each in wanted:
        waiting = select(func.count()).where(outbox.c.webhook == each.id, outbox.c.state == "waiting")
        if (await connection.execute(waiting)).scalar_one() < MOST_WAITING:
            await _queue(connection, each.id, event, type, told, conversation)
    return len(wanted)


async def queue_once(
    connection: AsyncConnection, type: str, event: str, data: Mapping[str, Any], conversation: str
) -> None:
    """To Chatwoot, inside the caller's transaction; the same `event` again is the same."""
    known = select(outbox.c.id).where(outbox.c.webhook.is_(None), outbox.c.event == event)
    if await one(connection, known) is None:
        await _queue(connection, None, event, type, data, conversation)


async def forget_deliveries(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """What tells of erased conversations, inside the caller's transaction."""
    await connection.execute(delete(outbox).where(outbox.c.conversation.in_(ids)))


async def _queue(
    connection: AsyncConnection,
    webhook: str | None,
    event: str,
    type: str,
    data: Mapping[str, Any],
    conversation: str | None,
) -> None:
    made = Delivery(new_id(), webhook, event, type, dict(data), conversation, now(), 0, now(), "waiting", "")
    await connection.execute(insert(outbox).values(values_of(made)))


def _webhook(row: Mapping[Any, Any] | RowMapping) -> Webhook:
    return Webhook(**{**dict(row), "events": tuple(row["events"])})
