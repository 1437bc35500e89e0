"""A store of each kind: SQLite, and a real PostgreSQL server that lives as long as the tests."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from senmon.store.store import Store

#: Databases are made anew for each test, out of one that is migrated.
TEMPLATE = "senmon_template"
POSTGRES = pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))
_numbers = itertools.count()


def postgres_bin() -> Path | None:
    """The folder of `initdb`: of the PATH, or where Debian puts it."""
    named = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(named).parent if named else found[-1].parent if found else None


def missing(why: str) -> None:
    """In continuous integration it must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@dataclass
class Postgres:
    """A throwaway server on a socket of its own."""

    folder: Path
    programs: Path

    @property
    def root(self) -> str:
        """Its URL, up to the database's name."""
        return f"postgresql://senmon@/{{}}?host={self.folder}"

    def run(self, *command: str) -> None:
        # The server refuses to run as root.
        before = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        program = str(self.programs / command[0])
        done = subprocess.run(
            [*before, program, "-D", str(self.folder / "data"), *command[1:]],
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
        options += " -c shared_buffers=16MB"
        self.run("pg_ctl", "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-m", "immediate", "stop")

    def kill(self) -> None:
        """As kill -9 does, and what it leaves goes by itself."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        family = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        os.kill(first, signal.SIGKILL)
        for pid in (first, *map(int, family)):
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.02)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    programs = postgres_bin()
    if programs is None or sys.platform == "win32":
        missing("PostgreSQL is not here: apt-get install postgresql")
        return
    try:
        import asyncpg  # noqa: F401
    except ImportError:
        missing("asyncpg is not here: pip install 'senmon[postgres]'")
    # A socket's path is short.
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Postgres(folder, programs)
    try:
        server.run("initdb", "-U", "senmon", "-A", "trust", "-N", "-E", "UTF8")
        server.start()
        try:
            apart(_make_template(server.root))
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(postgres_server: Postgres) -> str:
    """URL of a throwaway server on a socket of its own, up to the database's name."""
    return postgres_server.root


def apart(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: the fixture that asks may be in a loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


async def _make_template(root: str) -> None:
    await execute(root.format("postgres"), f"create database {TEMPLATE}")
    await (await Store.open(root.format(TEMPLATE), serving=False)).close()


async def execute(url: str, statement: str) -> None:
    """One statement outside a transaction."""
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://"), isolation_level="AUTOCOMMIT"
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with nothing in it, migrated once."""
    path = tmp_path_factory.mktemp("migrated") / "senmon.db"

    async def make() -> None:
        await (await Store.open(path)).close()

    apart(make())
    return path


@pytest.fixture(params=["sqlite", POSTGRES])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """What `Store.open` takes: an empty database of each kind."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated"), tmp_path / "senmon.db")
        yield str(tmp_path / "senmon.db")
        return
    root = request.getfixturevalue("postgres")
    name = f"test_{next(_numbers)}"
    await execute(root.format("postgres"), f"create database {name} template {TEMPLATE}")
    yield root.format(name)
    await execute(root.format("postgres"), f"drop database {name} with (force)")


@pytest.fixture
async def store(target: str) -> AsyncIterator[Store]:
    opened = await Store.open(target)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path, migrated: Path) -> AsyncIterator[Store]:
    """For what only a file can show."""
    shutil.copyfile(migrated, tmp_path / "senmon.db")
    opened = await Store.open(tmp_path / "senmon.db")
    yield opened
    await opened.close()
