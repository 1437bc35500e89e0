"""Who answers a run: its owner renews a lease; one whose lease is over is anybody's, from what is stored.

Leases lie beside the events, so that whoever lost one can't store another event: the same transaction checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import LeaseLost
from senmon.store.database import Database
from senmon.store.rows import moment, now
from senmon.store.tables import runs

_OWNER = select(runs.c.owner, runs.c.state).where(runs.c.id == bindparam("of")).with_for_update()


class Leases:
    """`seconds` is how long a silent owner keeps its runs. Times are the database's: hosts' clocks differ."""

    def __init__(self, database: Database, owner: str, seconds: float) -> None:
        self._database = database
        self.owner = owner
        self.seconds = seconds
        self._ahead = timedelta()

    async def set_clock(self) -> None:
        """How far the database's clock is ahead of this one."""
        async with self._database.reading() as connection:
            await self._look_at_clock(connection)

    async def _look_at_clock(self, connection: AsyncConnection) -> datetime:
        told = await moment(connection)
        self._ahead = told - now()
        return told

    def until(self) -> datetime:
        """When a lease that begins now is over."""
        return now() + self._ahead + timedelta(seconds=self.seconds)

    async def renew(self) -> frozenset[str]:
        """The runs that are still this owner's."""
        mine = update(runs).where(runs.c.owner == self.owner, runs.c.state == "running")
        async with self._database.writing() as connection:
            await self._look_at_clock(connection)  # clocks are set, and drift
            found = await connection.execute(mine.values(lease_until=self.until()).returning(runs.c.id))
            return frozenset(found.scalars().all())

    async def claim(self, most: int) -> tuple[Mapping[str, Any], ...]:
        """Runs whose owner fell silent, this owner's from now on: `id`, `conversation`, and how often they
        were `taken` so; oldest first."""
        async with self._database.writing() as connection:
            over = runs.c.state == "running", runs.c.lease_until < await self._look_at_clock(connection)
            free = select(runs.c.id).where(*over).order_by(runs.c.lease_until).limit(most)
            free = free.with_for_update(skip_locked=True)
            taking = update(runs).where(runs.c.id.in_(free))
            taking = taking.values(owner=self.owner, lease_until=self.until(), taken=runs.c.taken + 1)
            rows = await connection.execute(taking.returning(runs.c.id, runs.c.conversation, runs.c.taken))
            return tuple(dict(row) for row in rows.mappings())

    async def release(self) -> None:
        """This owner goes: its runs are anybody's at once. Handed over, they did not kill it."""
        mine = update(runs).where(runs.c.owner == self.owner, runs.c.state == "running")
        async with self._database.writing() as connection:
            over = await self._look_at_clock(connection) - timedelta(seconds=1)
            await connection.execute(mine.values(lease_until=over, taken=0))

    async def hold(self, connection: AsyncConnection, run_id: str, *, ended: bool = False) -> bool:
        """Inside the caller's transaction. Raises LeaseLost unless the run is this owner's and under way;
        `ended`: False, instead, when this owner has ended it."""
        row = (await connection.execute(_OWNER, {"of": run_id})).first()
        if row is None or row.owner != self.owner or not (ended or row.state == "running"):
            raise lost()
        return bool(row.state == "running")


def lost() -> LeaseLost:
    return LeaseLost("another server answers this run now", remedy="follow the run: it goes on there")
