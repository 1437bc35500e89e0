"""Refresh tokens: of each the sha256 only. One is good for one use; a second use revokes its family."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.errors import RefreshRefused
from senmon.store.database import Database
from senmon.store.rows import ensure_visitor, new_id, now, one
from senmon.store.tables import refresh_families, refresh_tokens

#: A token that nobody uses for so long is worth nothing.
IDLE = timedelta(days=30)
#: Whoever was away for so long, or comes back for so long, starts afresh.
FAMILY = timedelta(days=365)


class RefreshTokens:
    """A family begins with a visitor; each refresh replaces its token."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, site: str, visitor: str, digest: str) -> None:
        """The first token of a new family."""
        began = now()
        family = {
            "id": new_id(),
            "site": site,
            "visitor": visitor,
            "created": began,
            "expires": began + FAMILY,
        }
        async with self._database.writing() as connection:
            await ensure_visitor(connection, site, visitor)
            await connection.execute(insert(refresh_families).values(family))
            await _add(connection, str(family["id"]), digest, began + FAMILY)

    async def rotate(self, site: str, old: str, new: str) -> str:
        """Replace the token with digest `old` by one with digest `new`; whose it is.

        The same `old` with the same `new` may come again until `new` is used: the answer got lost. Any other
        second use revokes the family. Raises RefreshRefused.
        """
        async with self._database.writing() as connection:
            visitor = await _rotate(connection, site, old, new)
        if visitor is None:  # raised outside, so that a revocation stays
            raise RefreshRefused(
                "the refresh token is unknown, expired or was used before",
                remedy="forget it, and POST /v1/visitors without it",
            )
        return visitor


async def _rotate(connection: AsyncConnection, site: str, old: str, new: str) -> str | None:
    joined = refresh_tokens.join(refresh_families, refresh_families.c.id == refresh_tokens.c.family)
    query = (
        select(
            refresh_tokens,
            refresh_families.c.visitor,
            refresh_families.c.expires.label("until"),
        )
        .select_from(joined)
        .where(
            refresh_tokens.c.digest == old,
            refresh_families.c.site == site,
            refresh_families.c.revoked.is_(None),
        )
    )
    token = await one(connection, query)
    if token is None or min(token["expires"], token["until"]) <= now():
        return None
    # Claimed by the update itself, so that of two that come at once one is the second.
    claim = update(refresh_tokens).where(refresh_tokens.c.digest == old, refresh_tokens.c.used.is_(None))
    if (await connection.execute(claim.values(used=now()))).rowcount:
        await _add(connection, token["family"], new, token["until"])
        return str(token["visitor"])
    again = select(refresh_tokens.c.digest).where(
        refresh_tokens.c.digest == new,
        refresh_tokens.c.family == token["family"],
        refresh_tokens.c.used.is_(None),
    )
    if await one(connection, again) is not None:
        return str(token["visitor"])
    family = refresh_families.c.id == token["family"]
    await connection.execute(update(refresh_families).where(family).values(revoked=now()))
    return None


async def _add(connection: AsyncConnection, family: str, digest: str, until: datetime) -> None:
    values = {"digest": digest, "family": family, "created": now(), "expires": min(now() + IDLE, until)}
    await connection.execute(insert(refresh_tokens).values(values))
