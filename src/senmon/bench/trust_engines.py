"""Model servers that die while they write, and visitors who leave while they are written to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.bases.catalog import EMBEDDED_PATH, BaseFiles, resolve
from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.engines.local import LocalEngine
from senmon.engines.local_batch import Batch
from senmon.engines.local_scheduler import Scheduler
from senmon.engines.openai import OpenAIEngine
from senmon.engines.protocol import Chunk, GenerateRequest, Sampling
from senmon.knowledge import Knowledge
from senmon.messages import Conversation, Event, Identity, Message
from senmon.packs.loader import load_pack
from senmon.packs.scaffold import scaffold
from senmon.rendering import prefix_message

WORDS = tuple(f"word{number}{'. ' if number % 6 == 5 else ' '}" for number in range(36))
WHOLE = "".join(WORDS).strip()
#: Conversations that are written to at once when one of them is left.
STREAMS = 4
LONGEST = 120
#: Seconds after which a reply counts as stuck.
PATIENCE = 60.0


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    with workbench() as root:
        rows = asyncio.run(replicas(root, effort, tell))
        return [*rows, *asyncio.run(leaving(resolve(str(EMBEDDED_PATH)), effort, tell))]


# --- replicas


@dataclass(slots=True)
class Replica:
    """A model server that speaks OpenAI's streams, and dies when it has sent so many words."""

    dies_after: int = len(WORDS) + 1
    asked: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def die(self) -> None:
        """As a killed process does: nobody listens, every connection is cut."""
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/chat/completions" in head.partition(b"\r\n")[0]:
                self.asked += 1
                await self._write(writer)
        self._open.discard(writer)
        writer.close()

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for number, word in enumerate((*WORDS, "")):
            if number == self.dies_after:
                self.die()
                return
            end = None if word else "stop"
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": end}
            writer.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()


async def replicas(root: Path, effort: Effort, tell: Tell) -> Sequence[Row]:
    count = Count("engines", "model server killed while it writes: what was sent stays, the end is an error")
    again = Count("engines", "killed before its first word, and the next message: another server answers")
    pack = load_pack(scaffold("shop", root))
    served = ServedPack(pack=pack, prefix=prefix_message(pack), knowledge=Knowledge((), None), checks=())
    draw = effort.draw("replicas")
    tell(f"engines: {effort.points} model servers killed")
    for _ in range(effort.points):
        await _replica(served, draw.randint(0, len(WORDS)), count, again)
    return [count.row(f"after 1 to {len(WORDS)} words, two servers"), again.row()]


async def _replica(served: ServedPack, after: int, count: Count, again: Count) -> None:
    both = [Replica(after), Replica(after)]
    engine = OpenAIEngine([await each.start() for each in both])
    catalog = Catalog(packs={"shop": served}, router=None)
    assistant = Assistant(engine, ActionRunner(lambda pack: True), lambda: catalog)
    try:
        place = f"after {after} words"
        with (again if after == 0 else count).point(place):
            task = asyncio.create_task(_reply(assistant))
            await _until_asked(both, task)
            events = await task
            said = "".join(event.data["text"] for event in events if event.type == "delta")
            must(WHOLE.startswith(said.strip()), f"it said what no server wrote: {said[-60:]!r}")
            if after == 0:
                must(events[-1].type == "done" and said.strip() == WHOLE, f"it ended with {events[-1].data}")
            else:
                must(events[-1].type == "error", f"half a reply ended with {events[-1].type}")
                must(events[-1].data["code"] == "engine_unavailable", f"{events[-1].data}")
        with again.point(f"the message {place}"):
            events = await _reply(assistant)
            must(events[-1].type == "done", f"it ended with {events[-1].data}")
            stats = engine.stats()
            must(stats.active == stats.waiting == 0, f"{stats.active} places are still taken")
    finally:
        await engine.close()
        for each in both:
            each.die()


async def _until_asked(both: Sequence[Replica], task: asyncio.Task[list[Event]]) -> None:
    """The one that is asked keeps its death; the other one gets none."""
    while not (task.done() or any(each.asked for each in both)):
        await asyncio.sleep(0)
    for each in both:
        if not each.asked:
            each.dies_after = len(WORDS) + 1


async def _reply(assistant: Assistant) -> list[Event]:
    async with asyncio.timeout(PATIENCE):
        reply = assistant.reply(Conversation(id="c"), "hello", Identity("local", "visitor"), pinned="shop")
        return [event async for event in reply]


# --- visitors who leave


async def leaving(base: BaseFiles, effort: Effort, tell: Tell) -> Sequence[Row]:
    """One of several replies is left at a drawn token; the others go on."""
    count = Count("engines", "visitor leaves: writing stops within one step, the place is free, others go on")
    tell(f"engines: {effort.points} visitors leave")
    draw, most = effort.draw("leaving"), 0
    with _steps() as steps:
        engine = LocalEngine(base, slots=STREAMS, queue=STREAMS, threads=1)
        try:
            await _stayed(engine, draw.randint(0, 9))  # the first reply loads what the others use
            for number in range(effort.points):
                with count.point(f"visitor {number + 1}"):
                    most = max(most, await _left(engine, steps, draw))
        finally:
            await engine.close()
    return [count.row(f"at most {most} steps after the visitor left, {STREAMS} replies at once")]


@dataclass(slots=True)
class Steps:
    """Steps that were made, and how many there were when each cancelled reply ended."""

    made: int = 0
    ended: list[int] = field(default_factory=list)


@contextmanager
def _steps() -> Iterator[Steps]:
    """Counts the steps of the batch of this process."""
    found, step, ended = Steps(), Batch.step, Scheduler.ended

    def counted(self, next_row):  # type: ignore[no-untyped-def]
        written = step(self, next_row)
        found.made += 1
        return written

    def noted(self, row):  # type: ignore[no-untyped-def]
        if row.job.outbox.cancelled:
            found.ended.append(found.made)
        ended(self, row)

    Batch.step, Scheduler.ended = counted, noted  # type: ignore[method-assign]
    try:
        yield found
    finally:
        Batch.step, Scheduler.ended = step, ended  # type: ignore[method-assign]


def _request(seed: int, tokens: int) -> GenerateRequest:
    messages = (Message("system", "Help."), Message("user", f"tell me all that you know of {seed}"))
    return GenerateRequest(messages, sampling=Sampling(max_tokens=tokens, temperature=1.5, seed=seed))


async def _stayed(engine: LocalEngine, seed: int) -> int:
    """Tokens of a reply that is heard to its end."""
    tokens = 0
    async for chunk in engine.generate(_request(seed, 12)):
        tokens = chunk.usage.completion_tokens if chunk.usage else tokens
    return tokens


async def _left(engine: LocalEngine, steps: Steps, draw: random.Random) -> int:
    """Steps that were made after the visitor had left until the reply's end."""
    before, known = engine.stats().cancelled, len(steps.ended)
    others = [asyncio.create_task(_stayed(engine, draw.randint(0, 999))) for _ in range(STREAMS - 1)]
    at = None
    async with asyncio.timeout(PATIENCE):
        while at is None:  # some replies end by themselves before
            at = await _cut(engine, steps, draw)
        tokens = await asyncio.gather(*others)
        while engine.stats().active or engine.stats().waiting:
            await asyncio.sleep(0.002)
    must(all(tokens), "a reply beside it was cut")
    must(engine.stats().cancelled == before + 1 and len(steps.ended) == known + 1, "it was not stopped")
    after = steps.ended[-1] - at
    must(after <= 1, f"{after} steps were made for nobody")
    return after


async def _cut(engine: LocalEngine, steps: Steps, draw: random.Random) -> int | None:
    """Leaves a reply at its drawn piece: how many steps there were. None when it ended before that."""
    wanted, heard = draw.randint(1, 8), 0
    stream: AsyncGenerator[Chunk, None] = engine.generate(_request(draw.randint(0, 999), LONGEST))
    async with contextlib.aclosing(stream):
        async for chunk in stream:
            heard += 1
            if heard == wanted and chunk.finish is None:
                return steps.made
    return None
