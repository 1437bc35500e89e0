"""The conversations of all sites as people look through them: the latest first, with search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import ConversationNotFound
from senmon.store.database import Database
from senmon.store.records import ConversationRecord, Handover
from senmon.store.rows import columns_of, one
from senmon.store.tables import (
    conversation_events,
    conversation_ratings,
    conversations,
    events,
    feedback,
    handovers,
    runs,
)

Outcome = Literal["waiting", "joined", "handed over", "thumbs down", "rated low", "failed", "unanswered"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
#: A rating of 1 to 5 that tells of trouble.
LOW = 2
_CHARS = 200


@dataclass(frozen=True, slots=True)
class Search:
    """What must hold of a conversation; empty: anything. `pack` `-`: a message that no pack answered.
    `calm`: nobody waits for a person in it."""

    text: str = ""
    pack: str = ""
    site: str = ""
    outcome: Outcome | None = None
    calm: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation in the list. `last` was said last, by `speaker` (visitor, bot or agent)."""

    conversation: ConversationRecord
    active: datetime
    last: str = ""
    speaker: str = "visitor"
    turns: int = 0
    packs: tuple[str, ...] = ()
    handover: Handover | None = None
    down: int = 0
    failed: bool = False
    score: int | None = None
    _said: datetime | None = field(default=None, repr=False)


class Inbox:
    """For the people of the console: every site's conversations are seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, search: Search, *, before: datetime | None = None, most: int = 40
    ) -> tuple[Summary, ...]:
        """Those in which something was said, the latest activity first, older than `before`."""
        query = _listed(search, before).limit(most)
        async with self._database.reading() as connection:
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
            return await _summaries(connection, rows)

    async def conversation(self, id: str) -> ConversationRecord:
        """Raises ConversationNotFound."""
        query = select(*columns_of(conversations, ConversationRecord)).where(conversations.c.id == id)
        async with self._database.reading() as connection:
            row = await one(connection, query)
        if row is None:
            raise ConversationNotFound("there is no such conversation", remedy="it may be erased already")
        return ConversationRecord(**row)

    async def handover(self, conversation: str) -> Handover | None:
        """The newest one of a conversation."""
        async with self._database.reading() as connection:
            return (await _handovers(connection, [conversation])).get(conversation)

    async def waiting(self) -> int:
        """How many wait for a person."""
        query = select(func.count()).select_from(handovers).where(handovers.c.state == "open")
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def sites(self) -> tuple[str, ...]:
        """The sites that have conversations."""
        query = select(conversations.c.site).distinct().order_by(conversations.c.site)
        async with self._database.reading() as connection:
            return tuple((await connection.execute(query)).scalars())


def _listed(search: Search, before: datetime | None) -> Select[Any]:
    """Conversations with the moment `active` in which something was said last."""
    said = union_all(
        select(runs.c.conversation, runs.c.created),
        select(conversation_events.c.conversation, conversation_events.c.created).where(
            conversation_events.c.type.in_(("message", "handover"))
        ),
    ).subquery()
    active = (
        select(said.c.conversation, func.max(said.c.created).label("active"))
        .group_by(said.c.conversation)
        .subquery()
    )
    query = select(*columns_of(conversations, ConversationRecord), active.c.active).join(
        active, active.c.conversation == conversations.c.id
    )
    query = query.where(*_conditions(search)).order_by(active.c.active.desc(), conversations.c.id.desc())
    return query if before is None else query.where(active.c.active < before)


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    found = []
    if search.site:
        found.append(conversations.c.site == search.site)
    if search.pack:
        named = events.c.data["pack"].as_string()
        found.append(_routed(named.is_(None) if search.pack == "-" else named == search.pack))
    if search.outcome is not None:
        found.append(_outcome(search.outcome))
    if search.calm:
        found.append(~_outcome("waiting"))
    if search.text.strip():
        found.append(_says(search.text.strip()[:_CHARS]))
    return found


def _routed(which: ColumnElement[bool]) -> ColumnElement[bool]:
    return _in_run(events.c.type == "route", which)


def _in_run(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether one of the conversation's standing runs has such an event."""
    mine = runs.c.conversation == conversations.c.id, runs.c.replaced.is_(None)
    query = select(events.c.run).join(runs, runs.c.id == events.c.run)
    return query.where(*mine, *which).correlate(conversations).exists()


def _outcome(outcome: Outcome) -> ColumnElement[bool]:
    handed = handovers.c.conversation == conversations.c.id
    rated = conversation_ratings.c.conversation == conversations.c.id
    down = select(feedback.c.run).join(runs, runs.c.id == feedback.c.run)
    down = down.where(runs.c.conversation == conversations.c.id, feedback.c.rating == "down")
    found: dict[Outcome, ColumnElement[bool]] = {
        "waiting": exists().where(handed, handovers.c.state == "open"),
        "joined": exists().where(handed, handovers.c.state == "joined"),
        "handed over": exists().where(handed),
        "thumbs down": down.correlate(conversations).exists(),
        "rated low": exists().where(rated, conversation_ratings.c.score <= LOW),
        "failed": exists().where(runs.c.conversation == conversations.c.id, runs.c.state == "failed"),
        "unanswered": _routed(events.c.data["pack"].as_string().is_(None)),
    }
    return found[outcome]


def _says(text: str) -> ColumnElement[bool]:
    """What the visitor asked, what was answered, and what a person and the visitor told each other."""
    asked = and_(
        events.c.type == "run",
        events.c.private[("messages", 0, "content")].as_string().icontains(text, autoescape=True),
    )
    told = events.c.data["text"].as_string().icontains(text, autoescape=True)
    answered = and_(events.c.type.in_(("delta", "done")), told)
    words = conversation_events.c.data["text"].as_string().icontains(text, autoescape=True)
    person = exists().where(conversation_events.c.conversation == conversations.c.id, words)
    ids = or_(conversations.c.customer == text, conversations.c.id == text, conversations.c.visitor == text)
    return or_(_in_run(or_(asked, answered)), person, ids)


async def _summaries(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> tuple[Summary, ...]:
    ids = [row["id"] for row in rows]
    told = await _told(connection, ids)
    handed, scores = await _handovers(connection, ids), await _scores(connection, ids)
    down = await _thumbs(connection, ids)
    return tuple(
        Summary(
            ConversationRecord(**{name: row[name] for name in ConversationRecord.__dataclass_fields__}),
            row["active"],
            handover=handed.get(row["id"]),
            down=down.get(row["id"], 0),
            score=scores.get(row["id"]),
            **told[row["id"]],
        )
        for row in rows
    )


async def _told(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Turns, packs, failures and the last words of each."""
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"turns": 0, "packs": ()})
    standing = runs.c.conversation.in_(ids), runs.c.replaced.is_(None)
    last: dict[str, str] = {}
    listed = select(runs.c.id, runs.c.conversation, runs.c.state, runs.c.created).where(*standing)
    for row in await connection.execute(listed.order_by(runs.c.number)):
        each = found[row.conversation]
        each["turns"] += 1
        each["failed"] = each.get("failed", False) or row.state == "failed"
        each["_said"] = row.created
        last[row.conversation] = row.id
    routes = select(runs.c.conversation, events.c.data).join(runs, runs.c.id == events.c.run)
    for routed in await connection.execute(routes.where(*standing, events.c.type == "route")):
        pack = routed.data.get("pack")
        if isinstance(pack, str) and pack not in found[routed.conversation]["packs"]:
            found[routed.conversation]["packs"] += (pack,)
    await _last_words(connection, last, found)
    await _persons_words(connection, ids, found)
    return found


async def _last_words(
    connection: AsyncConnection, last: Mapping[str, str], found: dict[str, dict[str, Any]]
) -> None:
    of = {run: conversation for conversation, run in last.items()}
    query = select(events.c.run, events.c.type, events.c.data, events.c.private).where(
        events.c.run.in_(of), events.c.type.in_(("run", "delta"))
    )
    answers: dict[str, str] = defaultdict(str)
    for row in await connection.execute(query.order_by(events.c.run, events.c.seq)):
        if row.type == "delta":
            answers[row.run] += str(row.data.get("text", ""))
        elif row.private.get("messages"):
            found[of[row.run]]["last"] = str(row.private["messages"][-1].get("content", ""))[:_CHARS]
    for run, text in answers.items():
        if text.strip():
            found[of[run]].update(last=text.strip()[:_CHARS], speaker="bot")


async def _persons_words(
    connection: AsyncConnection, ids: Sequence[str], found: dict[str, dict[str, Any]]
) -> None:
    """What a person or the visitor said to the other after the last run."""
    said = conversation_events.c.conversation.in_(ids), conversation_events.c.type == "message"
    query = select(
        conversation_events.c.conversation, conversation_events.c.data, conversation_events.c.created
    ).where(*said)
    for row in await connection.execute(query.order_by(conversation_events.c.seq)):
        each = found[row.conversation]
        if each.get("_said") is None or row.created >= each["_said"]:
            author = row.data.get("author") or {}
            each.update(last=str(row.data.get("text", ""))[:_CHARS], speaker=author.get("kind", "visitor"))


async def _handovers(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Handover]:
    """The newest of each conversation."""
    query = select(*columns_of(handovers, Handover)).where(handovers.c.conversation.in_(ids))
    rows = (await connection.execute(query.order_by(handovers.c.created, handovers.c.id))).mappings()
    return {row["conversation"]: Handover(**row) for row in rows}


async def _scores(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, int]:
    query = select(conversation_ratings.c.conversation, conversation_ratings.c.score)
    found = await connection.execute(query.where(conversation_ratings.c.conversation.in_(ids)))
    return {row.conversation: row.score for row in found}


async def _thumbs(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, int]:
    """How many thumbs down."""
    query = select(runs.c.conversation, func.count()).join(feedback, feedback.c.run == runs.c.id)
    query = query.where(runs.c.conversation.in_(ids), feedback.c.rating == "down")
    rows = await connection.execute(query.group_by(runs.c.conversation))
    return {row[0]: row[1] for row in rows}
