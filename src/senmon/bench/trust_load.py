"""Load that does not wait for answers: messages come when they come (Poisson), as those of people do.

First at the server's pace, then at five times what it takes: who is refused is told when to come again, who
is let in is answered as fast as before.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx

from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.bench.trust_server import Nursery, Served, nursery
from senmon.packs.scaffold import scaffold

#: Replies under way at once, of the server under overload, and seconds that its engine takes for a word.
PLACES, WORD = 24, 0.04
TIMES = 5
#: An admitted message may take so many times as long as one without overload (95th percentile of both).
SLOWER = 3.0
#: Mebibytes that the server may grow by from the middle of a soak to its end.
GROWTH = 32.0
#: Of the CPU that an answer takes, a refusal may take so much.
CHEAPER = 0.1
#: So many are made to know what one costs; seconds of peace before, and until all places are surely taken.
REFUSALS, REST, PATIENCE = 200, 2.0, 5.0
#: One visitor's messages may slow down those of others by so much while they are five times what is taken.
FAIR = 1.5
#: A machine that stood still for so long measured nothing; it may try so often.
STILL, TRIES = 0.5, 3


@dataclass(slots=True)
class Heard:
    """Seconds until the last event of messages that were answered; of the others the status, and how many
    of them came without Retry-After."""

    seconds: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    silent: int = 0
    broken: list[str] = field(default_factory=list)
    #: How long this program, which has next to nothing to do, was kept from running.
    still: float = 0.0

    @property
    def refusals(self) -> int:
        return sum(self.refused.values())

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@dataclass(frozen=True, slots=True)
class Overload:
    """Latencies before and under overload, for the plot."""

    before: tuple[float, ...]
    under: tuple[float, ...]
    refused: int


async def talk_at_once(server: Served, count: int) -> Heard:
    """So many conversations, each with one message that streams, all under way together."""
    heard = Heard()
    async with client_for(server, 2 * count) as client:
        talks = [await begin(client) for _ in range(count)]
        await asyncio.gather(*(say(client, talk, "hello", heard) for talk in talks))
    return heard


async def open_loop(
    server: Served, rate: float, seconds: float, draw: random.Random, *, loud: bool = False
) -> Heard:
    """`rate` messages a second for so long, answered or not; a conversation each, and a visitor of its own or
    one, who is `loud`, for all of them."""
    heard, tasks = Heard(), set[asyncio.Task[None]]()
    async with client_for(server, 4000) as client:
        headers = (await begin(client))[1] if loud else None
        free = [await begin(client, headers) for _ in range(PLACES * (TIMES + 3))]
        watching = asyncio.create_task(_watch(heard))
        end, number = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            await asyncio.sleep(draw.expovariate(rate))
            talk = free.pop() if free else await begin(client, headers)
            task = asyncio.create_task(say(client, talk, f"m{number}", heard))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(partial(_freed, free, talk))
            number += 1
        if tasks:
            await asyncio.wait(tasks)
        watching.cancel()
    return heard


async def _watch(heard: Heard) -> None:
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0.05)
        heard.still = max(heard.still, time.perf_counter() - begun - 0.05)


def _freed(free: list[Talk], talk: Talk, _: asyncio.Task[None]) -> None:
    free.append(talk)


def client_for(server: Served, most: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
    return httpx.AsyncClient(base_url=server.address, timeout=120, limits=limits, trust_env=False)


Talk = tuple[str, dict[str, str]]


async def begin(client: httpx.AsyncClient, headers: dict[str, str] | None = None) -> Talk:
    """A conversation, of a new visitor where no `headers` of one are given."""
    if headers is None:
        token = (await client.post("/v1/visitors")).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
    answer = await client.post("/v1/conversations", headers=headers)
    return answer.json()["conversation_id"], headers


async def say(
    client: httpx.AsyncClient,
    talk: Talk,
    text: str,
    heard: Heard,
    *,
    pack: str | None = "shop",
    client_id: str = "",
) -> None:
    """One message, heard to its end."""
    body = {"client_id": client_id or text, "text": text, "pack": pack}
    headers = {**talk[1], "Accept": "text/event-stream"}
    start = time.perf_counter()
    try:
        async with client.stream(
            "POST", f"/v1/conversations/{talk[0]}/messages", json=body, headers=headers
        ) as response:
            if response.status_code != 200:
                heard.refused[response.status_code] = heard.refused.get(response.status_code, 0) + 1
                heard.silent += not response.headers.get("Retry-After")
                return
            await _listen(response, start, heard)
    except httpx.HTTPError as error:
        heard.broken.append(repr(error)[:160])


async def _listen(response: httpx.Response, start: float, heard: Heard) -> None:
    last, text = "", False
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            last = line.removeprefix("event: ")
            if last == "delta" and not text:
                text = True
                heard.first.append(time.perf_counter() - start)
    if last == "done":
        heard.seconds.append(time.perf_counter() - start)
    else:
        heard.broken.append(f"the stream ended with {last or 'nothing'}")


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    return measure(effort, tell)[0]


def measure(effort: Effort, tell: Tell) -> tuple[Sequence[Row], Overload]:
    conversations = 500 if effort.points >= 100 else 40
    with workbench() as root:
        packs = root / "packs"
        packs.mkdir()
        scaffold("shop", packs)
        tell(f"load: {conversations} conversations at once")
        with nursery(root / "many", [packs]) as born:
            many = _many(born, conversations)
        with nursery(root / "over", [packs], delay=WORD, live_runs=PLACES) as born:
            found = _undisturbed(lambda: _fresh(born, effort, tell))
    return [many, *_overload(found, effort), _fair(found)], found.plot()


def _fresh(born: Nursery, effort: Effort, tell: Tell) -> Loads:
    server = born.server()
    try:
        return _overloaded(server, effort, tell)
    finally:
        server.kill()


def _many(born: Nursery, conversations: int) -> Row:
    count = Count("load", f"{conversations} conversations streaming at once: each answered to its end")
    heard = asyncio.run(talk_at_once(born.server(), conversations))
    for error in heard.broken:
        count.failed.append(error)
    count.failed += [f"status {status}" for status, times in heard.refused.items() for _ in range(times)]
    count.points = conversations
    return count.row(f"95 % within {heard.percentile(0.95):.2f} s, scripted engine without delay")


@dataclass(frozen=True, slots=True)
class Loads:
    """What one server went through. `answer`, `refusal`: seconds of its CPU for one of them."""

    calm: Heard
    hot: Heard
    beside: Heard
    answer: float
    refusal: float
    grown: float

    @property
    def still(self) -> float:
        return max(self.calm.still, self.hot.still, self.beside.still)

    def plot(self) -> Overload:
        refused = sum(self.hot.refused.values())
        return Overload(tuple(self.calm.seconds), tuple(self.hot.seconds), refused)


def _undisturbed(attempt: Callable[[], Loads]) -> Loads:
    """Measured again where the whole machine stood still; the last attempt counts as it is."""
    for _ in range(TRIES - 1):
        found = attempt()
        if found.still < STILL:
            return found
    return attempt()


def _overloaded(server: Served, effort: Effort, tell: Tell) -> Loads:
    draw = effort.draw("overload")
    asyncio.run(open_loop(server, PLACES / 8, 1.0, draw))  # what is loaded at the first message is no latency
    tell("load: below capacity")
    calm = asyncio.run(open_loop(server, PLACES / 8, effort.seconds / 2, draw))
    rate = TIMES * PLACES / calm.percentile(0.5)
    tell(f"load: {rate:.0f} messages a second, {TIMES} times the capacity")
    middle = server.memory()
    hot = asyncio.run(open_loop(server, rate, effort.seconds, draw))
    grown = server.memory() - middle
    tell("load: one visitor sends as many, others write as before")
    beside = asyncio.run(_beside(server, rate, effort.seconds / 2, draw))
    return Loads(calm, hot, beside, *asyncio.run(_price(server)), grown)


async def _beside(server: Served, rate: float, seconds: float, draw: random.Random) -> Heard:
    """What visitors hear while one of them floods."""
    flood = asyncio.create_task(open_loop(server, rate, seconds + 2, draw, loud=True))
    await asyncio.sleep(2)
    heard = await open_loop(server, PLACES / 8, seconds, draw)
    await flood
    return heard


async def _price(server: Served) -> tuple[float, float]:
    """CPU seconds of the server for one answer, and for one refusal: all places are taken twice, the second
    time with messages that come too late."""
    async with client_for(server, 2 * PLACES) as client:
        talks = [await begin(client) for _ in range(PLACES)]
        late = await begin(client)
        alone, few, _ = await _taken(server, client, talks, late, 0)
        both, many, refused = await _taken(server, client, talks, late, REFUSALS)
    answer = alone / max(1, few)
    return answer, max(0.0, both - many * answer) / refused if refused >= REFUSALS / 4 else float("nan")


async def _taken(
    server: Served, client: httpx.AsyncClient, talks: Sequence[Talk], late: Talk, messages: int
) -> tuple[float, int, int]:
    """CPU seconds while all places are taken and so many messages come too late; how many were answered, and
    how many refused."""
    await asyncio.sleep(REST)
    begun, answered, refused = server.cpu(), Heard(), Heard()
    async with asyncio.TaskGroup() as taking:
        for talk in talks:
            taking.create_task(say(client, talk, f"beside-{messages}", answered))
        until = time.perf_counter() + PATIENCE
        while len(answered.first) + answered.refusals < len(talks) and time.perf_counter() < until:
            await asyncio.sleep(WORD / 4)
        for number in range(messages):
            await say(client, late, f"late-{number}", refused)
    done = len(answered.seconds) + len(refused.seconds)
    return server.cpu() - begun, done, refused.refused.get(429, 0)


def _overload(found: Loads, effort: Effort) -> Sequence[Row]:
    hot, calm = found.hot, found.calm
    refused = sum(hot.refused.values())
    told = Count("load", f"{TIMES} times the capacity: refused with 429 or 503 and Retry-After")
    told.points = refused
    told.failed += [f"status {status}" for status in hot.refused if status not in (429, 503)]
    told.failed += ["no Retry-After"] * hot.silent
    pace = Count("load", f"admitted under overload: 95 % within {SLOWER:g} times what they take without")
    flat = Count("load", f"memory under overload grows by less than {GROWTH:g} MiB")
    whole = Count("load", "admitted under overload: answered to the end")
    whole.points, whole.failed = len(hot.seconds) + len(hot.broken), hot.broken
    with pace.point("overload"):
        slow, before = hot.percentile(0.95), calm.percentile(0.95)
        must(slow < SLOWER * before, f"{slow:.2f} s, without overload {before:.2f} s")
    with flat.point("overload"):
        must(found.grown < GROWTH, f"it grew by {found.grown:.0f} MiB")
    arrived = refused + len(hot.seconds) + len(hot.broken)
    still = f"; the machine stood still for {found.still:.1f} s" if found.still >= STILL else ""
    rows = [
        told.row(f"{arrived} messages in {effort.seconds:.0f} s, {len(hot.seconds)} answered"),
        whole.row(),
        pace.row(f"{calm.percentile(0.95):.2f} s before, {hot.percentile(0.95):.2f} s under overload{still}"),
        flat.row(f"{found.grown:+.1f} MiB"),
        _cheap(found),
    ]
    return [row for row in rows if row.points]


def _cheap(found: Loads) -> Row:
    cheap = Count("load", f"a refusal costs the server less than {CHEAPER:.0%} of the CPU of an answer")
    if found.refusal != found.refusal:
        return cheap.row()  # too few were refused to know
    with cheap.point("refusals"):
        must(found.refusal < CHEAPER * found.answer, f"{found.refusal:.4f} s of {found.answer:.4f} s")
    return cheap.row(f"{1000 * found.refusal:.1f} ms, an answer {1000 * found.answer:.0f} ms")


def _fair(found: Loads) -> Row:
    """Every message of the others is a point: refused or broken it is lost; the pace is one more."""
    calm, beside = found.calm, found.beside
    what = f"one visitor floods: the others are answered, 95 % within {FAIR:g} times what they take without"
    count = Count("load", what, len(beside.seconds), list(beside.broken))
    count.failed += [f"status {status}" for status, times in beside.refused.items() for _ in range(times)]
    count.points += len(count.failed)
    with count.point("pace"):
        slow, before = beside.percentile(0.95), calm.percentile(0.95)
        must(slow < FAIR * before, f"{slow:.2f} s, without the flood {before:.2f} s")
    return count.row(f"{before:.2f} s before, {slow:.2f} s beside the flood")
