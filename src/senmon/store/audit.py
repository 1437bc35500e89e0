"""What people changed: who, what, when. Entries are added and read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.store.database import Database
from senmon.store.rows import columns_of, now
from senmon.store.tables import audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`who` and `role` as they were then; `subject` is what was changed; `data` holds no visitor's words."""

    id: int
    created: datetime
    who: str
    role: str
    what: str
    subject: str
    data: Mapping[str, Any]


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, who: str, role: str, what: str, subject: str = "", data: Mapping[str, Any] | None = None
    ) -> None:
        async with self._database.writing() as connection:
            await note(connection, who, role, what, subject, data)

    async def entries(
        self, *, before: int | None = None, who: str = "", what: str = "", most: int = 100
    ) -> tuple[AuditEntry, ...]:
        """The newest first, those with an id below `before`."""
        query = select(*columns_of(audit, AuditEntry)).order_by(audit.c.id.desc()).limit(most)
        if before is not None:
            query = query.where(audit.c.id < before)
        if who:
            query = query.where(audit.c.who == who)
        if what:
            query = query.where(audit.c.what == what)
        async with self._database.reading() as connection:
            return tuple(AuditEntry(**row) for row in (await connection.execute(query)).mappings())


async def note(
    connection: AsyncConnection,
    who: str,
    role: str,
    what: str,
    subject: str = "",
    data: Mapping[str, Any] | None = None,
) -> None:
    """An entry inside the caller's transaction."""
    told = {"who": who[:100], "role": role, "what": what, "subject": subject[:200]}
    await connection.execute(insert(audit).values(**told, data=dict(data or {}), created=now()))
