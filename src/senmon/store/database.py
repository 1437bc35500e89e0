"""A database's engine: the pragmas of SQLite, and transactions that say whether they write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from senmon.errors import ConfigError, StoreError
from senmon.store.sqlite import Connection as SQLite

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
#: Connections of a SQLite database: a thread each, kept. Whoever finds all in use waits.
_CONNECTIONS = 5
#: Of a server to PostgreSQL: so many are kept, so many more opened when all are in use.
_KEPT, _MORE = 5, 10
#: Before a server that can't be reached is given up.
_CONNECT_SECONDS = 15
_WAIT_SECONDS = 60.0


def parse_url(target: str | Path) -> URL:
    """A path becomes a SQLite URL; a URL without a driver gets the async one. ConfigError otherwise."""
    if isinstance(target, Path) or "://" not in target:
        return URL.create(_DRIVERS["sqlite"], database=str(target))
    try:
        url = make_url(target)
    except ArgumentError as error:
        raise ConfigError("the database URL can't be parsed", remedy="postgresql://user@host/name") from error
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


class Database:
    """Connections to one database. Writers of one process queue up instead of meeting SQLite's lock."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.engine = _make_engine(url)
        self._writer = asyncio.Lock()

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database, None for one in memory or on a server."""
        name = self.url.database
        if self.url.get_backend_name() != "sqlite" or not name or name == ":memory:":
            return None
        return Path(name)

    @asynccontextmanager
    async def reading(self, *, quick: bool = False) -> AsyncIterator[AsyncConnection]:
        """One moment of the database. `quick`: few rows by their keys are read."""
        async with _as_store_error(), self.engine.connect() as connection:
            if quick:
                await connection.execution_options(quick=True)
            yield connection

    @asynccontextmanager
    async def writing(self, *, quick: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end. `quick`: it touches few rows by their keys."""
        async with _as_store_error(), self._writer, self.engine.connect() as connection:
            await connection.execution_options(writes=True, quick=quick)
            async with connection.begin():
                yield connection

    async def close(self) -> None:
        await self.engine.dispose()


@asynccontextmanager
async def _as_store_error() -> AsyncIterator[None]:
    """A database's own words may quote stored text, so they stay out of the message."""
    try:
        yield
    except DBAPIError as error:
        if type(error).__name__ == "IntegrityError":
            raise
        raise _failed(type(error.orig).__name__) from error
    except (NoConnectionFree, OSError) as error:  # a server that can't be reached, TimeoutError too
        raise _failed(type(error).__name__) from error
    except Exception as error:
        # What the driver says while it connects, such as "the database system is starting up".
        if not type(error).__module__.startswith("asyncpg"):
            raise
        raise _failed(type(error).__name__) from error


def _failed(why: str) -> StoreError:
    return StoreError(
        f"the database failed ({why})", remedy="check that it runs, its disk space, permissions and locks"
    )


def _make_engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        return _make_sqlite(url)
    sizes = {"pool_size": _KEPT, "max_overflow": _MORE, "pool_timeout": _WAIT_SECONDS}
    try:
        engine = create_async_engine(
            url, hide_parameters=True, connect_args={"timeout": _CONNECT_SECONDS}, **sizes
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(
            f"no driver for {url.drivername}", remedy="for PostgreSQL: pip install 'senmon[postgres]'"
        ) from error
    event.listen(engine.sync_engine, "checkout", _on_checkout)
    return engine


def _on_checkout(connection: Any, *_: Any) -> None:
    # Connections from before a restart of the server are known to be closed: another one is taken.
    if connection.driver_connection.is_closed():
        raise DisconnectionError("closed by the server")


def _make_sqlite(url: URL) -> AsyncEngine:
    name = url.database or ":memory:"
    limits = {"pool_size": _CONNECTIONS, "max_overflow": 0, "pool_timeout": _WAIT_SECONDS}
    engine = create_async_engine(
        url,
        hide_parameters=True,
        async_creator=lambda *_, **__: SQLite(name),
        **({} if name == ":memory:" else limits),
    )
    event.listen(engine.sync_engine, "begin", _on_begin)
    return engine


def _on_begin(connection: Connection) -> None:
    # A reader that turns into a writer fails at once, whatever busy_timeout says; so writers say so first.
    driver = connection.connection.driver_connection
    assert isinstance(driver, SQLite)
    options = connection.get_execution_options()
    driver.begin(writes=bool(options.get("writes")), quick=bool(options.get("quick")))
