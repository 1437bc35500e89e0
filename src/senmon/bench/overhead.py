"""`senmon bench overhead`: what a turn costs around the engine, through the real server; how fast it starts.

The engine is the scripted one. The server runs in a process of its own, so that asking it costs it nothing.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from senmon.bench.timing import Spread
from senmon.errors import ConfigError

Progress = Callable[[str], None]
CONVERSATIONS = 32
START_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class OverheadFigures:
    """CPU milliseconds of the server a turn: all, the sentence encoder's, and the rest, by repetition.

    `latency`: milliseconds from the message to the end of the answer, the median of each repetition.
    `starts`: wall seconds from the start of the process to the first answered request; `start_cpu` its CPU.
    """

    conversations: int
    turns: int
    all: Spread
    embedding: Spread
    rest: Spread
    latency: Spread
    starts: Spread
    start_cpu: Spread


@dataclass(slots=True)
class Running:
    """A server's process: `ask` gives its figures."""

    process: subprocess.Popen[str]
    address: str
    seconds: float

    def ask(self) -> dict[str, float]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        figures: dict[str, float] = json.loads(self.process.stdout.readline())
        return figures


def run(
    command: Sequence[str], texts: Sequence[str], *, repetitions: int, turns: int, progress: Progress
) -> OverheadFigures:
    """`command` starts the server; its state is warm after the first start. ConfigError when it fails."""
    progress("first start: the router is fitted, once for a state")
    with serving(command):
        pass
    starts, cpus = [], []
    for number in range(repetitions):
        progress(f"start {number + 1} of {repetitions}")
        with serving(command) as server:
            starts.append(server.seconds)
            cpus.append(server.ask()["cpu"])
    with serving(command) as server:
        progress("warming up")
        asyncio.run(_talk(server.address, texts, 1, "warm"))
        found = [_measured(server, texts, turns, f"{number}", progress) for number in range(repetitions)]
    whole, embedding, rest, latency = (Spread.of(column) for column in zip(*found, strict=True))
    return OverheadFigures(
        CONVERSATIONS, turns, whole, embedding, rest, latency, Spread.of(starts), Spread.of(cpus)
    )


def _measured(
    server: Running, texts: Sequence[str], turns: int, mark: str, progress: Progress
) -> tuple[float, float, float, float]:
    progress(f"{CONVERSATIONS} conversations of {turns} turns")
    before = server.ask()
    waited = asyncio.run(_talk(server.address, texts, turns, mark))
    after = server.ask()
    count = CONVERSATIONS * turns
    whole = 1000 * (after["cpu"] - before["cpu"]) / count
    embedding = 1000 * (after["embedding"] - before["embedding"]) / count
    return whole, embedding, whole - embedding, 1000 * sorted(waited)[len(waited) // 2]


async def _talk(address: str, texts: Sequence[str], turns: int, mark: str) -> list[float]:
    """All conversations at once; seconds of each turn. No two messages are alike, so that none is cached."""
    limits = httpx.Limits(max_connections=2 * CONVERSATIONS)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        parts = await asyncio.gather(
            *(_conversation(client, texts, turns, f"{mark}-{number}") for number in range(CONVERSATIONS))
        )
    return [second for part in parts for second in part]


async def _conversation(
    client: httpx.AsyncClient, texts: Sequence[str], turns: int, mark: str
) -> list[float]:
    token = (await _post(client, "/v1/visitors", {}, {}))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    id = (await _post(client, "/v1/conversations", {}, headers))["conversation_id"]
    seconds = []
    for turn in range(turns):
        text = f"{texts[hash((mark, turn)) % len(texts)]} ({mark} {turn})"
        body = {"client_id": f"{mark}-{turn}", "text": text}
        start = time.perf_counter()
        async with client.stream(
            "POST",
            f"/v1/conversations/{id}/messages",
            json=body,
            headers={**headers, "Accept": "text/event-stream"},
        ) as response:
            lines = [line async for line in response.aiter_lines()]
        if response.status_code != 200 or "event: done" not in lines:
            raise ConfigError(f"the server did not answer a message: {response.status_code} {lines[-3:]}")
        seconds.append(time.perf_counter() - start)
    return seconds


async def _post(client: httpx.AsyncClient, path: str, body: Any, headers: dict[str, str]) -> Any:
    response = await client.post(path, json=body, headers=headers)
    if response.status_code >= 400:
        raise ConfigError(f"the server refused {path}: {response.status_code} {response.text[:200]}")
    return response.json()


@contextmanager
def serving(command: Sequence[str]) -> Iterator[Running]:
    """The server of `command`, answering. It is ended on the way out."""
    start = time.perf_counter()
    process = subprocess.Popen(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ConfigError("the server of the benchmark did not start", remedy="see what it wrote above")
        address = str(json.loads(line)["address"])
        httpx.get(f"{address}/readyz", timeout=START_SECONDS)
        yield Running(process, address, time.perf_counter() - start)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def questions(files: Sequence[Path]) -> list[str]:
    """First user messages of data files, those short enough to be one."""
    texts = []
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            messages = json.loads(line).get("messages", []) if line.strip() else []
            texts += [
                m["content"] for m in messages[:2] if m.get("role") == "user" and 5 < len(m["content"]) < 300
            ]
    return texts
