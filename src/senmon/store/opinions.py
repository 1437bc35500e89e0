"""What visitors think: thumbs for a reply, one rating for a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import AlreadyRated
from senmon.store.database import Database
from senmon.store.journal import record
from senmon.store.records import Feedback, Rating
from senmon.store.rows import new_id, now, one, values_of
from senmon.store.tables import conversation_ratings, feedback, review_items, runs
from senmon.store.webhooks import announce


class Opinions:
    """Whose run or conversation it is, the caller has checked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def give(self, run: str, visitor: str, rating: Rating, reason: str, correction: str) -> Feedback:
        """One per run and visitor: a later one replaces it. `down` or a correction opens a review item."""
        made = Feedback(new_id(), run, visitor, rating, reason, correction, now())
        mine = and_(feedback.c.run == run, feedback.c.visitor == visitor)
        async with self._database.writing() as connection:
            known = await one(connection, select(feedback).where(mine))
            values = values_of(made)
            if known is None:
                await connection.execute(insert(feedback).values(values))
            else:
                values["id"] = known["id"]
                await connection.execute(update(feedback).where(mine).values(values))
            await _review(connection, values, wanted=rating == "down" or bool(correction))
            spoken = select(runs.c.conversation).where(runs.c.id == run)
            told = {"run_id": run, "rating": rating, "corrected": bool(correction)}
            conversation = str((await connection.execute(spoken)).scalar_one())
            await announce(connection, "feedback.given", told, conversation=conversation)
        return Feedback(**values)

    async def of_run(self, run: str | None) -> tuple[Feedback, ...]:
        """Oldest first; of all runs without one."""
        query = select(feedback).order_by(feedback.c.created)
        if run is not None:
            query = query.where(feedback.c.run == run)
        async with self._database.reading() as connection:
            return tuple(Feedback(**row) for row in (await connection.execute(query)).mappings())

    async def rate(self, conversation: str, score: int, comment: str) -> None:
        """Once. Raises AlreadyRated."""
        values = {"conversation": conversation, "score": score, "comment": comment, "created": now()}
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(conversation_ratings).values(values))
                await record(connection, conversation, "rated", {"score": score})
        except IntegrityError as error:
            raise AlreadyRated(
                "this conversation is rated", remedy="a conversation is rated once; thank you"
            ) from error


async def thumbs(connection: AsyncConnection, conversation: str, visitor: str) -> dict[str, Rating]:
    """This visitor's, by run."""
    query = (
        select(feedback.c.run, feedback.c.rating)
        .join(runs, runs.c.id == feedback.c.run)
        .where(runs.c.conversation == conversation, feedback.c.visitor == visitor)
    )
    return {row.run: row.rating for row in await connection.execute(query)}


async def _review(connection: AsyncConnection, given: Mapping[str, Any], *, wanted: bool) -> None:
    """An undecided item follows its feedback: opened when wanted, withdrawn when no longer."""
    item = await one(connection, select(review_items).where(review_items.c.feedback == given["id"]))
    if item is None and wanted:
        values = {"id": new_id(), "run": given["run"], "feedback": given["id"], "state": "open", "note": ""}
        await connection.execute(insert(review_items).values(**values, created=now()))
    elif item is not None and item["state"] in ("open", "withdrawn"):
        state = "open" if wanted else "withdrawn"
        await connection.execute(
            update(review_items).where(review_items.c.id == item["id"]).values(state=state)
        )
