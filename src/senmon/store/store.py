"""The store: what was said, by whom, and what came of it. The only place that speaks SQL."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, Select, Table, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import ConversationNotFound, Forbidden, RunConflict, RunNotFound
from senmon.messages import Event, Identity
from senmon.store.database import Database, parse_url
from senmon.store.handovers import Handovers
from senmon.store.keys import key_digest, new_key
from senmon.store.lock import StateLock
from senmon.store.migrate import upgrade
from senmon.store.records import (
    ApiKey,
    Channel,
    ConversationRecord,
    Feedback,
    Handover,
    Rating,
    Run,
    RunState,
)
from senmon.store.tables import (
    api_keys,
    conversations,
    events,
    feedback,
    handovers,
    review_items,
    runs,
    sites,
    visitors,
)

#: A run of a server that died is taken for orphaned after this time, where no lock file tells.
LEASE = timedelta(minutes=10)
_INTERRUPTED = {
    "code": "interrupted",
    "message": "The server stopped while it was answering.",
    "remedy": "send the message again",
}


class Store:
    """Open it with `await Store.open(...)`, close it with `await store.close()`.

    Ids are 128 random bits, URL-safe. Whoever asks for a conversation or a run must be the visitor (and
    the customer) that it belongs to.
    """

    def __init__(self, database: Database, lock: StateLock | None) -> None:
        self._database = database
        self._lock = lock
        self.desk = Handovers(database)
        self._owner = secrets.token_hex(8)

    @classmethod
    async def open(cls, target: str | Path, *, serving: bool = True) -> Store:
        """`target`: a SQLAlchemy URL, a file, or a folder (its `senmon.db`).

        `serving` takes the state's lock and closes the runs that a dead server left; command-line tools
        beside a running server pass False. Raises StateLocked, StoreError (newer schema), ConfigError.
        """
        if isinstance(target, Path) and target.is_dir():
            target = target / "senmon.db"
        url = parse_url(target)
        database = Database(url)
        lock = _lock(database.file) if serving else None
        try:
            async with database.writing() as connection:
                await connection.run_sync(upgrade)
            store = cls(database, lock)
            if serving:
                await store._close_orphans(everything=lock is not None)
        except BaseException:
            await database.close()
            if lock:
                lock.release()
            raise
        return store

    async def close(self) -> None:
        await self._database.close()
        if self._lock:
            self._lock.release()

    async def check(self) -> None:
        """Raises StoreError unless a transaction can be written. Changes nothing."""
        async with self._database.writing() as connection:
            await connection.execute(update(sites).where(sites.c.id == "").values(id=""))

    # Conversations

    async def create_conversation(
        self, identity: Identity, *, channel: Channel = "native"
    ) -> ConversationRecord:
        async with self._database.writing() as connection:
            return await _insert_conversation(connection, identity, channel)

    async def conversation(self, id: str, identity: Identity) -> ConversationRecord:
        """Raises ConversationNotFound unless it is this visitor's, Forbidden when another customer's."""
        async with self._database.reading() as connection:
            return _admit(
                await _one(connection, select(conversations).where(conversations.c.id == id)), identity
            )

    async def continue_conversation(self, identity: Identity, channel: Channel) -> ConversationRecord:
        """The newest conversation that this identity may continue, or a new one: for channels without ids."""
        query = (
            select(conversations)
            .where(
                conversations.c.site == identity.site,
                conversations.c.visitor == identity.visitor,
                conversations.c.channel == channel,
                conversations.c.customer.is_(None) | (conversations.c.customer == identity.customer),
            )
            .order_by(conversations.c.created.desc())
            .limit(1)
        )
        async with self._database.writing() as connection:
            row = await _one(connection, query)
            return (
                ConversationRecord(**row)
                if row
                else await _insert_conversation(connection, identity, channel)
            )

    # Runs

    async def start_run(
        self,
        conversation: str,
        client_id: str,
        text: str,
        *,
        customer: str | None = None,
        opening: Event | None = None,
    ) -> Run:
        """The run of this `client_id`, made if there is none yet (`fresh`) with `opening` as first event.

        Raises RunConflict when the client_id came with another text before, or another run is under way;
        Forbidden when the conversation became another customer's meanwhile. `customer` binds the
        conversation to a customer who speaks in it for the first time.
        """
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        async with self._database.writing() as connection:
            known = await _one(
                connection,
                select(runs).where(runs.c.conversation == conversation, runs.c.client_id == client_id),
            )
            if known is not None:
                if known["text_digest"] != digest:
                    raise RunConflict(
                        f"client_id {client_id} was used for another text",
                        remedy="use a new client_id per message",
                    )
                return _run(known)
            await _refuse_second_run(connection, conversation)
            await _bind_customer(connection, conversation, customer)
            run = await self._insert_run(connection, conversation, client_id, digest)
            if opening is not None:
                await connection.execute(insert(events).values(_event_values(run.id, 1, opening)))
            return run

    async def _insert_run(
        self, connection: AsyncConnection, conversation: str, client_id: str, digest: str
    ) -> Run:
        number = select(func.coalesce(func.max(runs.c.number), 0) + 1).where(
            runs.c.conversation == conversation
        )
        values = {
            "id": _id(),
            "conversation": conversation,
            "number": number.scalar_subquery(),
            "client_id": client_id,
            "text_digest": digest,
            "state": "running",
            "owner": self._owner,
            "lease_until": _now() + LEASE,
            "created": _now(),
        }
        try:
            row = (await connection.execute(insert(runs).values(values).returning(runs))).mappings().one()
        except IntegrityError as error:
            raise ConversationNotFound(f"no conversation {conversation}") from error
        return _run(row, fresh=True)

    async def run(self, id: str, identity: Identity) -> Run:
        """Raises RunNotFound unless its conversation is this visitor's."""
        async with self._database.reading() as connection:
            row = await _one(connection, select(runs).where(runs.c.id == id))
            owner = row and await _one(
                connection, select(conversations).where(conversations.c.id == row["conversation"])
            )
        if row is None:
            raise _no_run(id)
        try:
            _admit(owner, identity)
        except ConversationNotFound as error:
            raise _no_run(id) from error
        return _run(row)

    async def running(self, conversation: str) -> Run | None:
        """The run under way in a conversation."""
        query = select(runs).where(runs.c.conversation == conversation, runs.c.state == "running")
        async with self._database.reading() as connection:
            row = await _one(connection, query)
        return _run(row) if row else None

    async def finish_run(self, id: str, state: RunState) -> None:
        """Only a running run changes its state."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(runs)
                .where(runs.c.id == id, runs.c.state == "running")
                .values(state=state, finished=_now(), lease_until=None)
            )

    async def _close_orphans(self, *, everything: bool) -> None:
        """With the lock held, every running run is an orphan; without one, those whose lease is over."""
        query = select(runs.c.id).where(runs.c.state == "running")
        if not everything:
            query = query.where(runs.c.lease_until < _now())
        async with self._database.reading() as connection:
            orphans = (await connection.execute(query)).scalars().all()
        for id in orphans:
            last = (await self.events(id))[-1:]
            if last and last[0].type == "done":  # the server died right after its last event
                await self.finish_run(id, "done")
                continue
            if not last or last[0].type != "error":
                await self.append(id, Event("error", data=_INTERRUPTED))
            await self.finish_run(id, "failed")

    # Events

    async def append(self, run_id: str, event: Event) -> Event:
        """Store `event` as the run's next; committed when this returns. Raises RunNotFound."""
        following = select(func.coalesce(func.max(events.c.seq), 0) + 1).where(events.c.run == run_id)
        values = _event_values(run_id, following.scalar_subquery(), event)
        try:
            async with self._database.writing() as connection:
                query = insert(events).values(values).returning(events.c.seq)
                seq: int = (await connection.execute(query)).scalar_one()
                if event.type == "handoff":
                    await _open_handover(connection, run_id, str(event.data.get("reason", "")))
        except IntegrityError as error:
            raise _no_run(run_id) from error
        return event.at(run_id, seq)

    async def events(self, run_id: str, after: int = 0) -> tuple[Event, ...]:
        """The run's events with a seq above `after`, in order."""
        query = select(events).where(events.c.run == run_id, events.c.seq > after).order_by(events.c.seq)
        return await self._events(query)

    async def conversation_events(self, id: str) -> tuple[Event, ...]:
        """All events of a conversation, run by run: what `Conversation.fold` takes."""
        query = (
            select(events)
            .join(runs, runs.c.id == events.c.run)
            .where(runs.c.conversation == id)
            .order_by(runs.c.number, events.c.seq)
        )
        return await self._events(query)

    async def _events(self, query: Select[Any]) -> tuple[Event, ...]:
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return tuple(
            Event(row["type"], row["data"], row["private"], run_id=row["run"], seq=row["seq"]) for row in rows
        )

    # Feedback and handovers

    async def add_feedback(
        self, run_id: str, identity: Identity, rating: Rating, *, reason: str = "", correction: str = ""
    ) -> Feedback:
        """One per run and visitor: a later one replaces it. `down` or a correction opens a review item."""
        await self.run(run_id, identity)
        record = Feedback(_id(), run_id, identity.visitor, rating, reason, correction, _now())
        mine = and_(feedback.c.run == run_id, feedback.c.visitor == identity.visitor)
        async with self._database.writing() as connection:
            known = await _one(connection, select(feedback).where(mine))
            values = _values(record)
            if known is None:
                await connection.execute(insert(feedback).values(values))
            else:
                values["id"] = known["id"]
                await connection.execute(update(feedback).where(mine).values(values))
            await _review(connection, values, wanted=rating == "down" or bool(correction))
        return Feedback(**values)

    async def feedback(self, run_id: str | None = None) -> tuple[Feedback, ...]:
        """Of one run, or all of it, oldest first."""
        query = select(feedback).order_by(feedback.c.created)
        if run_id is not None:
            query = query.where(feedback.c.run == run_id)
        async with self._database.reading() as connection:
            return tuple(Feedback(**row) for row in (await connection.execute(query)).mappings())

    async def handovers(self) -> tuple[Handover, ...]:
        """Open ones, oldest first."""
        columns = [handovers.c[name] for name in Handover.__dataclass_fields__]
        query = select(*columns).where(handovers.c.state == "open").order_by(handovers.c.created)
        async with self._database.reading() as connection:
            return tuple(Handover(**row) for row in (await connection.execute(query)).mappings())

    # Keys

    async def add_key(self, name: str, *, site: str = "local") -> tuple[str, ApiKey]:
        """The secret, shown this once, and its record."""
        secret, record = new_key(), ApiKey(_id(), site, name, _now())
        async with self._database.writing() as connection:
            await _ensure_site(connection, site)
            await connection.execute(insert(api_keys).values(**_values(record), digest=key_digest(secret)))
        return secret, record

    async def find_key(self, secret: str) -> ApiKey | None:
        """The valid key with this secret. Looked up by hash, so that timing tells nothing of the secret."""
        keys = await self._keys(api_keys.c.digest == key_digest(secret), api_keys.c.revoked.is_(None))
        return keys[0] if keys else None

    async def keys(self) -> tuple[ApiKey, ...]:
        return await self._keys()

    async def revoke_key(self, id: str) -> bool:
        """False when there is no such valid key."""
        query = (
            update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked.is_(None)).values(revoked=_now())
        )
        async with self._database.writing() as connection:
            return bool((await connection.execute(query)).rowcount)

    async def _keys(self, *conditions: Any) -> tuple[ApiKey, ...]:
        columns = [api_keys.c[name] for name in ApiKey.__dataclass_fields__]
        query = select(*columns).where(*conditions).order_by(api_keys.c.created)
        async with self._database.reading() as connection:
            return tuple(ApiKey(**row) for row in (await connection.execute(query)).mappings())


def _lock(file: Path | None) -> StateLock | None:
    if file is None:
        return None
    lock = StateLock(file.with_name(file.name + ".lock"))
    lock.acquire()
    return lock


def _id() -> str:
    return secrets.token_urlsafe(16)


def _now() -> datetime:
    return datetime.now(UTC)


def _no_run(id: str) -> RunNotFound:
    return RunNotFound(f"no run {id}", remedy="run ids come from POST /v1/conversations/{id}/messages")


def _values(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _event_values(run_id: str, seq: Any, event: Event) -> dict[str, Any]:
    return {
        "run": run_id,
        "seq": seq,
        "type": event.type,
        "data": dict(event.data),
        "private": dict(event.private),
        "created": _now(),
    }


def _run(row: Mapping[str, Any] | RowMapping, *, fresh: bool = False) -> Run:
    names = ("id", "conversation", "client_id", "state", "number", "created")
    return Run(**{name: row[name] for name in names}, fresh=fresh)


async def _one(connection: AsyncConnection, query: Select[Any]) -> dict[str, Any] | None:
    row = (await connection.execute(query)).mappings().first()
    return dict(row) if row is not None else None


def _admit(row: Mapping[str, Any] | None, identity: Identity) -> ConversationRecord:
    if row is None or (row["site"], row["visitor"]) != (identity.site, identity.visitor):
        raise ConversationNotFound("no such conversation of yours", remedy="POST /v1/conversations makes one")
    if row["customer"] is not None and row["customer"] != identity.customer:
        raise _not_this_customer()
    return ConversationRecord(**row)


async def _insert_conversation(
    connection: AsyncConnection, identity: Identity, channel: Channel
) -> ConversationRecord:
    await _ensure_visitor(connection, identity)
    record = ConversationRecord(_id(), identity.site, identity.visitor, identity.customer, channel, _now())
    await connection.execute(insert(conversations).values(**_values(record)))
    return record


async def _ensure_site(connection: AsyncConnection, site: str) -> None:
    await _insert_if_missing(connection, sites, {"id": site})


async def _ensure_visitor(connection: AsyncConnection, identity: Identity) -> None:
    await _ensure_site(connection, identity.site)
    await _insert_if_missing(connection, visitors, {"site": identity.site, "id": identity.visitor})


async def _insert_if_missing(connection: AsyncConnection, table: Table, key: dict[str, str]) -> None:
    match = and_(*(table.c[name] == value for name, value in key.items()))
    if await _one(connection, select(table).where(match)) is None:
        await connection.execute(insert(table).values(**key, created=_now()))


async def _refuse_second_run(connection: AsyncConnection, conversation: str) -> None:
    query = select(runs).where(runs.c.conversation == conversation, runs.c.state == "running")
    running = await _one(connection, query)
    if running is not None:
        raise RunConflict(
            f"run {running['id']} is still under way in this conversation",
            remedy=f"wait until it is done and retry, or stop it: DELETE /v1/runs/{running['id']}",
        )


async def _bind_customer(connection: AsyncConnection, conversation: str, customer: str | None) -> None:
    row = await _one(connection, select(conversations).where(conversations.c.id == conversation))
    if row is None or row["customer"] == customer:
        return
    if row["customer"] is not None:
        raise _not_this_customer()
    mine = and_(conversations.c.id == conversation, conversations.c.customer.is_(None))
    await connection.execute(update(conversations).where(mine).values(customer=customer))


def _not_this_customer() -> Forbidden:
    return Forbidden(
        "this conversation belongs to a signed-in customer",
        remedy="sign in again, or start a new conversation",
    )


async def _open_handover(connection: AsyncConnection, run_id: str, reason: str) -> None:
    conversation = select(runs.c.conversation).where(runs.c.id == run_id).scalar_subquery()
    values = {
        "id": _id(),
        "run": run_id,
        "conversation": conversation,
        "reason": reason[:500],
        "state": "open",
    }
    await connection.execute(insert(handovers).values(**values, created=_now()))


async def _review(connection: AsyncConnection, given: Mapping[str, Any], *, wanted: bool) -> None:
    """An undecided item follows its feedback: opened when wanted, withdrawn when no longer."""
    item = await _one(connection, select(review_items).where(review_items.c.feedback == given["id"]))
    if item is None and wanted:
        values = {"id": _id(), "run": given["run"], "feedback": given["id"], "state": "open", "note": ""}
        await connection.execute(insert(review_items).values(**values, created=_now()))
    elif item is not None and item["state"] in ("open", "withdrawn"):
        state = "open" if wanted else "withdrawn"
        await connection.execute(
            update(review_items).where(review_items.c.id == item["id"]).values(state=state)
        )
