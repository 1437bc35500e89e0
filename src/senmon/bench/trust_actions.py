"""Servers of actions that are slow, dead, or answer with what nobody can use: the visitor hears the pack's
`failed` text in time, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import socket
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.engines.scripted import ScriptedEngine
from senmon.knowledge import Knowledge
from senmon.messages import Conversation, Event, Identity, ToolCall
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.rendering import prefix_message

#: Seconds that an action may take, and how much later the reply must be there even on a busy machine.
TIMEOUT, LATER = 0.5, 10.0
#: Mebibytes by which the process may grow, whatever is sent to it.
GROWTH = 64
FAILED = "That did not work just now."
RUNTIMES = ("server", "http")
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _says(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> Answer:
    """An answer that goes out as it is; `length` is what it claims."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        claimed = len(body) if length is None else length
        head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {claimed}", "", ""])
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


def _after(head: bytes, piece: bytes, pause: float) -> Answer:
    """`head`, then `piece` again and again until nobody listens any more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        listening = asyncio.create_task(_hung_up(reader))
        try:
            while not listening.done():
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        finally:
            listening.cancel()

    return answer


async def _hung_up(reader: asyncio.StreamReader) -> None:
    """Until the other side does."""
    with suppress(OSError):
        await reader.read()


def _bomb() -> bytes:
    """128 MiB of spaces in a few kilobytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(128)) + packer.flush()


ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999999999\r\n\r\n"
JSON = "Content-Type: application/json"


@cache
def _faults() -> dict[str, Answer]:
    """Path → what is answered there."""
    return {
        "silent": _after(b"", b"", 0.2),
        "closes": _nothing,
        "garbage": _after(bytes(range(256)), b"\x00\xff", 0.05),
        "page": _says(b"<html><body>It works!</body></html>", "Content-Type: text/html"),
        "text": _says(b"all is well", "Content-Type: text/plain"),
        "null": _says(b"null", JSON),
        "wrong": _says(b'{"events": "none", "responses": 7}', JSON),
        "list": _says(b'[["order"]]', JSON),
        "deep": _says(b"[" * 100_000, JSON),
        "endless": _after(ENDLESS, b"4000\r\n" + b"x" * 16384 + b"\r\n", 0.002),
        "huge": _after(LONG, b" " * 65536, 0.002),
        "headers": _after(LONG, b"", 0.2),
        "drips": _after(LONG, b"{", 0.02),
        "short": _says(b'{"events": [', JSON, length=1000),
        "bomb": _says(_bomb(), JSON, "Content-Encoding: gzip"),
        "unpacked": _says(b"no gzip at all", JSON, "Content-Encoding: gzip"),
        "error": _says(b'{"error": "secret words"}', JSON, status="500 Oh"),
        "away": _says(b"", "Location: http://169.254.169.254/latest", status="302 Found"),
        "heads": _after(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"y" * 4000 + b"\r\n", 0.002),
        "unicode": _says(b'{"events": [], "responses": [{"text": "\xff\xfe"}]}', JSON),
    }


async def _nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return None


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    with workbench() as root:
        return asyncio.run(_tried(root, effort, tell))


async def _tried(root: Path, effort: Effort, tell: Tell) -> Sequence[Row]:
    count = Count("actions", "action server broken: the pack's words for it, in time, nothing else")
    left = Count("actions", "afterwards no thread, task or connection is left, and memory did not grow")
    async with _server(_faults()) as address:
        served = {
            f"{runtime}-{name}": _pack(root, runtime, name, address)
            for runtime in RUNTIMES
            for name in (*_faults(), "dead")
        }
        assistant = _assistant(served)
        names = list(served)
        rounds = -(-effort.points // len(names))
        for number in range(rounds):
            tell(f"actions: {number + 1} of {rounds} times {len(names)} broken servers")
            before = await _held()
            await asyncio.gather(*(_turn(assistant, name, count) for name in names))
            with left.point(f"round {number + 1}"):
                await _nothing_left(before, first=number == 0)
    return [
        count.row(f"{len(names) // 2} ways to be broken, as an action server and as a web service"),
        left.row(),
    ]


@asynccontextmanager
async def _server(faults: dict[str, Answer]) -> AsyncIterator[str]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            await faults[head.split(b" ")[1].decode().strip("/")](reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def _pack(root: Path, runtime: str, name: str, address: str) -> ServedPack:
    if name == "dead":  # a port of nobody
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    spec: dict[str, object] = {
        "name": "act",
        "description": "x",
        "parameters": {"type": "object", "properties": {}},
        "timeout_seconds": TIMEOUT,
        "reply": "rephrase",
    }
    actions: dict[str, object] = {"runtime": runtime, "specs": [spec]}
    if runtime == "http":
        actions["http"] = {"url": address}
        spec["http"] = {"method": "POST", "url": f"/{name}", "result": {"order.eta": "eta"}}
    else:
        actions["url"] = f"{address}/{name}"
    pack = _written(root / f"{runtime}-{name}", actions)
    return ServedPack(pack=pack, prefix=prefix_message(pack), knowledge=Knowledge((), None), checks=())


def _written(folder: Path, actions: dict[str, object]) -> Pack:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "x.jsonl").touch()
    (folder / "system.md").write_text("Help.", encoding="utf-8")
    manifest = {
        "name": folder.name,
        "title": "Shop",
        "description": "A shop.",
        "licence": "CC0-1.0",
        "actions": actions,
        "texts": {"failed": FAILED},
    }
    (folder / "pack.yaml").write_text(json.dumps(manifest), encoding="utf-8")
    return load_pack(folder)


def _assistant(served: dict[str, ServedPack]) -> Assistant:
    engine = ScriptedEngine(lambda request: ToolCall("call_1", "act", {}))
    catalog = Catalog(packs=served, router=None)
    return Assistant(engine, ActionRunner(lambda pack: True), lambda: catalog)


async def _turn(assistant: Assistant, name: str, count: Count) -> None:
    with count.point(name):
        begun = time.monotonic()
        conversation = Conversation(id="c", messages=())
        reply = assistant.reply(conversation, "do it", Identity("local", "visitor"), pinned=name)
        events: list[Event] = [event async for event in reply]
        took = time.monotonic() - begun
        said = "".join(event.data["text"] for event in events if event.type == "delta")
        states = [event.data["status"] for event in events if event.type == "action"]
        must(said == FAILED, f"it said {said[:80]!r}")
        must(states == ["started", "failed"], f"the action was {states}")
        must(events[-1].type == "done", f"it ended with {events[-1].type}")
        must("secret words" not in str(events), "what the server said about itself was told")
        must(took < TIMEOUT + LATER, f"it took {took:.1f} s")


async def _held() -> tuple[int, int, int, int]:
    """Threads, tasks and open files of this process, and the most memory that it ever had, in mebibytes."""
    await asyncio.sleep(0)
    gc.collect()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return (
        threading.active_count(),
        len(asyncio.all_tasks()),
        len(list(Path("/proc/self/fd").iterdir())),
        peak,
    )


async def _nothing_left(before: tuple[int, int, int, int], *, first: bool) -> None:
    """What closes needs a moment. The first round may start threads that are kept, for names of hosts."""
    kept = 8 if first else 0
    for _ in range(100):
        now = await _held()
        if now[0] <= before[0] + kept and now[1] <= before[1] and now[2] <= before[2]:
            break
        await asyncio.sleep(0.05)
    must(now[0] <= before[0] + kept, f"{now[0] - before[0]} threads more")
    must(now[1] <= before[1], f"{now[1] - before[1]} tasks more")
    must(now[2] <= before[2], f"{now[2] - before[2]} open files more")
    must(now[3] - before[3] < GROWTH, f"memory grew by {now[3] - before[3]} MiB")
