"""Backups of a store that is being written to, restored in an empty place."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from senmon.messages import Identity
from senmon.store.store import Store
from store.conftest import POSTGRES, TEMPLATE, apart, execute

DEPLOY = Path(__file__).parents[2] / "deploy"


def run(
    script: str, argument: Path, home: Path, url: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "SENMON_HOME": str(home), "SENMON_DATABASE_URL": url, **more}
    return subprocess.run(
        ["sh", str(DEPLOY / script), str(argument)], capture_output=True, text=True, env=env, check=False
    )


def spied(folder: Path) -> dict[str, str]:
    """An environment in which PostgreSQL's programs note what everybody could see of them."""
    folder.mkdir()
    for name in ("pg_dump", "psql", "pg_restore"):
        real = shutil.which(name)
        assert real is not None
        spy = folder / name
        look = 'for each in /proc/[0-9]*/cmdline; do tr "\\0" " " <"$each"; echo; done'
        spy.write_text(f'#!/bin/sh\n{look} >>"{folder}/seen" 2>/dev/null\nexec {real} "$@"\n')
        spy.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def living(folder: Path) -> Path:
    """A home as a server leaves it, adapters among them."""
    version = folder / "adapters" / "shop" / "versions" / "abc"
    version.mkdir(parents=True)
    (version / "adapter_model.safetensors").write_bytes(bytes(range(256)) * 400)
    (version.parents[1] / "promoted.json").write_text('{"version": "abc"}')
    (folder / "permissions.json").write_text('{"shop": "d1"}')
    (folder / "a name with\na line.txt").write_text("odd")
    (folder / "router").mkdir()
    (folder / "router" / "router.npz").write_bytes(b"made again")
    return folder


@contextmanager
def writing(target: str | Path) -> Iterator[list[str]]:
    """Conversations come in, one after the other, from a serving store in a thread of its own."""
    made: list[str] = []
    stop, some = threading.Event(), threading.Event()

    async def serve() -> None:
        store = await Store.open(target)
        try:
            while not stop.is_set():
                record = await store.create_conversation(Identity(site="", visitor="someone"))
                made.append(record.id)
                if len(made) >= 5:
                    some.set()
                await asyncio.sleep(0.002)
        finally:
            await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert some.wait(20)
        yield made
    finally:
        stop.set()
        thread.join(30)


async def conversations(target: str | Path) -> set[str]:
    store = await Store.open(target)
    try:
        async with store._database.reading() as connection:
            return set((await connection.execute(text("select id from conversations"))).scalars())
    finally:
        await store.close()


def same_files(home: Path, restored: Path) -> None:
    for path in home.rglob("*"):
        inside = path.relative_to(home)
        kept = inside.parts[0] != "router" and not inside.name.startswith("senmon.db") and path.is_file()
        if kept and path.suffix != ".lock":
            assert (restored / inside).read_bytes() == path.read_bytes(), inside
    assert not (restored / "router").exists()


@pytest.mark.parametrize("kind", ["sqlite", POSTGRES])
def test_backup_of_a_living_server_is_restored(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    home, restored = living(tmp_path / "home"), tmp_path / "a new" / "home"
    url = new = ""
    spy: dict[str, str] = {}
    if kind == "postgres":
        root: str = request.getfixturevalue("postgres")
        # As people write it, though this server asks for no password.
        root = root.replace("postgresql://senmon@", "postgresql+asyncpg://senmon:pass%27word%20@")
        url, new = (root.format(name) for name in ("backup_from", "backup_to"))
        spy = spied(tmp_path / "spy")
        apart(create(root))
    with writing(url or home / "senmon.db") as made:
        before = set(made)
        done = run("backup.sh", tmp_path / "backups", home, url, **spy)
        assert done.returncode == 0, done.stderr
        while len(made) <= len(before):  # the server went on
            threading.Event().wait(0.01)
    backup = Path(done.stdout.strip())
    assert sorted(path.name for path in backup.parent.iterdir()) == [backup.name, f"{backup.name}.sha256"]
    assert backup.stat().st_mode & 0o077 == 0

    done = run("restore.sh", backup, restored, new, **spy)
    assert done.returncode == 0, done.stderr
    if kind == "postgres":
        seen = (tmp_path / "spy" / "seen").read_text()
        assert seen.count("pg_dump --format=custom") and seen.count("pg_restore --dbname=backup_to")
        assert "pass'word" not in seen and "pass%27word" not in seen, "everybody could see the password"
    same_files(home, restored)
    found = asyncio.run(conversations(new or restored / "senmon.db"))
    assert before <= found <= set(made)

    again = run("restore.sh", backup, restored, new)
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    if kind == "postgres":
        full = run("restore.sh", backup, tmp_path / "third", new)
        assert full.returncode == 1
        assert "tables already" in full.stderr
        assert not (tmp_path / "third").exists()


async def create(root: str) -> None:
    await execute(root.format("postgres"), f"create database backup_from template {TEMPLATE}")
    await execute(root.format("postgres"), "create database backup_to")


def test_a_damaged_backup_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    home = living(tmp_path / "home")
    with writing(home / "senmon.db"):
        pass
    backup = Path(run("backup.sh", tmp_path / "backups", home).stdout.strip())
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    backup.write_bytes(data)
    done = run("restore.sh", backup, tmp_path / "restored" / "home")
    assert done.returncode == 1
    assert "sha256 differs" in done.stderr
    assert not (tmp_path / "restored").exists()


def test_a_damaged_database_makes_no_backup(tmp_path: Path) -> None:
    home = living(tmp_path / "home")
    (home / "senmon.db").write_bytes(b"this is no database" * 500)
    done = run("backup.sh", tmp_path / "backups", home)
    assert done.returncode != 0
    assert list((tmp_path / "backups").iterdir()) == []
