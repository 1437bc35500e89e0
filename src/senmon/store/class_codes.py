"""Class codes: of each the keyed hash, the class and when it ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from senmon.store.database import Database
from senmon.store.rows import columns_of, insert_if_missing, values_of
from senmon.store.tables import class_codes


@dataclass(frozen=True, slots=True)
class ClassCode:
    """`klass` is the class's name."""

    klass: str
    digest: str
    created: datetime
    expires: datetime

    def good(self, now: datetime) -> bool:
        return self.expires > now


class ClassCodes:
    """Every server sees a change at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[ClassCode, ...]:
        """Oldest first."""
        query = select(*columns_of(class_codes, ClassCode)).order_by(class_codes.c.created)
        async with self._database.reading() as connection:
            return tuple(ClassCode(**row) for row in (await connection.execute(query)).mappings())

    async def add(self, codes: Iterable[ClassCode], *, most: int, now: datetime) -> None:
        """Those that have ended go meanwhile, and the oldest beyond `most`."""
        async with self._database.writing() as connection:
            for each in codes:
                values = values_of(each)
                await insert_if_missing(connection, class_codes, {"digest": values.pop("digest")}, **values)
            await connection.execute(delete(class_codes).where(class_codes.c.expires <= now))
            kept = select(class_codes.c.digest).order_by(class_codes.c.created.desc()).limit(most)
            await connection.execute(delete(class_codes).where(class_codes.c.digest.not_in(kept)))

    async def revoke(self, klass: str, now: datetime) -> int:
        """The number of codes of a class that are worth nothing any more."""
        good = class_codes.c.klass == klass, class_codes.c.expires > now
        async with self._database.writing() as connection:
            return int((await connection.execute(delete(class_codes).where(*good))).rowcount)
