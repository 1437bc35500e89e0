"""Load on the packs' own base and adapters: many conversations at once, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.bench.trust_load import Talk, begin, client_for
from senmon.bench.trust_server import REAL, Served, nursery

MANY = 64
#: Visitors who flood a pack, and messages of one visitor of another, which may take so many times as long as
#: theirs: replies of packs are of different lengths.
FLOOD, PROBES, FAIR = 24, 9, 1.5
#: Said to any pack: each makes the model write.
ASKED = (
    "I have a question that is not easy to answer. What do you think of it?",
    "Can you explain to me what you can do for me today?",
    "I don't understand what you said to me yesterday, please say it again",
    "what would you do in my place?",
)


@dataclass(slots=True)
class Answer:
    """What came for one message: its last event, the adapter that made it, tokens written, seconds."""

    last: str = ""
    status: int = 0
    pack: str = ""
    done: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    raw: bytes = b""
    events: list[Mapping[str, Any]] = field(default_factory=list)
    seconds: float = float("inf")

    @property
    def adapter(self) -> str:
        return str(self.done.get("provenance", {}).get("adapter") or "")

    @property
    def tokens(self) -> int:
        return int(self.done.get("usage", {}).get("completion_tokens", 0))


def run(packs: Sequence[Path], effort: Effort, tell: Tell) -> Sequence[Row]:
    many = MANY if effort.points >= 100 else 8
    with workbench() as root, nursery(root / "home", packs, delay=REAL) as born:
        server = born.server()
        adapters = served(server)
        tell(f"real: {many} conversations at once, packs {', '.join(adapters)}")
        rows = [_many(asyncio.run(at_once(server, list(adapters), many)), adapters)]
        names = list(adapters)
        if len(names) > 1:
            tell(f"real: {names[0]} is flooded, one visitor asks {names[1]}")
            rows.append(_fair(asyncio.run(_beside(server, names[1], names[0], many))))
    return rows


def served(server: Served) -> dict[str, str]:
    """The packs that have an adapter, and its version as replies name it."""
    headers = {"Accept": "application/json"}
    told = httpx.get(f"{server.address}/v1/models", headers=headers, timeout=60, trust_env=False).json()
    return {model["id"]: str(model["root"])[:12] for model in told["data"] if model["root"]}


async def at_once(server: Served, packs: Sequence[str], count: int) -> list[Answer]:
    async with client_for(server, count) as client:
        talks = [await begin(client) for _ in range(count)]
        asks = [
            ask(client, talk, ASKED[number % len(ASKED)], packs[number % len(packs)])
            for number, talk in enumerate(talks)
        ]
        return list(await asyncio.gather(*asks))


async def ask(client: httpx.AsyncClient, talk: Talk, text: str, pack: str, number: int = 0) -> Answer:
    """One message to a pack, heard to its end."""
    answer = Answer(pack=pack)
    body = {"client_id": f"m{number}", "text": text, "pack": pack}
    path, headers = f"/v1/conversations/{talk[0]}/messages", {**talk[1], "Accept": "text/event-stream"}
    begun = time.perf_counter()
    try:
        async with client.stream("POST", path, json=body, headers=headers) as response:
            answer.status, answer.raw = response.status_code, await response.aread()
    except httpx.HTTPError as error:
        answer.last = repr(error)[:80]
        return answer
    answer.seconds = time.perf_counter() - begun
    for line in answer.raw.decode("utf-8").splitlines():
        if line.startswith("data: "):
            answer.events.append(json.loads(line.removeprefix("data: ")))
    answer.text = "".join(each["data"]["text"] for each in answer.events if each["type"] == "delta")
    if answer.events:
        answer.last, answer.done = str(answer.events[-1]["type"]), answer.events[-1]["data"]
    return answer


def _many(answers: Sequence[Answer], adapters: Mapping[str, str]) -> Row:
    what = (
        f"{len(answers)} conversations at once on the real base: answered to the end by their pack's adapter"
    )
    count = Count("real", what)
    for number, answer in enumerate(answers):
        with count.point(f"conversation {number}"):
            must(answer.last == "done", f"status {answer.status}, the stream ended with {answer.last}")
            must(answer.adapter == adapters[answer.pack], f"{answer.pack} answered by {answer.adapter}")
    tokens, slowest = sum(answer.tokens for answer in answers), max(answer.seconds for answer in answers)
    return count.row(f"all within {slowest:.1f} s, {tokens} tokens written")


@dataclass(slots=True)
class Beside:
    """Answers to one visitor of a pack: alone, and beside the flood of another; and to those of the flood."""

    alone: list[Answer] = field(default_factory=list)
    calm: list[Answer] = field(default_factory=list)
    loud: list[Answer] = field(default_factory=list)


async def _beside(server: Served, calm: str, loud: str, many: int) -> Beside:
    found = Beside()
    async with client_for(server, 2 * many) as client:
        found.alone = await _probes(client, calm)
        talks = [await begin(client) for _ in range(min(FLOOD, many))]
        stop = asyncio.Event()
        flood = [asyncio.create_task(_flood(client, talk, loud, stop, found.loud)) for talk in talks]
        await asyncio.sleep(1.0)
        found.calm = await _probes(client, calm)
        stop.set()
        await asyncio.gather(*flood)
    return found


async def _probes(client: httpx.AsyncClient, pack: str) -> list[Answer]:
    talks = [await begin(client) for _ in range(PROBES)]
    return [await ask(client, talk, ASKED[number % len(ASKED)], pack) for number, talk in enumerate(talks)]


async def _flood(
    client: httpx.AsyncClient, talk: Talk, pack: str, stop: asyncio.Event, heard: list[Answer]
) -> None:
    number = 0
    while not stop.is_set():
        heard.append(await ask(client, talk, ASKED[number % len(ASKED)], pack, number))
        number += 1


def _fair(found: Beside) -> Row:
    what = (
        f"one pack is flooded by {FLOOD} visitors: another's is answered within {FAIR:g} times their median"
    )
    count = Count("real", what)
    for number, answer in enumerate(found.calm):
        with count.point(f"message {number}"):
            must(answer.last == "done", f"status {answer.status}, the stream ended with {answer.last}")
    alone, calm, loud = map(_median, (found.alone, found.calm, found.loud))
    with count.point("pace"):
        must(calm <= FAIR * loud, f"{calm:.2f} s, those of the flood {loud:.2f} s")
    return count.row(f"medians: {alone:.2f} s alone, {calm:.2f} s beside {loud:.2f} s of the flood's own")


def _median(answers: Sequence[Answer]) -> float:
    return sorted(each.seconds for each in answers)[len(answers) // 2]
