"""Who answers a run: its owner renews a lease; one whose lease is over is anybody's, from what is stored.

Leases lie beside the events, so that whoever lost one can't store another event: the same transaction checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import LeaseLost
from senmon.store.database import Database
from senmon.store.rows import now
from senmon.store.tables import runs

_OWNER = select(runs.c.owner).where(runs.c.id == bindparam("of"), runs.c.state == "running").with_for_update()


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
            told: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        self._ahead = told - now()

    def until(self) -> datetime:
        """When a lease that begins now is over."""
        return now() + self._ahead + timedelta(seconds=self.seconds)

    async def renew(self) -> frozenset[str]:
        """The runs that are still this owner's."""
        mine = update(runs).where(runs.c.owner == self.owner, runs.c.state == "running")
        async with self._database.writing() as connection:
            found = await connection.execute(mine.values(lease_until=self.until()).returning(runs.c.id))
            return frozenset(found.scalars().all())

    async def claim(self, most: int) -> tuple[Mapping[str, Any], ...]:
        """Runs whose owner fell silent, this owner's from now on: `id` and `conversation`, oldest first."""
        over = select(runs.c.id).where(runs.c.state == "running", runs.c.lease_until < now() + self._ahead)
        free = over.order_by(runs.c.lease_until).limit(most).with_for_update(skip_locked=True)
        taking = update(runs).where(runs.c.id.in_(free)).values(owner=self.owner, lease_until=self.until())
        async with self._database.writing() as connection:
            rows = await connection.execute(taking.returning(runs.c.id, runs.c.conversation))
            return tuple(dict(row) for row in rows.mappings())

    async def release(self) -> None:
        """This owner goes: its runs are anybody's at once."""
        mine = update(runs).where(runs.c.owner == self.owner, runs.c.state == "running")
        async with self._database.writing() as connection:
            await connection.execute(mine.values(lease_until=now() + self._ahead - timedelta(seconds=1)))

    async def hold(self, connection: AsyncConnection, run_id: str) -> None:
        """Inside the caller's transaction. Raises LeaseLost unless the run is under way and this owner's."""
        if (await connection.execute(_OWNER, {"of": run_id})).scalar() != self.owner:
            raise LeaseLost("another server answers this run now", remedy="follow the run: it goes on there")
