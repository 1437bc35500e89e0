"""What a deployment's log holds, at its most talkative: JSON lines, and nothing that anybody said."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from senmon.actions.server import ActionServer
from senmon.errors import ActionError
from server_rig import SECRET_WORDS

SCRIPT = """
import asyncio, gc, sys
from pathlib import Path
from senmon.messages import Event, Identity
from senmon.server.logging import configure_logging
from senmon.store.store import Store

WORDS = sys.argv[2]

async def fails():
    raise RuntimeError(WORDS)

async def main():
    store = await Store.open(Path(sys.argv[1]))
    made = await store.create_conversation(Identity())
    opening = Event("run", {}, {"messages": [{"role": "user", "content": WORDS}]})
    run = await store.start_run(made.id, "1", WORDS, opening=opening)
    await store.append(run.id, Event("delta", {"text": WORDS}))
    await store.conversation_events(made.id)
    asyncio.get_running_loop().call_soon(int, WORDS)
    asyncio.create_task(fails())
    await asyncio.sleep(0.05)
    gc.collect()
    await store.close()

configure_logging(sys.argv[3])
asyncio.run(main())
"""


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_no_library_writes_out_what_was_said(tmp_path: Path, level: str) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), SECRET_WORDS, level]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["exception"] for line in lines if "exception" in line} == {"ValueError", "RuntimeError"}
    assert SECRET_WORDS not in done.stderr and "4711" not in done.stderr


@pytest.mark.parametrize("answer", [(400, SECRET_WORDS), (500, SECRET_WORDS), (200, SECRET_WORDS), None])
async def test_what_an_action_server_answers_is_not_logged(
    caplog: pytest.LogCaptureFixture, answer: tuple[int, str] | None
) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if answer is None:
            raise httpx.ConnectError(SECRET_WORDS)
        return httpx.Response(answer[0], stream=httpx.ByteStream(answer[1].encode()))

    server = ActionServer(httpx.MockTransport(reply))
    tracker: dict[str, Any] = {"sender_id": "s"}
    with caplog.at_level(logging.DEBUG, logger="senmon"), pytest.raises(ActionError):
        await server.call("http://actions.example/webhook", "look", tracker, {}, 5)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("senmon")]
    assert ours and all(SECRET_WORDS not in line for line in ours)
