"""The servers of `senmon bench trust`: each line read forks one, so that a start after a kill is cheap.

Everything is real but the engine, which says the same to everybody. A line says when the server is to kill
itself, and its own settings (`{"dies_at", "before", "count", "settings"}`); it is answered with `{"pid",
"address"}`. Arguments: the home, seconds that the engine takes for a word, replies under way at once, packs.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from senmon.bench.killing import dies_with_parent, watch_commits
from senmon.bench.trust_server import REAL
from senmon.cli.bench_server import REPLY
from senmon.engines.scripted import ScriptedEngine
from senmon.server.app import create_app
from senmon.server.serve import bind, make_server
from senmon.settings import Settings
from senmon.workspace import Workspace


class Slow(Workspace):
    """A workspace whose engine says the same to everybody, one word after another."""

    delay = 0.0
    #: Routing by words starts at once.
    encoder = None

    def _make_engine(self) -> Any:
        return ScriptedEngine({"*": REPLY}, delay=self.delay, base_digest=self.base.digest)


def main(home: Path, delay: str, live_runs: int, packs: tuple[Path, ...]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    dies_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who was killed is forgotten at once
    given: dict[str, Any] = {
        "home": home,
        "packs": packs,
        "port": 0,
        "demo": True,
        "rate_limit_per_minute": 0,
        "live_runs": live_runs,
        "threads": 1,
        "log_level": "ERROR",
    }
    make: Callable[[Settings], Workspace] = Workspace if delay == REAL else Slow
    Slow.delay = 0.0 if delay == REAL else float(delay)
    for line in sys.stdin:
        if os.fork() == 0:
            try:
                told = json.loads(line)
                _serve(make(Settings(**{**given, **told["settings"]})), told)
            finally:
                os._exit(0)


def _serve(workspace: Workspace, told: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    dies_with_parent()
    listener = bind("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def ready(_: str) -> None:
        if told["dies_at"] or told["count"]:
            watch_commits(lambda done, before: _note(told, done, before))
        sys.stdout.write(json.dumps({"pid": os.getpid(), "address": address}) + "\n")
        sys.stdout.flush()

    server = make_server(create_app(workspace), ready)
    asyncio.run(server.serve(sockets=[listener]))


def _note(told: dict[str, Any], done: int, before: bool) -> None:
    if told["count"] and before:
        with Path(told["count"]).open("ab") as file:
            file.write(b".")
    if (done, before) == (told["dies_at"], told["before"]):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), tuple(map(Path, sys.argv[4:])))
