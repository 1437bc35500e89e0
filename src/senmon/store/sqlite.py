"""SQLite for one event loop: a thread per connection, asked as seldom as can be.

Waking a thread and being woken by it costs more than most statements. So a transaction begins with its first
statement, rows come with the statement that found them, and what touches no file (a cursor's end, the end of
a transaction that only read) happens at once, in the loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

T = TypeVar("T")
_PRAGMAS = ("journal_mode=WAL", "busy_timeout=5000", "synchronous=NORMAL", "foreign_keys=ON")
#: What to run, and whom to tell. None: nothing more will come.
_Order = tuple[Callable[[], Any], Callable[[Any, BaseException | None], None]] | None


class Connection:
    """What SQLAlchemy's dialect for aiosqlite asks of a connection. Await it to open it."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        #: The dialect looks here whether the connection is open.
        self._connection: sqlite3.Connection | None = None
        self._orders: SimpleQueue[_Order] = SimpleQueue()
        self._running = 0
        self._begin = ""
        self._writes = self._quick = False
        self._thread = Thread(target=self._work, name="senmon-sqlite", daemon=True)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def _open(self) -> Self:
        self._thread.start()
        try:
            self._connection = await self.run(self._connect)
        except BaseException:
            self._orders.put(None)
            raise
        return self

    def _connect(self) -> sqlite3.Connection:
        # Python's own transactions begin as readers; ours say what they are. Used by one thread at a time.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @property
    def open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise ValueError("no active connection")
        return self._connection

    @property
    def idle(self) -> bool:
        """Whether the thread has nothing left to do: a statement outlives whoever stopped waiting for it."""
        return not self._running

    async def run(self, work: Callable[[], T]) -> T:
        """`work` in the connection's thread, after all that was asked before."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            self._running -= 1
            if future.done():  # whoever waited has gone
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        def tell(result: Any, error: BaseException | None) -> None:
            loop.call_soon_threadsafe(done, result, error)

        self._running += 1
        self._orders.put((work, tell))
        return await future

    def cursor(self) -> Cursor:
        return Cursor(self)

    def begin(self, *, writes: bool, quick: bool = False) -> None:
        """The next statement begins a transaction; one that writes takes the database's lock at once.

        The statements of a `quick` one touch few rows by their keys: they run in the loop, where waking a
        thread would take longer, except for what may wait (for the lock, for the disk at the end).
        """
        self._begin, self._writes = "BEGIN IMMEDIATE" if writes else "BEGIN", writes
        self._quick = quick

    @property
    def writing(self) -> bool:
        """Whether it is in a transaction that writes."""
        return self._writes and self.open.in_transaction

    @property
    def at_once(self) -> bool:
        """Whether the next statement runs in the loop."""
        return self._quick and self.idle and (not self._writes or self.open.in_transaction)

    def begun(self) -> sqlite3.Connection:
        """In the thread: the connection, in the transaction that was to begin."""
        connection, statement, self._begin = self.open, self._begin, ""
        if statement:
            connection.execute(statement)
        return connection

    async def commit(self) -> None:
        await self._end(self.open.commit)

    async def rollback(self) -> None:
        await self._end(self.open.rollback)

    async def _end(self, end: Callable[[], None]) -> None:
        self._begin = ""
        if self.idle and not self.writing:
            end()
        else:
            await self.run(end)

    async def create_function(self, *args: Any, **named: Any) -> None:
        await self.run(lambda: self.open.create_function(*args, **named))

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self.run(connection.close)
            self._orders.put(None)

    def stop(self) -> None:
        """Closes without waiting."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._orders.put((connection.close, lambda result, error: None))
            self._orders.put(None)

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            work, tell = order
            result, error = None, None
            try:
                result = work()
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                tell(result, error)
            del work, tell, order, result, error


class Cursor:
    """What SQLAlchemy's dialect asks of a cursor."""

    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> None:
        def work() -> None:
            self._take(self._connection.begun().execute(statement, parameters))

        if self._connection.at_once:
            work()
        else:
            await self._connection.run(work)

    async def executemany(self, statement: str, parameters: Any) -> None:
        begun = self._connection.begun
        await self._connection.run(lambda: self._take(begun().executemany(statement, parameters)))

    def _take(self, cursor: sqlite3.Cursor) -> None:
        self.description, self.lastrowid = cursor.description, cursor.lastrowid
        self._rows = cursor.fetchall() if cursor.description else []
        # Of an INSERT … RETURNING the count is known after its rows.
        self.rowcount = cursor.rowcount
        cursor.close()

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []
