"""A long time under little load: what grows, and what is left when everybody has gone."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import httpx

from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.bench.trust_load import Heard, Talk, begin, client_for, say
from senmon.bench.trust_server import REAL, Served, nursery
from senmon.packs.scaffold import scaffold

#: An hour of it may add so many mebibytes: the upper end of the 95 % interval.
GROWTH = 32.0
#: Messages a second: of the scripted engine, and of the packs' own base, which takes a core for each.
RATE, REAL_RATE = 1.0, 1 / 15
#: Samples, and of their second half the parts whose means the slope is taken of: neighbours are alike.
SAMPLES, BLOCKS = 120, 8
#: Student's t, 97.5 %, of so many parts less 2.
T = 2.447
#: A conversation is so many messages long at most; of so many messages one is left half-way.
LENGTH, LEFT = 6, 10
#: Conversations at once before anything is watched: enough to fill the cache of prefixes.
WARM = 64
#: Seconds until everything that was begun has ended and what was kept open is closed.
REST = 12.0
ASKED = (
    "hello",
    "Where is my order A1001?",
    "How long do I have to send something back?",
    "Which jackets do you have?",
    "Solve 3x - 7 = 11 with me",
    "What is a prime number?",
    "thank you",
)
FIGURE = re.compile(
    r"^(senmon_tasks|senmon_runs_live|senmon_engine_(?:active|waiting|completion_tokens_total)) (\S+)$", re.M
)
TOKENS = "senmon_engine_completion_tokens_total"


@dataclass(slots=True)
class Watched:
    """A server over time: seconds and mebibytes; what it had before anybody came, and when all had gone."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)

    def slope(self) -> tuple[float, float, float]:
        """Mebibytes an hour over the second half, when caches are filled, and the 95 % interval."""
        half = len(self.memory) // 2
        size = max(1, (len(self.memory) - half) // BLOCKS)
        starts = range(half, half + size * BLOCKS, size)
        x = [fmean(self.seconds[at : at + size]) / 3600 for at in starts]
        y = [fmean(self.memory[at : at + size]) for at in starts]
        spread = sum((each - fmean(x)) ** 2 for each in x)
        per_hour = sum((a - fmean(x)) * (b - fmean(y)) for a, b in zip(x, y, strict=True)) / spread
        rest = [b - fmean(y) - per_hour * (a - fmean(x)) for a, b in zip(x, y, strict=True)]
        wide = T * (sum(each**2 for each in rest) / (len(x) - 2) / spread) ** 0.5
        return per_hour, per_hour - wide, per_hour + wide


def run(packs: Sequence[Path], effort: Effort, tell: Tell) -> Sequence[Row]:
    """Half an hour where the load of other parts lasts a minute; both servers at the same time."""
    seconds = effort.seconds * (30 if effort.points >= 100 else 5)
    with workbench() as root:
        (root / "packs").mkdir()
        scaffold("shop", root / "packs")
        tell(f"soak: {seconds / 60:.0f} minutes")
        with (
            nursery(root / "many", [root / "packs"]) as scripted,
            nursery(root / "real", packs, delay=REAL) as real,
        ):
            both = scripted.server(), real.server()
            found = asyncio.run(_both(both, seconds, effort))
    names = ("scripted engine", "the packs' own base and adapters")
    return [
        row
        for name, (heard, watched) in zip(names, found, strict=True)
        for row in _rows(name, heard, watched)
    ]


async def _both(
    servers: tuple[Served, Served], seconds: float, effort: Effort
) -> list[tuple[Heard, Watched]]:
    draws = effort.draw("soak scripted"), effort.draw("soak real")
    rates = RATE, REAL_RATE
    soaks = [soak(*each, seconds) for each in zip(servers, rates, draws, strict=True)]
    return list(await asyncio.gather(*soaks))


async def soak(server: Served, rate: float, draw: random.Random, seconds: float) -> tuple[Heard, Watched]:
    heard, watched = Heard(), Watched()
    async with client_for(server, 200) as client:
        # What is loaded at first, connections that are kept, caches that fill: none of it is growth.
        await asyncio.gather(*(_talk(client, LENGTH, draw, Heard()) for _ in range(WARM)))
        watched.before = await _figures(server, client)
        watching = asyncio.create_task(_watch(server, seconds, watched))
        talks: set[asyncio.Task[None]] = set()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            length = draw.randint(1, LENGTH)
            talks.add(task := asyncio.create_task(_talk(client, length, draw, heard)))
            task.add_done_callback(talks.discard)
            await asyncio.sleep(min(draw.expovariate(rate / length), max(0.0, end - time.perf_counter())))
        await asyncio.gather(*talks)
        await watching
    await asyncio.sleep(REST)
    async with client_for(server, 1) as client:
        watched.after = await _figures(server, client)
    return heard, watched


async def _watch(server: Served, seconds: float, watched: Watched) -> None:
    begun = time.perf_counter()
    for number in range(SAMPLES):
        await asyncio.sleep(max(0.0, begun + (number + 1) * seconds / SAMPLES - time.perf_counter()))
        watched.seconds.append(time.perf_counter() - begun)
        watched.memory.append(server.memory())


async def _talk(client: httpx.AsyncClient, length: int, draw: random.Random, heard: Heard) -> None:
    try:
        talk = await begin(client)
    except httpx.HTTPError as error:
        heard.broken.append(repr(error)[:160])
        return
    for number in range(length):
        if draw.randrange(LEFT) == 0:
            await _leave(client, talk, draw.choice(ASKED), number, heard)
        else:
            await say(client, talk, draw.choice(ASKED), heard, pack=None, client_id=f"m{number}")


async def _leave(client: httpx.AsyncClient, talk: Talk, text: str, number: int, heard: Heard) -> None:
    """Goes away in the middle of the reply, then stops it, as a closed tab and a visitor's button do."""
    path, headers = f"/v1/conversations/{talk[0]}/messages", {**talk[1], "Accept": "text/event-stream"}
    body = {"client_id": f"m{number}", "text": text}
    try:
        async with client.stream("POST", path, json=body, headers=headers) as response:
            async for _ in response.aiter_lines():
                break
        told = (await client.get(f"/v1/conversations/{talk[0]}", headers=talk[1])).json()
        if told["active_run"] is not None:
            await client.delete(f"/v1/runs/{told['active_run']}", headers=talk[1])
    except httpx.HTTPError as error:
        heard.broken.append(repr(error)[:160])


async def _figures(server: Served, client: httpx.AsyncClient) -> dict[str, float]:
    text = (await client.get("/metrics")).text
    told = {name: float(value) for name, value in FIGURE.findall(text)}
    return {**told, "threads": server.threads(), "files": server.files()}


def _rows(name: str, heard: Heard, watched: Watched) -> Sequence[Row]:
    minutes = watched.seconds[-1] / 60
    answered = Count("soak", f"{name}, {minutes:.0f} minutes: each message answered to its end")
    answered.points = len(heard.seconds) + len(heard.broken) + sum(heard.refused.values())
    answered.failed = [*heard.broken, *(f"status {status}" for status in heard.refused)]
    flat = Count("soak", f"{name}: an hour adds less than {GROWTH:g} MiB (upper end of the interval)")
    slope, low, high = watched.slope()
    with flat.point("memory"):
        must(high < GROWTH, f"up to {high:.1f} MiB an hour")
    left = Count("soak", f"{name}: afterwards nothing is under way, no slot, file or task is left over")
    for what, had in _left(watched).items():
        with left.point(what):
            must(had <= 0, f"{had:+.0f} {what}")
    grown = f"{slope:+.1f} MiB an hour ({low:+.1f} to {high:+.1f}), {watched.memory[-1]:.0f} MiB at the end"
    pairs = {what: (had, watched.after[what]) for what, had in watched.before.items() if what != TOKENS}
    kept = ", ".join(f"{_words(what)} {had:.0f} → {has:.0f}" for what, (had, has) in pairs.items())
    tokens = watched.after.get(TOKENS, 0.0) - watched.before.get(TOKENS, 0.0)
    written = f", {tokens:.0f} tokens written" if tokens else ""
    return [
        answered.row(f"95 % within {heard.percentile(0.95):.2f} s{written}"),
        flat.row(grown),
        left.row(kept),
    ]


def _words(figure: str) -> str:
    return figure.removeprefix("senmon_").replace("_", " ")


def _left(watched: Watched) -> dict[str, float]:
    """What there is more of than when nobody had come. Pools keep their threads; their number is bounded."""
    now, then = watched.after, watched.before
    busy: dict[str, float] = {
        name: now[name]
        for name in ("senmon_runs_live", "senmon_engine_active", "senmon_engine_waiting")
        if name in now
    }
    # The one who counts had a connection then too.
    return {**busy, **{name: now[name] - then[name] for name in ("senmon_tasks", "files") if name in then}}
