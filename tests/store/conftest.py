"""A store of each kind: SQLite, and a real PostgreSQL server that lives as long as the tests."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a throwaway server on a socket of its own, up to the database's name."""
    programs = postgres_bin()
    if programs is None or sys.platform == "win32":
        missing("PostgreSQL is not here: apt-get install postgresql")
        return
    try:
        import asyncpg  # noqa: F401
    except ImportError:
        missing("asyncpg is not here: pip install 'senmon[postgres]'")
    # A socket's path is short; the server refuses to run as root.
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o755)
    data, log = folder / "data", folder / "log"
    before: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        before = ["runuser", "-u", "postgres", "--"]

    def run(*command: str) -> None:
        done = subprocess.run([*before, *command], capture_output=True, text=True, cwd=folder, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    options = (
        f"-k {folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off -c shared_buffers=16MB"
    )
    try:
        run(str(programs / "initdb"), "-D", str(data), "-U", "senmon", "-A", "trust", "-N", "-E", "UTF8")
        run(str(programs / "pg_ctl"), "-D", str(data), "-l", str(log), "-w", "-o", options, "start")
        try:
            root = f"postgresql://senmon@/{{}}?host={folder}"
            apart(_make_template(root))
            yield root
        finally:
            run(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
