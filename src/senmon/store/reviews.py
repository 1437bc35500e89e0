"""What people decided about exchanges, and the exchanges that wait for a decision."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import RunNotFound
from senmon.store.database import Database
from senmon.store.exchanges import Exchange, Review, ReviewKind, gathered
from senmon.store.records import ConversationRecord, Feedback
from senmon.store.rows import columns_of, now, one
from senmon.store.tables import conversations, events, feedback, handovers, review_items, reviews, runs

#: Runs that are read at once.
PAGE = 200
_TYPES = ("run", "route", "verdict", "handoff", "error", "done")
_HANDLE = re.compile(r"^[0-9a-f]{6,32}$")
_REMEDY = "`senmon inbox` lists the exchanges with their ids"


def handle(run: str) -> str:
    """A run's id in hex digits: it never begins with a dash, and its beginning can be typed."""
    try:
        return base64.urlsafe_b64decode(run + "=" * (-len(run) % 4)).hex()
    except (ValueError, binascii.Error):
        return run


class Reviews:
    """For the operator: every site's exchanges are seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def exchanges(
        self, *, since: datetime | None = None, undecided: bool = False, most: int | None = None
    ) -> AsyncIterator[Exchange]:
        """Finished exchanges, the newest first, in pages. Replaced ones and those under way are left out."""
        after: tuple[datetime, str] | None = None
        given = 0
        while most is None or given < most:
            query = _standing().order_by(runs.c.created.desc(), runs.c.id.desc()).limit(PAGE)
            if since is not None:
                query = query.where(runs.c.created >= since)
            if undecided:
                query = query.where(~select(reviews.c.run).where(reviews.c.run == runs.c.id).exists())
            if after is not None:
                older = runs.c.created < after[0]
                query = query.where(older | ((runs.c.created == after[0]) & (runs.c.id < after[1])))
            page = await self._page(query)
            for each in page if most is None else page[: most - given]:
                given += 1
                yield each
            if len(page) < PAGE:
                return
            after = page[-1].created, page[-1].run

    async def exchange(self, id: str) -> Exchange:
        """By the id of its run, its `handle`, or the handle's beginning (6 digits or more). RunNotFound."""
        async with self._database.reading() as connection:
            found = await _ids_like(connection, id)
        if len(found) != 1:
            why = (
                f"{len(found)} exchanges have ids that begin"
                if found
                else "no exchange has an id that begins"
            )
            raise RunNotFound(f"{why} with {id[:64]!r}", remedy=_REMEDY)
        page = await self._page(_standing(finished=False).where(runs.c.id == found[0]))
        if not page:
            raise RunNotFound(f"{id[:64]!r} was sent again otherwise: it is not part of what was said")
        return page[0]

    async def of_conversation(self, conversation: str) -> tuple[Exchange, ...]:
        """In the order in which they were had."""
        query = _standing(finished=False).where(runs.c.conversation == conversation)
        return tuple(await self._page(query.order_by(runs.c.number)))

    async def owner(self, conversation: str) -> ConversationRecord:
        """Whose conversation it is: what must not be learnt of it. RunNotFound."""
        query = select(*columns_of(conversations, ConversationRecord))
        async with self._database.reading() as connection:
            row = await one(connection, query.where(conversations.c.id == conversation))
        if row is None:
            raise RunNotFound("there is no such conversation", remedy="it may be erased already")
        return ConversationRecord(**row)

    async def decide(
        self,
        run: str,
        kind: ReviewKind,
        *,
        pack: str | None,
        data: Mapping[str, Any],
        reviewer: str,
        note: str = "",
    ) -> tuple[Review, bool]:
        """Keep a decision; whether it is new. The same again changes nothing, another one replaces it."""
        made = Review(run, kind, pack, dict(data), reviewer, note, now())
        async with self._database.writing() as connection:
            known = await one(connection, select(reviews).where(reviews.c.run == run))
            if known is not None and all(
                known[name] == getattr(made, name) for name in ("kind", "pack", "data", "note")
            ):
                return Review(**known), False
            values = {name: getattr(made, name) for name in Review.__dataclass_fields__}
            await connection.execute(delete(reviews).where(reviews.c.run == run))
            await connection.execute(insert(reviews).values(values))
            await _close_items(connection, run, "decided")
        return made, True

    async def undo(self, run: str) -> Review | None:
        """Take a decision back; what it was. The exchange waits again."""
        async with self._database.writing() as connection:
            known = await one(connection, select(reviews).where(reviews.c.run == run))
            await connection.execute(delete(reviews).where(reviews.c.run == run))
            await _close_items(connection, run, "open")
        return Review(**known) if known else None

    async def decided(
        self, *, pack: str | None = None, kinds: Sequence[ReviewKind] = ()
    ) -> tuple[Review, ...]:
        """The oldest first; of one pack, of some kinds."""
        query = select(reviews).order_by(reviews.c.created, reviews.c.run)
        if pack is not None:
            query = query.where(reviews.c.pack == pack)
        if kinds:
            query = query.where(reviews.c.kind.in_(kinds))
        async with self._database.reading() as connection:
            return tuple(Review(**row) for row in (await connection.execute(query)).mappings())

    async def mark_used(self, decisions: Iterable[Review], by: str) -> None:
        """Note which improvement took them. A decision that was replaced meanwhile is left alone."""
        async with self._database.writing() as connection:
            for each in decisions:
                mine = reviews.c.run == each.run, reviews.c.created == each.created
                await connection.execute(update(reviews).where(*mine).values(used_by=by, used=now()))

    async def _page(self, query: Select[Any]) -> list[Exchange]:
        async with self._database.reading() as connection:
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
            found: list[Exchange] = []
            for start in range(0, len(rows), PAGE):
                found += await _gather(connection, rows[start : start + PAGE])
        return found


def _standing(*, finished: bool = True) -> Select[Any]:
    """Runs that are part of what was said, with site and channel."""
    query = (
        select(runs, conversations.c.site, conversations.c.channel)
        .join(conversations, conversations.c.id == runs.c.conversation)
        .where(runs.c.replaced.is_(None))
    )
    return query.where(runs.c.state.in_(("done", "failed"))) if finished else query


async def _gather(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> list[Exchange]:
    ids = [row["id"] for row in rows]
    told: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    query = select(events.c.run, events.c.type, events.c.data, events.c.private)
    query = query.where(events.c.run.in_(ids), events.c.type.in_(_TYPES)).order_by(events.c.run, events.c.seq)
    for row in (await connection.execute(query)).mappings():
        told[row["run"]].append(dict(row))
    opinions: dict[str, list[Feedback]] = defaultdict(list)
    asked = select(feedback).where(feedback.c.run.in_(ids)).order_by(feedback.c.created)
    for row in (await connection.execute(asked)).mappings():
        opinions[row["run"]].append(Feedback(**row))
    waits = select(handovers.c.run, handovers.c.reason).where(handovers.c.run.in_(ids))
    handed = {row.run: row.reason for row in await connection.execute(waits)}
    judged = select(reviews).where(reviews.c.run.in_(ids))
    known = {row["run"]: Review(**row) for row in (await connection.execute(judged)).mappings()}
    return [
        gathered(row, told[row["id"]], opinions[row["id"]], handed.get(row["id"]), known.get(row["id"]))
        for row in rows
    ]


async def _ids_like(connection: AsyncConnection, id: str) -> list[str]:
    exact = await one(connection, select(runs.c.id).where(runs.c.id == id))
    if exact is not None:
        return [id]
    wanted = id.strip().lower()
    if not _HANDLE.match(wanted):
        return []
    # Six hex digits are four letters of the id; the letters' case is judged below.
    letters = base64.urlsafe_b64encode(bytes.fromhex(wanted[:6])).decode()
    query = select(runs.c.id).where(runs.c.id.startswith(letters, autoescape=True))
    found = (await connection.execute(query)).scalars().all()
    return [run for run in found if handle(run).startswith(wanted)]


async def _close_items(connection: AsyncConnection, run: str, state: str) -> None:
    """The items that feedback opened follow the decision."""
    query = update(review_items).where(review_items.c.run == run, review_items.c.state != "withdrawn")
    await connection.execute(query.values(state=state, decided=now() if state == "decided" else None))
