"""The store: what was said, by whom, and what came of it. The only place that speaks SQL."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import ConversationNotFound, PersonSpeaks, RunConflict, RunNotFound
from senmon.messages import Event, Identity
from senmon.store.audit import Audit
from senmon.store.belonging import admit, bind_customer
from senmon.store.chatwoot import answer_chatwoot
from senmon.store.class_codes import ClassCodes
from senmon.store.database import Database, parse_url
from senmon.store.duties import Duties
from senmon.store.handovers import Handovers, belongs_to_person, open_handover
from senmon.store.inbox import Inbox
from senmon.store.journal import HELD, Journal, record
from senmon.store.keys import key_digest, new_key
from senmon.store.leases import Leases, lost
from senmon.store.lock import StateLock
from senmon.store.migrate import upgrade
from senmon.store.opinions import Opinions
from senmon.store.orphans import close_orphans
from senmon.store.people import People
from senmon.store.pupils import Pupils
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
from senmon.store.refresh import RefreshTokens
from senmon.store.replacing import replace_run
from senmon.store.reviews import Reviews
from senmon.store.rows import columns_of, ensure_site, ensure_visitor, new_id, now, one, values_of
from senmon.store.sites import Sites
from senmon.store.staff import StaffAccounts
from senmon.store.standing import count_of, events_of, first_of_last, runs_of
from senmon.store.tables import api_keys, conversations, events, runs, sites, visitors
from senmon.store.told import Told, read_beside
from senmon.store.webhooks import Webhooks

#: A run of a server that died is taken for orphaned after this time, where no lock file tells.
LEASE = timedelta(minutes=10)
#: Statements of every turn, made once: making one takes longer than SQLite needs for it.
_NEWEST = select(func.coalesce(func.max(events.c.seq), 0)).where(events.c.run == bindparam("of"))
_ADD = insert(events)
_FINISH = (
    update(runs)
    .where(runs.c.id == bindparam("of"), runs.c.state == "running")
    .values(state=bindparam("state"), finished=bindparam("finished"), lease_until=bindparam("lease_until"))
)
_EVENTS = (
    select(events)
    .where(events.c.run == bindparam("of"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
)
_KNOWN = select(runs).where(
    runs.c.conversation == bindparam("of"), runs.c.client_id == bindparam("client_id")
)
_RUNNING = select(runs).where(runs.c.conversation == bindparam("of"), runs.c.state == "running")
_NUMBER = select(func.coalesce(func.max(runs.c.number), 0) + 1).where(runs.c.conversation == bindparam("of"))
_ADD_RUN = insert(runs).values(number=_NUMBER.scalar_subquery()).returning(runs)
_CONVERSATIONS = select(*columns_of(conversations, ConversationRecord))


class Store:
    """Open it with `await Store.open(...)`, close it with `await store.close()`.

    Ids are 128 random bits, URL-safe. Whoever asks for a conversation or a run must be the visitor (and
    the customer) that it belongs to.
    """

    def __init__(self, database: Database, lock: StateLock | None, lease: float | None = None) -> None:
        self._database = database
        self._lock = lock
        self._owner = secrets.token_hex(8)
        #: Where several servers answer, and take each other's runs over.
        self.leases = None if lease is None else Leases(database, self._owner, lease)
        self.duties = Duties(database, self._owner)
        self.class_codes = ClassCodes(database)
        self.sites = Sites(database)
        self.pupils = Pupils(database)
        self.refresh = RefreshTokens(database)
        self.desk = Handovers(database)
        self.journal = Journal(database)
        self.opinions = Opinions(database)
        self.people = People(database)
        self.reviews = Reviews(database)
        self.webhooks = Webhooks(database)
        self.inbox = Inbox(database)
        self.staff = StaffAccounts(database)
        self.audit = Audit(database)

    @classmethod
    async def open(cls, target: str | Path, *, serving: bool = True, lease: float | None = None) -> Store:
        """`target`: a SQLAlchemy URL, a file, or a folder (its `senmon.db`).

        `serving` takes the state's lock and closes the runs that a dead server left; command-line tools
        beside a running server pass False. With `lease` (seconds; PostgreSQL only) the runs of a dead server
        are left to be claimed. Raises StateLocked, StoreError (newer schema), ConfigError.
        """
        if isinstance(target, Path) and target.is_dir():
            target = target / "senmon.db"
        url = parse_url(target)
        database = Database(url)
        lock = _lock(database.file) if serving else None
        try:
            async with database.writing() as connection:
                await connection.run_sync(upgrade)
            store = cls(database, lock, lease)
            if store.leases is not None:
                await store.leases.set_clock()
            elif serving:
                await close_orphans(store, database, everything=lock is not None)
        except BaseException:
            await database.close()
            if lock:
                lock.release()
            raise
        return store

    @property
    def shared(self) -> bool:
        """Whether another server process may write too."""
        return self._lock is None

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
        self,
        identity: Identity,
        *,
        channel: Channel = "native",
        client_id: str | None = None,
        prechat: Mapping[str, Any] | None = None,
    ) -> ConversationRecord:
        """A new one, or this visitor's of the same `client_id`. `prechat`: what was asked before it."""
        async with self._database.writing() as connection:
            await ensure_visitor(connection, identity.site, identity.visitor)
            if client_id is not None:
                await self._one_at_a_time(connection, identity)
                mine = conversations.c.site == identity.site, conversations.c.visitor == identity.visitor
                query = _CONVERSATIONS.where(*mine, conversations.c.client_id == client_id)
                if (known := await one(connection, query)) is not None:
                    return admit(known, identity)
            return await _insert_conversation(connection, identity, channel, client_id, prechat)

    async def conversation(self, id: str, identity: Identity) -> ConversationRecord:
        """Raises ConversationNotFound unless it is this visitor's, Forbidden when another customer's."""
        async with self._database.reading(quick=True) as connection:
            return admit(await one(connection, _CONVERSATIONS.where(conversations.c.id == id)), identity)

    async def continue_conversation(self, identity: Identity, channel: Channel) -> ConversationRecord:
        """The newest conversation that this identity may continue, or a new one: for channels without ids."""
        query = (
            _CONVERSATIONS.where(
                conversations.c.site == identity.site,
                conversations.c.visitor == identity.visitor,
                conversations.c.channel == channel,
                conversations.c.customer.is_(None) | (conversations.c.customer == identity.customer),
            )
            .order_by(conversations.c.created.desc())
            .limit(1)
        )
        async with self._database.writing() as connection:
            await ensure_visitor(connection, identity.site, identity.visitor)
            await self._one_at_a_time(connection, identity)
            row = await one(connection, query)
            return (
                ConversationRecord(**row)
                if row
                else await _insert_conversation(connection, identity, channel)
            )

    async def _one_at_a_time(self, connection: AsyncConnection, identity: Identity) -> None:
        """Two servers may be asked at once for what a visitor has one of."""
        if self.shared:
            mine = visitors.c.site == identity.site, visitors.c.id == identity.visitor
            await connection.execute(select(visitors.c.id).where(*mine).with_for_update())

    # Runs

    async def start_run(
        self,
        conversation: str,
        client_id: str,
        text: str,
        *,
        customer: str | None = None,
        opening: Event | None = None,
        replaces: str | None = None,
    ) -> Run:
        """The run of this `client_id`, made if there is none yet (`fresh`) with `opening` as first event.

        Raises RunConflict when the client_id came with another text before, or another run is under way;
        PersonSpeaks when a person has joined; Forbidden when the conversation became another customer's
        meanwhile. `customer` binds the conversation to a customer who speaks in it for the first time.
        `replaces` takes the last run out of what was said.
        """
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        async with self._database.writing(quick=True) as connection:
            if self.shared:  # two servers may be asked at once
                await connection.execute(HELD, {"of": conversation})
            known = await one(connection, _KNOWN, {"of": conversation, "client_id": client_id})
            if known is not None:
                if known["text_digest"] != digest:
                    raise RunConflict(
                        f"client_id {client_id} was used for another text",
                        remedy="use a new client_id per message",
                    )
                return _run(known)
            if await belongs_to_person(connection, conversation, client_id):
                raise PersonSpeaks("a person answers in this conversation", remedy="wait for the person")
            await _refuse_second_run(connection, conversation)
            await bind_customer(connection, conversation, customer)
            if replaces is not None:
                await replace_run(connection, conversation, replaces)
            run = await self._insert_run(connection, conversation, client_id, digest)
            told = {"run_id": run.id, "client_id": client_id}
            await record(
                connection, conversation, "run", {**told, "replaces": replaces} if replaces else told
            )
            if opening is not None:
                await connection.execute(_ADD, _event_values(run.id, 1, opening))
            return run

    async def _insert_run(
        self, connection: AsyncConnection, conversation: str, client_id: str, digest: str
    ) -> Run:
        values = {
            "id": new_id(),
            "conversation": conversation,
            "of": conversation,
            "client_id": client_id,
            "text_digest": digest,
            "state": "running",
            "owner": self._owner,
            "lease_until": self.leases.until() if self.leases else now() + LEASE,
            "created": now(),
        }
        try:
            row = (await connection.execute(_ADD_RUN, values)).mappings().one()
        except IntegrityError as error:
            raise ConversationNotFound(f"no conversation {conversation}") from error
        return _run(row, fresh=True)

    async def run(self, id: str, identity: Identity) -> Run:
        """Raises RunNotFound unless its conversation is this visitor's."""
        async with self._database.reading(quick=True) as connection:
            row = await one(connection, select(runs).where(runs.c.id == id))
            owner = row and await one(
                connection, _CONVERSATIONS.where(conversations.c.id == row["conversation"])
            )
        if row is None:
            raise _no_run(id)
        try:
            admit(owner, identity)
        except ConversationNotFound as error:
            raise _no_run(id) from error
        return _run(row)

    async def runs_of(self, conversation: str) -> tuple[Run, ...]:
        """The runs that make up what was said, in order: without replaced ones."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(runs_of(conversation))).mappings().all()
        return tuple(_run(row) for row in rows)

    async def told(self, conversation: str, visitor: str | None, last: int | None = None) -> Told:
        """What was said and how it stands, at one moment; with the thumbs of `visitor`. Of a long
        conversation the `last` runs only: reading them all takes a second for ten thousand messages."""
        async with self._database.reading() as connection:
            # The journal first: a run that begins meanwhile is at least told of as an event.
            beside = await read_beside(connection, conversation, visitor)
            earlier, since = 0, 0
            if last is not None:
                earlier = max(0, await connection.scalar(count_of(conversation)) - last)
                since = earlier and await connection.scalar(first_of_last(conversation, last))
            rows = (await connection.execute(runs_of(conversation, since))).mappings().all()
            found = await self._read(connection, events_of(conversation, since))
        return Told(tuple(_run(row) for row in rows), found, *beside).after(earlier)

    async def running(self, conversation: str) -> Run | None:
        """The run under way in a conversation."""
        async with self._database.reading(quick=True) as connection:
            row = await one(connection, _RUNNING, {"of": conversation})
        return _run(row) if row else None

    async def finish_run(self, id: str, state: RunState) -> None:
        """Only a running run changes its state."""
        async with self._database.writing(quick=True) as connection:
            if (await connection.execute(_FINISH, _finishing(id, state))).rowcount:
                await answer_chatwoot(connection, id)

    # Events

    async def append(self, run_id: str, event: Event) -> Event:
        """Store `event` as the run's next; committed when this returns. Raises RunNotFound."""
        return (await self.append_all(run_id, event))[0]

    async def append_all(
        self, run_id: str, *more: Event, state: RunState | None = None, after: int | None = None
    ) -> tuple[Event, ...]:
        """Store events as the run's next, together; `state` ends it with them. Committed when this returns.

        `after`: the seq before them, so that the same may be tried again when nobody knows whether it was
        stored. Raises RunNotFound, LeaseLost.
        """
        try:
            async with self._database.writing(quick=True) as connection:
                mine = self.leases is None or await self.leases.hold(connection, run_id, ended=bool(after))
                last: int = (await connection.execute(_NEWEST, {"of": run_id})).scalar_one()
                known = after is not None and last == after + len(more)
                if known and after is not None:
                    last = after
                elif not mine:
                    raise lost()
                else:
                    await self._insert(connection, run_id, last, more, state)
        except IntegrityError as error:
            raise _no_run(run_id) from error
        return tuple(event.at(run_id, last + at) for at, event in enumerate(more, 1))

    async def _insert(
        self,
        connection: AsyncConnection,
        run_id: str,
        last: int,
        more: Sequence[Event],
        state: RunState | None,
    ) -> None:
        rows = [_event_values(run_id, last + at, event) for at, event in enumerate(more, 1)]
        await connection.execute(_ADD, rows)
        for event in more:
            if event.type == "handoff":
                conversation = select(runs.c.conversation).where(runs.c.id == run_id)
                found: str = (await connection.execute(conversation)).scalar_one()
                reason = str(event.data.get("reason", ""))
                await open_handover(connection, found, run=run_id, reason=reason)
        if state is not None:
            await connection.execute(_FINISH, _finishing(run_id, state))
            await answer_chatwoot(connection, run_id)

    async def events(self, run_id: str, after: int = 0) -> tuple[Event, ...]:
        """The run's events with a seq above `after`, in order."""
        async with self._database.reading(quick=True) as connection:
            return await self._read(connection, _EVENTS, {"of": run_id, "after": after})

    async def conversation_events(self, id: str) -> tuple[Event, ...]:
        """The events of a conversation, run by run: what `Conversation.fold` takes. Without replaced runs."""
        return await self._events(events_of(id))

    async def _events(self, query: Select[Any]) -> tuple[Event, ...]:
        async with self._database.reading() as connection:
            return await self._read(connection, query)

    @staticmethod
    async def _read(
        connection: AsyncConnection, query: Select[Any], values: Mapping[str, Any] | None = None
    ) -> tuple[Event, ...]:
        rows = (await connection.execute(query, values)).mappings().all()
        return tuple(
            Event(row["type"], row["data"], row["private"], run_id=row["run"], seq=row["seq"]) for row in rows
        )

    # Feedback and handovers

    async def add_feedback(
        self, run_id: str, identity: Identity, rating: Rating, *, reason: str = "", correction: str = ""
    ) -> Feedback:
        """One per run and visitor: a later one replaces it. `down` or a correction opens a review item."""
        await self.run(run_id, identity)
        return await self.opinions.give(run_id, identity.visitor, rating, reason, correction)

    async def feedback(self, run_id: str | None = None) -> tuple[Feedback, ...]:
        """Of one run, or all of it, oldest first."""
        return await self.opinions.of_run(run_id)

    async def handovers(self) -> tuple[Handover, ...]:
        """Open ones, oldest first."""
        return tuple(waiting for waiting, _ in await self.desk.waiting(None))

    # Keys

    async def add_key(self, name: str, *, site: str = "local") -> tuple[str, ApiKey]:
        """The secret, shown this once, and its record."""
        secret, made = new_key(), ApiKey(new_id(), site, name, now())
        async with self._database.writing() as connection:
            await ensure_site(connection, site)
            await connection.execute(insert(api_keys).values(**values_of(made), digest=key_digest(secret)))
        return secret, made

    async def find_key(self, secret: str) -> ApiKey | None:
        """The valid key with this secret. Looked up by hash, so that timing tells nothing of the secret."""
        keys = await self._keys(api_keys.c.digest == key_digest(secret), api_keys.c.revoked.is_(None))
        return keys[0] if keys else None

    async def keys(self) -> tuple[ApiKey, ...]:
        return await self._keys()

    async def revoke_key(self, id: str) -> bool:
        """False when there is no such valid key."""
        query = (
            update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked.is_(None)).values(revoked=now())
        )
        async with self._database.writing() as connection:
            return bool((await connection.execute(query)).rowcount)

    async def _keys(self, *conditions: Any) -> tuple[ApiKey, ...]:
        query = select(*columns_of(api_keys, ApiKey)).where(*conditions).order_by(api_keys.c.created)
        async with self._database.reading() as connection:
            return tuple(ApiKey(**row) for row in (await connection.execute(query)).mappings())


def _lock(file: Path | None) -> StateLock | None:
    if file is None:
        return None
    lock = StateLock(file.with_name(file.name + ".lock"))
    lock.acquire()
    return lock


def _no_run(id: str) -> RunNotFound:
    return RunNotFound(f"no run {id}", remedy="run ids come from POST /v1/conversations/{id}/messages")


def _finishing(run_id: str, state: RunState) -> dict[str, Any]:
    return {"of": run_id, "state": state, "finished": now(), "lease_until": None}


def _event_values(run_id: str, seq: Any, event: Event) -> dict[str, Any]:
    return {
        "run": run_id,
        "seq": seq,
        "type": event.type,
        "data": dict(event.data),
        "private": dict(event.private),
        "created": now(),
    }


def _run(row: Mapping[str, Any] | RowMapping, *, fresh: bool = False) -> Run:
    names = ("id", "conversation", "client_id", "state", "number", "created", "finished")
    return Run(**{name: row[name] for name in names}, fresh=fresh)


async def _insert_conversation(
    connection: AsyncConnection,
    identity: Identity,
    channel: Channel,
    client_id: str | None = None,
    prechat: Mapping[str, Any] | None = None,
) -> ConversationRecord:
    made = ConversationRecord(
        new_id(), identity.site, identity.visitor, identity.customer, channel, now(), prechat
    )
    await connection.execute(insert(conversations).values(**values_of(made), client_id=client_id))
    return made


async def _refuse_second_run(connection: AsyncConnection, conversation: str) -> None:
    running = await one(connection, _RUNNING, {"of": conversation})
    if running is not None:
        raise RunConflict(
            f"run {running['id']} is still under way in this conversation",
            remedy=f"wait until it is done and retry, or stop it: DELETE /v1/runs/{running['id']}",
        )
