"""Rows as values: ids, times, and the first row of a query."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, Table, and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.store.tables import sites, visitors


def new_id() -> str:
    """128 random bits, URL-safe."""
    return secrets.token_urlsafe(16)


def now() -> datetime:
    return datetime.now(UTC)


def values_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def columns_of(table: Table, record: Any) -> list[Any]:
    """The columns that a record is made of."""
    return [table.c[name] for name in record.__dataclass_fields__]


async def one(connection: AsyncConnection, query: Select[Any]) -> dict[str, Any] | None:
    row = (await connection.execute(query)).mappings().first()
    return dict(row) if row is not None else None


async def ensure_site(connection: AsyncConnection, site: str) -> None:
    await _insert_if_missing(connection, sites, {"id": site})


async def ensure_visitor(connection: AsyncConnection, site: str, visitor: str) -> None:
    await ensure_site(connection, site)
    await _insert_if_missing(connection, visitors, {"site": site, "id": visitor})


async def _insert_if_missing(connection: AsyncConnection, table: Table, key: dict[str, str]) -> None:
    match = and_(*(table.c[name] == value for name, value in key.items()))
    if await one(connection, select(*table.primary_key.columns).where(match)) is None:
        await connection.execute(insert(table).values(**key, created=now()))
