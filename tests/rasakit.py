"""A real rasa-sdk action server, as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

#: Sanic gives its worker 30 s to start and then kills the whole process group; a busy machine needs longer.
TRIES = 4


@contextmanager
def rasa_action_server(folder: Path) -> Iterator[str]:
    """The address of `python -m rasa_sdk --actions actions`, run in `folder`."""
    report = folder.parent / "server.log"
    for _ in range(TRIES):
        port = free_port()
        process = _started(folder, port, report)
        try:
            if _healthy(f"http://127.0.0.1:{port}/health", process):
                yield f"http://127.0.0.1:{port}/webhook"
                return
        finally:
            _ended(process)
    pytest.fail(report.read_text(encoding="utf-8")[-2000:])


def _started(folder: Path, port: int, report: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SANIC_HOST": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "-p", str(port)]
    with report.open("wb") as output:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def _healthy(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return True
        except httpx.HTTPError:
            time.sleep(0.1)
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
