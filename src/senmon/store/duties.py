"""What one server does for all that share a database: whoever claims a duty has it, and nobody else."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from senmon.store.database import Database
from senmon.store.rows import insert_if_missing, moment
from senmon.store.tables import duties


class Duties:
    """Claimed before, kept until done: who dies meanwhile loses it when its claim is over."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    async def claim(self, name: str, claim: timedelta) -> bool:
        """Whether the duty is due and this caller's: for `claim`, until it is `done`."""
        async with self._database.reading() as connection:  # most looks find nothing: no writer waits
            at = await moment(connection)
            due = (await connection.execute(select(duties.c.due).where(duties.c.name == name))).scalar()
        if due is not None and due > at:
            return False
        async with self._database.writing() as connection:
            at = await moment(connection)
            await insert_if_missing(connection, duties, {"name": name}, owner=self._owner, due=at)
            free = update(duties).where(duties.c.name == name, duties.c.due <= at)
            return bool((await connection.execute(free.values(owner=self._owner, due=at + claim))).rowcount)

    async def done(self, name: str, again: timedelta) -> None:
        """It is due `again`, whoever does it then. Nothing when somebody else took it meanwhile."""
        async with self._database.writing() as connection:
            mine = update(duties).where(duties.c.name == name, duties.c.owner == self._owner)
            await connection.execute(mine.values(due=await moment(connection) + again))
