"""The people who work in the console: accounts, sessions, and links that are good once.

Passwords come here as hashes, tokens leave no trace but their sha256.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import ConfigError, Forbidden, StaffNotFound
from senmon.store.database import Database
from senmon.store.keys import key_digest
from senmon.store.rows import columns_of, new_id, now, one, values_of
from senmon.store.tables import staff, staff_links, staff_sessions

Role = Literal["owner", "reviewer", "agent", "teacher"]
ROLES: tuple[Role, ...] = get_args(Role)
SESSION = timedelta(hours=12)
IDLE = timedelta(hours=4)
LINK = timedelta(hours=24)
#: How exactly it is known when a session was used last.
_SEEN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Staff:
    """`name` signs in, `display` is what visitors see. `password` is a hash, None: none was chosen yet."""

    id: str
    name: str
    display: str
    role: Role
    created: datetime
    password: str | None = None
    disabled: datetime | None = None


_STAFF = select(*columns_of(staff, Staff))


class StaffAccounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Staff, ...]:
        """The oldest first."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(_STAFF.order_by(staff.c.created, staff.c.id))).mappings()
            return tuple(Staff(**row) for row in rows)

    async def find(self, name: str) -> Staff | None:
        async with self._database.reading() as connection:
            row = await one(connection, _STAFF.where(staff.c.name == name.lower()))
        return Staff(**row) if row else None

    async def get(self, name: str) -> Staff:
        """Raises StaffNotFound."""
        found = await self.find(name)
        if found is None:
            raise StaffNotFound("nobody has this name", remedy="`senmon staff` lists the accounts")
        return found

    async def any(self) -> bool:
        async with self._database.reading() as connection:
            return await _count(connection) > 0

    async def add(
        self, name: str, display: str, role: Role, password: str | None = None, *, first: bool = False
    ) -> Staff:
        """Raises ConfigError when a name is taken; Forbidden with `first`, unless nobody is there yet."""
        made = Staff(new_id(), name.lower(), display, role, now(), password)
        try:
            async with self._database.writing() as connection:
                if first and await _count(connection):
                    raise Forbidden("there is an owner already", remedy="ask an owner for a link")
                await connection.execute(insert(staff).values(values_of(made)))
        except IntegrityError as error:
            raise ConfigError(
                "somebody has this name already", remedy="choose another; each shown name is there once"
            ) from error
        return made

    async def change(self, name: str, **values: Any) -> Staff:
        """Role, display, password (a hash) or `disabled`. Whoever is disabled, or has a new password, is
        signed out everywhere. Raises StaffNotFound; Forbidden when no owner would be left."""
        found = await self.get(name)
        try:
            async with self._database.writing() as connection:
                await connection.execute(update(staff).where(staff.c.id == found.id).values(values))
                left = await _count(connection, staff.c.role == "owner", staff.c.disabled.is_(None))
                if not left and found.role == "owner" and not found.disabled:
                    raise Forbidden("somebody must be the owner", remedy="make somebody else owner first")
                if values.get("disabled") or "password" in values:
                    await connection.execute(delete(staff_sessions).where(staff_sessions.c.staff == found.id))
                    await connection.execute(delete(staff_links).where(staff_links.c.staff == found.id))
        except IntegrityError as error:
            raise ConfigError("somebody has this name already", remedy="choose another") from error
        return await self.get(name)

    # Sessions

    async def open_session(self, id: str) -> str:
        """A new session's token, shown this once. Old sessions of anybody are forgotten meanwhile."""
        token, moment = secrets.token_urlsafe(32), now()
        values = {"digest": key_digest(token), "staff": id, "created": moment, "seen": moment}
        async with self._database.writing() as connection:
            await connection.execute(delete(staff_sessions).where(staff_sessions.c.expires <= moment))
            await connection.execute(insert(staff_sessions).values(**values, expires=moment + SESSION))
        return token

    async def session(self, token: str) -> Staff | None:
        """Whose session it is, if it is good and its owner may come in."""
        digest, moment = key_digest(token), now()
        query = (
            select(*columns_of(staff, Staff), staff_sessions.c.seen)
            .join(staff_sessions, staff_sessions.c.staff == staff.c.id)
            .where(
                staff_sessions.c.digest == digest,
                staff_sessions.c.expires > moment,
                staff_sessions.c.seen > moment - IDLE,
                staff.c.disabled.is_(None),
            )
        )
        async with self._database.reading() as connection:
            row = await one(connection, query)
        if row is None:
            return None
        seen = row.pop("seen")
        if moment - seen > _SEEN:
            mine = update(staff_sessions).where(staff_sessions.c.digest == digest)
            async with self._database.writing() as connection:
                await connection.execute(mine.values(seen=moment))
        return Staff(**row)

    async def end_session(self, token: str) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                delete(staff_sessions).where(staff_sessions.c.digest == key_digest(token))
            )

    # Links

    async def make_link(self, id: str | None) -> str:
        """The token of a new link: to choose a password, or (None) to become the first owner. The ones
        before it are worth nothing any more."""
        token, moment = secrets.token_urlsafe(32), now()
        values = {"digest": key_digest(token), "staff": id, "created": moment, "expires": moment + LINK}
        async with self._database.writing() as connection:
            await connection.execute(delete(staff_links).where(staff_links.c.staff.is_not_distinct_from(id)))
            await connection.execute(insert(staff_links).values(values))
        return token

    async def link(self, token: str) -> tuple[bool, Staff | None]:
        """Whether it is good, and whose it is (None: the first owner's)."""
        async with self._database.reading() as connection:
            row = await _link(connection, token)
            if row is None:
                return False, None
            if row["staff"] is None:
                return not await _count(connection), None
            found = await one(connection, _STAFF.where(staff.c.id == row["staff"]))
        return found is not None and found["disabled"] is None, Staff(**found) if found else None

    async def use_link(self, token: str) -> bool:
        """Takes the link out; False when it was not good any more."""
        async with self._database.writing() as connection:
            good = await _link(connection, token) is not None
            await connection.execute(delete(staff_links).where(staff_links.c.digest == key_digest(token)))
        return good


async def _count(connection: AsyncConnection, *which: Any) -> int:
    return int((await connection.execute(select(func.count()).select_from(staff).where(*which))).scalar_one())


async def _link(connection: AsyncConnection, token: str) -> Mapping[str, Any] | None:
    good = staff_links.c.digest == key_digest(token), staff_links.c.expires > now()
    return await one(connection, select(staff_links.c.staff).where(*good))
