"""Several server processes on one port: started, watched, started again, and stopped together.

All take connections from one socket, so that none is lost with a process. Each has a port of its own besides,
for its figures. A process imports everything itself: torch's threads do not survive a fork.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from json import loads
from types import FrameType
from typing import Any

from senmon.cli.output import console, emit_line, errors
from senmon.errors import ConfigError
from senmon.server.serve import bind
from senmon.settings import Settings

#: Before a process that died is started again: twice as long each time, until one has lived for a minute.
FIRST_PAUSE, LONGEST_PAUSE, LIVED = 1.0, 30.0, 60.0
#: For streams to end and runs to be handed over; then it is killed.
GRACE_SECONDS = 25.0
_LOOK_SECONDS = 0.2
COMMAND = (sys.executable, "-m", "senmon.cli.main", "serve", "--json")


@dataclass
class Worker:
    """One process, and what it is given each time that it starts."""

    number: int
    command: Sequence[str]
    shared: socket.socket
    port: int
    environment: Mapping[str, str]
    ready: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[str] | None = None
    since: float = 0.0
    pause: float = FIRST_PAUSE
    again: float = 0.0

    def start(self, tell: Callable[[int, str], None]) -> None:
        self.ready.clear()
        shared = self.shared.fileno()
        self.since = time.monotonic()
        self.process = subprocess.Popen(
            [*self.command, f"--inherited={shared}:{self.port}"],
            # It ends when this process does, however that dies: nobody else holds the other end.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            pass_fds=(shared,),
            # Ctrl-C reaches this process alone, which stops them one and all.
            start_new_session=True,
        )
        threading.Thread(target=self._listen, args=(self.process, tell), daemon=True).start()

    def _listen(self, process: subprocess.Popen[str], tell: Callable[[int, str], None]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if '"event": "ready"' in line:
                self.ready.set()
            tell(self.number, line)

    @property
    def ended(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def later(self) -> float:
        """It died: when to start it again, in seconds from now."""
        now = time.monotonic()
        self.pause = FIRST_PAUSE if now - self.since > LIVED else min(self.pause * 2, LONGEST_PAUSE)
        self.process, self.again = None, now + self.pause
        return self.pause


def run_workers(settings: Settings, count: int, *, json: bool) -> None:
    """Serve with `count` processes until Ctrl-C or SIGTERM. ConfigError where several can't serve."""
    if settings.lease is None:
        raise ConfigError(
            "several processes need what they share: PostgreSQL and Redis",
            remedy="set SENMON_DATABASE_URL=postgresql://… and SENMON_REDIS_URL=redis://…, or --workers 1",
        )
    shared = bind(settings.host, settings.port)
    port = int(shared.getsockname()[1])
    for number in range(1, count + 1):  # taken by each of them itself: with the process its port is closed
        bind(settings.host, port + number).close()
    command = [*COMMAND, f"--host={settings.host}", f"--port={port}"]
    command += [f"--packs={root}" for root in settings.packs]
    # A terminal shows what goes wrong; a service's log shows everything.
    level = settings.log_level if json or "log_level" in settings.model_fields_set else "WARNING"
    environment = {**os.environ, "SENMON_LOG_LEVEL": level}
    workers = [Worker(number, command, shared, port + number, environment) for number in range(1, count + 1)]
    with _stopping() as stop:
        try:
            _watch(workers, stop, json)
        finally:
            _end(workers)
            shared.close()
    if not json:
        console.print("Stopped.", style="dim")


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM."""
    stop = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {each: signal.signal(each, asked) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _watch(workers: Sequence[Worker], stop: threading.Event, json: bool) -> None:
    tell = _teller(json)
    first = workers[0]
    first.start(tell)  # alone: it migrates the database and fits the router for all
    while not stop.wait(_LOOK_SECONDS) and not first.ready.is_set():
        if (code := first.ended) is not None:
            raise ConfigError(f"the server did not start (exit code {code})", remedy="see what it said")
    while not stop.wait(_LOOK_SECONDS):
        for worker in workers:
            if worker.process is None:
                if time.monotonic() >= worker.again:
                    worker.start(tell)
            elif (code := worker.ended) is not None:
                _say(json, "died", worker.number, f"ended with {_words(code)}", again=worker.later())


def _end(workers: Sequence[Worker]) -> None:
    """SIGTERM to all at once; whoever is left after the grace is killed."""
    living = [worker.process for worker in workers if worker.process is not None]
    for process in living:
        with suppress(OSError):
            process.send_signal(signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    for process in living:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _teller(json: bool) -> Callable[[int, str], None]:
    def tell(number: int, line: str) -> None:
        found = _read(line)
        if found.get("event") == "ready":
            kept = {name: found[name] for name in ("address", "console") if name in found}
            _say(json, "ready", number, "answers", **kept)
        elif json:
            sys.stdout.write(line)
            sys.stdout.flush()

    return tell


def _read(line: str) -> dict[str, Any]:
    """What a process says, as JSON; nothing when it is something else."""
    try:
        found = loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _say(json: bool, event: str, number: int, words: str, **more: object) -> None:
    if json:
        emit_line({"event": event, "worker": number, "words": words, **more})
    elif event == "died":
        errors.print(f"[yellow]worker {number} {words}; it is started again in {more['again']} s[/]")
    else:
        console.print(f"worker {number} {words}")
        if number == 1 and "address" in more:
            console.print(f"{more['address']}   console: {more.get('console')}", soft_wrap=True, markup=False)


def _words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


# In each of the processes


def inherited(told: str, host: str) -> tuple[socket.socket, ...]:
    """The socket that the process which watches this one has opened, and one of its own. It stops when that
    process is gone."""
    file, _, port = told.partition(":")
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    shared = socket.socket(fileno=int(file))
    shared.setblocking(False)
    return shared, bind(host, int(port))


def _stop_with_parent() -> None:
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
