from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from senmon.errors import ConfigError, StateLocked
from senmon.server.app import create_app
from senmon.server.serve import bind, serve
from server_rig import FakeWorkspace


def test_taken_port_names_its_owner() -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"port {port} is taken by .*pid {os.getpid()}.*--port {port + 1}"
        ):
            bind("127.0.0.1", port)


def test_port_is_checked_before_anything_starts(make_workspace: Callable[..., FakeWorkspace]) -> None:
    workspace = make_workspace()
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        with pytest.raises(ConfigError, match="is taken"):
            serve(create_app(workspace), "127.0.0.1", owner.getsockname()[1])
    assert not hasattr(workspace, "store")


def test_bad_address() -> None:
    with pytest.raises(ConfigError, match=r"can't listen on 203\.0\.113\.1"):
        bind("203.0.113.1", 0)


async def test_answers_are_sent_at_once() -> None:
    """What a connection has to say does not wait for the other side's acknowledgement (40 ms on Linux)."""
    accepted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()

    def come(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer.get_extra_info("socket"))

    async with await asyncio.start_server(come, sock=bind("127.0.0.1", 0)) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert (await accepted).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()


def test_what_start_up_raised_comes_out(
    make_workspace: Callable[..., FakeWorkspace], capfd: pytest.CaptureFixture[str]
) -> None:
    from senmon.store.lock import StateLock

    workspace = make_workspace()
    with (
        StateLock(workspace.settings.home / "senmon.db.lock"),
        pytest.raises(StateLocked, match="another senmon server"),
    ):
        serve(create_app(workspace), "127.0.0.1", 0)
    assert "Traceback" not in capfd.readouterr().err


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from server_rig import FakeCatalog, FakeWorkspace
from senmon.server.app import create_app
from senmon.server.serve import serve
from senmon.settings import Settings
workspace = FakeWorkspace(Settings(home=Path(sys.argv[2])), FakeCatalog({}))
serve(create_app(workspace), "127.0.0.1", 0, on_ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


def test_ctrl_c_ends_it_cleanly_with_json_logs(tmp_path: Path) -> None:
    here = str(Path(__file__).parents[1])
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, here, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    url = child.stdout.readline().strip()
    token = httpx.post(f"{url}/v1/visitors").json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    conversation = httpx.post(f"{url}/v1/conversations", headers=headers).json()["conversation_id"]
    body = {"client_id": "1", "text": "wait for it"}
    post = httpx.stream(
        "POST",
        f"{url}/v1/conversations/{conversation}/messages",
        json=body,
        headers={**headers, "Accept": "text/event-stream"},
    )
    with post as response:
        lines = response.iter_lines()
        assert next(lines) == "id: 1"
        child.send_signal(signal.SIGINT)
        rest = "\n".join(lines)
    assert '"interrupted"' in rest
    out, err = child.communicate(timeout=10)
    assert out == "ended\n" and child.returncode == 0
    assert "Traceback" not in err
    assert all(json.loads(line)["level"] in ("info", "warning") for line in err.splitlines())
