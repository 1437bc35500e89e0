"""What servers share, gone in the middle of replies: PostgreSQL killed and started again, Redis likewise."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.bench.trust_messages import Talk, answered, begin, check, client_of, path_of
from senmon.bench.trust_server import Served, nursery
from senmon.packs.scaffold import scaffold

TALKS = 2
#: Seconds of the engine for a word: a reply takes two.
WORD = 0.05
#: Seconds after a message within which the database dies, and for which it stays away at most.
LATEST, AWAY = 2.0, 2.0
#: Seconds in which all must be well again.
PATIENCE = 60.0
#: Of so many points, one is a restart: it takes seconds.
RESTARTS = 5


class Postgres:
    """A throwaway server on a socket of its own, that can be killed."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._before: tuple[str, ...] = ()
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
            self._before = ("runuser", "-u", "postgres", "--")
        self._run("initdb", "-D", str(folder / "data"), "-U", "senmon", "-A", "trust", "-N", "-E", "UTF8")
        self.start()
        self.url = f"postgresql://senmon@/postgres?host={folder}"

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses='' -c shared_buffers=16MB"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-l", log, "-w", "-o", options, "start")

    def kill(self) -> None:
        """SIGKILL to the server; its other processes end by themselves when it is gone."""
        pid = int((self._folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])
        os.kill(pid, signal.SIGKILL)
        for _ in range(500):
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                time.sleep(0.01)
                continue
            break
        time.sleep(0.1)  # until the others have noticed, a new one refuses to start

    def end(self) -> None:
        with suppress(RuntimeError):
            self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._before, str(self._programs / program), *arguments]
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self._folder, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')[-300:]}")


@dataclass(slots=True)
class Redis:
    port: int
    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder))
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    programs = _programs()
    if programs is None or shutil.which("redis-server") is None:
        why = "PostgreSQL or Redis is not here: apt-get install postgresql redis-server"
        return [Row("state", "not tried", 0, 0, why)]
    with workbench() as root, _state(programs, root) as (postgres, redis):
        scaffold("shop", root / "packs")
        settings = {"database_url": postgres.url, "redis_url": redis.url, "lease_seconds": 3.0}
        with nursery(root / "home", [root / "packs"], delay=WORD) as born:
            server = born.server(settings=settings)
            return _gone(server, postgres, redis, effort, tell)


def _gone(server: Served, postgres: Postgres, redis: Redis, effort: Effort, tell: Tell) -> Sequence[Row]:
    database = Count("state", "PostgreSQL killed in mid-stream: replies end, acknowledged messages are there")
    shared = Count("state", "Redis killed in mid-stream: replies end, acknowledged messages are there")
    again = Count("state", "the next message after it is answered")
    draw = effort.draw("state")
    points = max(1, effort.points // RESTARTS)
    for number in range(points):
        tell(f"state: {number + 1} of {points} times PostgreSQL and Redis")
        for what, count in ((postgres, database), (redis, shared)):
            talks = [begin(server) for _ in range(TALKS)]
            threads = [threading.Thread(target=_follow, args=(server, talk, number)) for talk in talks]
            with count.point(f"time {number + 1}"):
                _away(what, threads, draw)
                _well(server)
                for thread in threads:
                    thread.join(PATIENCE)
                    must(not thread.is_alive(), "a stream has no end")
                for talk in talks:
                    must(talk.sent != "endless", "a stream ended without saying so")
                    answered(server, talk, f"answered {number}", again)
                    with client_of(server) as client:
                        check(client, talk)
    note = f"killed within {LATEST:.0f} s of {TALKS} messages, back within {AWAY:.0f} s"
    return [database.row(note), shared.row(note), again.row()]


def _away(what: Postgres | Redis, threads: Sequence[threading.Thread], draw: random.Random) -> None:
    for thread in threads:
        thread.start()
    time.sleep(draw.uniform(0, LATEST))
    what.kill()
    time.sleep(draw.uniform(0, AWAY))
    what.start()


def _follow(server: Served, talk: Talk, number: int) -> None:
    """A message, and its reply to the end: the last event, or a refusal."""
    text = f"cut {number}"
    talk.sent = text
    body = {"client_id": text.replace(" ", "-"), "text": text, "pack": "shop"}
    with client_of(server) as client, suppress(httpx.HTTPError):
        answer = client.post(path_of(talk), json=body, headers=talk.headers)
        if answer.status_code != 202:
            return
        talk.taken.append(text)
        events = client.get(f"/v1/runs/{answer.json()['run_id']}/events", headers=talk.headers)
        if events.status_code == 200 and not ("event: done" in events.text or "event: error" in events.text):
            talk.sent = "endless"


def _well(server: Served) -> None:
    """Until the server says so."""
    end = time.monotonic() + PATIENCE
    with client_of(server) as client:
        while time.monotonic() < end:
            if client.get("/readyz").status_code == 200:
                return
            time.sleep(0.1)
    raise RuntimeError(f"it is not ready {PATIENCE:.0f} s later")


def _programs() -> Path | None:
    """The folder of `initdb`: of the PATH, or where Debian puts it."""
    named = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(named).parent if named else found[-1].parent if found else None


@contextmanager
def _state(programs: Path, root: Path) -> Iterator[tuple[Postgres, Redis]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    redis = Redis(port, root)
    with tempfile.TemporaryDirectory(prefix="pg") as folder:  # a socket's path is short
        Path(folder).chmod(0o755)
        postgres = Postgres(programs, Path(folder))
        try:
            redis.start()
            yield postgres, redis
        finally:
            redis.kill()
            postgres.end()
