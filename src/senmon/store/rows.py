"""Rows as values: ids, times, and the first row of a query."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, Table, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.store.tables import sites, visitors

_CLOCK = select(func.clock_timestamp())


def new_id() -> str:
    """128 random bits, URL-safe."""
    return secrets.token_urlsafe(16)


def now() -> datetime:
    return datetime.now(UTC)


async def moment(connection: AsyncConnection) -> datetime:
    """The time by the database's clock, where it has one of its own: hosts' clocks differ."""
    if connection.dialect.name == "sqlite":
        return now()
    told: datetime = (await connection.execute(_CLOCK)).scalar_one()
    return told


def values_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def columns_of(table: Table, record: Any) -> list[Any]:
    """The columns that a record is made of."""
    return [table.c[name] for name in record.__dataclass_fields__]


async def one(
    connection: AsyncConnection, query: Select[Any], values: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """The first row. `values`: of the query's bound parameters."""
    row = (await connection.execute(query, values)).mappings().first()
    return dict(row) if row is not None else None


async def ensure_site(connection: AsyncConnection, site: str) -> None:
    await insert_if_missing(connection, sites, {"id": site}, created=now())


async def ensure_visitor(connection: AsyncConnection, site: str, visitor: str) -> None:
    await ensure_site(connection, site)
    await insert_if_missing(connection, visitors, {"site": site, "id": visitor}, created=now())


async def insert_if_missing(
    connection: AsyncConnection, table: Table, key: Mapping[str, str], **values: Any
) -> None:
    """Also when another process inserts the same at this moment."""
    match = and_(*(table.c[name] == value for name, value in key.items()))
    if await one(connection, select(*table.primary_key.columns).where(match)) is None:
        insert = {"postgresql": postgresql.insert}.get(connection.dialect.name, sqlite.insert)
        await connection.execute(insert(table).values(**key, **values).on_conflict_do_nothing())
