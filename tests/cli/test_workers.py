"""`senmon serve --workers N`: processes on one port, started again when they die, ended together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from senmon.cli.workers import run_workers
from senmon.errors import ConfigError
from senmon.settings import Settings

#: What takes the place of a server: it says that it is ready, and tells everybody who it is.
CHILD = """
import json, os, sys
from senmon.cli.workers import inherited
told = next(each for each in sys.argv if each.startswith("--inherited=")).partition("=")[2]
if os.path.exists("broken"):
    sys.exit(3)
shared, own = inherited(told, "127.0.0.1")
print(json.dumps({"event": "ready"}), flush=True)
shared.setblocking(True)
while True:
    connection, _ = shared.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""
PARENT = """
import sys
from senmon.cli import workers
from senmon.settings import Settings
workers.COMMAND, workers.FIRST_PAUSE = (sys.executable, "child.py"), 0.05
settings = Settings(database_url="postgresql://h/s", redis_url="redis://h", port=int(sys.argv[1]), packs=())
workers.run_workers(settings, 2, json=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Parent:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        (folder / "child.py").write_text(CHILD)
        command = [sys.executable, "-c", PARENT, str(self.port)]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)

    def told(self, event: str) -> dict[str, object]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if (found := json.loads(line))["event"] == event:
                return dict(found)
        raise AssertionError(f"it ended without saying {event}")

    def children(self) -> list[int]:
        file = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(each) for each in file.read_text().split()]

    def who(self, port: int) -> int:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            return int(connection.recv(32))


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    made = Parent(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def gone(pid: int) -> bool:
    for _ in range(400):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="the test looks into /proc")
def test_who_dies_is_started_again_and_all_end_together(parent: Parent) -> None:
    assert {parent.told("ready")["worker"] for _ in range(2)} == {1, 2}
    first, second = parent.children()
    assert parent.who(parent.port) in (first, second)
    os.kill(first, signal.SIGKILL)
    assert parent.told("died")["words"] == "ended with SIGKILL"
    assert parent.who(parent.port) == second, "nobody who connects meanwhile is turned away"
    assert parent.told("ready")["worker"] == 1
    living = parent.children()
    assert second in living and first not in living and len(living) == 2
    parent.process.send_signal(signal.SIGTERM)
    assert parent.process.wait(30) == 0
    assert all(gone(pid) for pid in living)
    with pytest.raises(ConnectionRefusedError):
        parent.who(parent.port)


@pytest.mark.skipif(sys.platform != "linux", reason="the test looks into /proc")
def test_no_process_outlives_the_one_that_watches_it(parent: Parent) -> None:
    parent.told("ready")
    living = parent.children()
    parent.process.kill()
    assert living and all(gone(pid) for pid in living)


def test_a_server_that_can_not_start_is_not_tried_for_ever(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    parent = Parent(tmp_path)
    assert parent.process.wait(60) == 1


def test_several_need_what_they_share() -> None:
    with pytest.raises(ConfigError, match="share"):
        run_workers(Settings(redis_url=None), 2, json=True)
