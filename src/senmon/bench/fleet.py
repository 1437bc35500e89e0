"""A fleet of servers, simulated event by event (SimPy): replicas that batch as the local engine does,
adapters and prefixes that come and go, conversations that think and ask.

One replica is a machine: a core for the engine, one for everything around it, a desk that reads adapters.
A step prefills at most `chunk` tokens of prompts, then writes a token for every running reply, as
`engines.local_batch` does; what a step has made goes out at its end.
"""

from __future__ import annotations

import math
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal

import simpy

Process = Generator[Any, Any, None]
Balance = Literal["any", "conversation", "pack"]
#: A pack's replicas take a message as long as they have at most this much more than the mean.
_BOUND = 1.25
_HISTORY = 800
#: Share of the work around the engine that comes before it: route, retrieve, the first events.
_BEFORE = 0.7
_RETRY = 2.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of a replica's core. `prompt` and `prompt_token`: to run a prompt; `step`, `row` and `adapter`:
    of one decode step, for each reply in it, for each different adapter in it; `load`: to read an adapter
    from disk; `around`: a turn's work besides the engine."""

    prompt: float
    prompt_token: float
    step: float
    row: float
    adapter: float
    load: float
    around: float

    def times(self, factor: float) -> Costs:
        values = (self.prompt, self.prompt_token, self.step, self.row, self.adapter, self.load, self.around)
        return Costs(*(factor * value for value in values))


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked. `popularity`: Zipf's exponent of the packs. A conversation pauses `think` seconds on
    average between its turns (exponential), has `turns` on average (geometric), and is followed by another.
    `prefix`, `message`: tokens of a pack's prompt and of what a turn adds; `reply`: mean tokens written
    (geometric), `longest` at most."""

    conversations: int
    packs: int
    popularity: float = 1.0
    think: float = 60.0
    turns: float = 5.0
    prefix: int = 250
    message: int = 130
    reply: float = 70.0
    longest: int = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """What answers: replicas of `slots` replies at once, `queue` more waiting, `adapters` and
    `prefix_tokens` kept in memory, and who gets a message: `any` (the least busy), `conversation` (the same
    for all its turns), `pack` (the same few for a pack, while they are not much busier than the rest)."""

    replicas: int
    slots: int = 16
    queue: int = 64
    adapters: int = 64
    prefix_tokens: int = 16_384
    chunk: int = 256
    balance: Balance = "pack"


@dataclass(frozen=True, slots=True)
class Ask:
    """One message: when, of which pack and conversation, and its tokens."""

    at: float
    pack: int
    conversation: int
    prefix: int
    message: int
    reply: int
    history: int = 0


@dataclass(slots=True)
class Seen:
    """What happened after the warm-up. Seconds from the message's arrival."""

    seconds: float = 0.0
    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    refused: int = 0
    loads: int = 0
    hits: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    engine_busy: float = 0.0
    around_busy: float = 0.0
    desk_busy: float = 0.0
    waiting: float = 0.0

    def rate(self) -> float:
        """Turns a second."""
        return len(self.last) / self.seconds if self.seconds else 0.0


@dataclass(eq=False, slots=True)
class _Job:
    ask: Ask
    done: simpy.Event
    pending: int
    first: float = 0.0


class Kept:
    """What a replica keeps, the least recent going first. `most` counts entries or their sizes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sizes: OrderedDict[object, int] = OrderedDict()
        self._sum = 0

    def has(self, key: object) -> bool:
        if key not in self._sizes:
            return False
        self._sizes.move_to_end(key)
        return True

    def keep(self, key: object, size: int = 1) -> None:
        self._sum += size - self._sizes.pop(key, 0)
        self._sizes[key] = size
        while self._sum > self._most and len(self._sizes) > 1:
            self._sum -= self._sizes.popitem(last=False)[1]


class Replica:
    """One machine."""

    def __init__(self, world: World, costs: Costs, plan: Plan) -> None:
        self._world, self._costs, self._plan = world, costs, plan
        self.server = simpy.Resource(world.env, 1)
        self.desk = simpy.Resource(world.env, 1)
        self.adapters, self.prefixes = Kept(plan.adapters), Kept(plan.prefix_tokens)
        self.places = 0
        self._waiting: deque[_Job] = deque()
        self._filling: _Job | None = None
        self._rows = 0
        self._steps = 0
        self._ending: dict[int, list[_Job]] = {}
        self._packs: Counter[int] = Counter()
        self._wake: simpy.Event | None = None
        world.env.process(self._run())

    def full(self) -> bool:
        return self.places >= self._plan.slots + self._plan.queue

    def submit(self, job: _Job) -> None:
        self._waiting.append(job)
        if self._wake is not None:
            self._wake.succeed()
            self._wake = None

    def _run(self) -> Process:
        env, seen = self._world.env, self._world
        while True:
            if not (self._waiting or self._filling or self._rows):
                self._wake = env.event()
                yield self._wake
            seconds, begun = self._prefill()
            spent, ended = self._decode()
            seconds += spent
            seen.busy("engine_busy", seconds)
            yield env.timeout(seconds)
            for job in begun:
                job.first = env.now
            for job in ended:
                self.places -= 1
                job.done.succeed()

    def _prefill(self) -> tuple[float, list[_Job]]:
        budget, seconds, begun = self._plan.chunk, 0.0, []
        while budget > 0:
            job = self._filling or self._admit()
            if job is None:
                break
            count = min(self._plan.chunk, job.pending)
            budget -= max(count, 1)
            job.pending -= count
            seconds += self._costs.prompt + count * self._costs.prompt_token
            if job.pending == 0:
                self._filling = None
                begun.append(job)
                self._start(job)
        return seconds, begun

    def _admit(self) -> _Job | None:
        if not self._waiting or self._rows >= self._plan.slots:
            return None
        job = self._filling = self._waiting.popleft()
        ask, seen = job.ask, self._world
        whole = ask.prefix + ask.history + ask.message
        cached = 0
        if self.prefixes.has(("pack", ask.pack)):
            cached = ask.prefix
            if ask.history and self.prefixes.has(("said", ask.conversation)):
                cached += ask.history
        job.pending = whole - cached
        seen.tokens(whole, cached)
        return job

    def _start(self, job: _Job) -> None:
        """The first token comes with the prompt; the others with the steps from now on."""
        ask = job.ask
        self.prefixes.keep(("pack", ask.pack), ask.prefix)
        self._rows += 1
        self._packs[ask.pack] += 1
        self._ending.setdefault(self._steps + max(ask.reply - 1, 0), []).append(job)

    def _decode(self) -> tuple[float, list[_Job]]:
        ended = self._end()
        if not self._rows:
            return 0.0, ended
        costs = self._costs
        seconds = costs.step + costs.row * self._rows + costs.adapter * len(self._packs)
        self._steps += 1
        return seconds, ended + self._end()

    def _end(self) -> list[_Job]:
        ended = self._ending.pop(self._steps, [])
        for job in ended:
            ask = job.ask
            self._rows -= 1
            self._packs[ask.pack] -= 1
            if not self._packs[ask.pack]:
                del self._packs[ask.pack]
            self.prefixes.keep(("said", ask.conversation), ask.history + ask.message + ask.reply)
        return ended


class World:
    """A run: `seen` counts from `warm` seconds on."""

    def __init__(self, costs: Costs, plan: Plan, *, seed: int, warm: float = 0.0) -> None:
        self.env = simpy.Environment()
        self.seen = Seen()
        self._costs, self._plan, self._warm = costs, plan, warm
        self._draw = random.Random(seed)
        self._replicas = [Replica(self, costs, plan) for _ in range(plan.replicas)]
        self._orders: dict[int, list[Replica]] = {}

    # What the replicas tell

    def counts(self) -> bool:
        return self.env.now >= self._warm

    def busy(self, what: str, seconds: float) -> None:
        if self.counts():
            setattr(self.seen, what, getattr(self.seen, what) + seconds)

    def tokens(self, whole: int, cached: int) -> None:
        if self.counts():
            self.seen.prompt_tokens += whole
            self.seen.cached_tokens += cached

    # Running

    def converse(self, load: Load, seconds: float) -> Seen:
        """`load.conversations` at any time, for `seconds` after the warm-up."""
        weights = list(accumulate(1 / rank**load.popularity for rank in range(1, load.packs + 1)))
        for number in range(load.conversations):
            self.env.process(self._conversations(load, weights, number))
        return self._until(self._warm + seconds)

    def play(self, asks: Iterable[Ask]) -> Seen:
        """Each message at its time, until all are answered."""
        last = [self.env.process(self._at(ask)) for ask in asks]
        self.env.run(simpy.AllOf(self.env, last))
        self.seen.seconds = self.env.now - self._warm
        return self.seen

    def _until(self, end: float) -> Seen:
        self.env.run(end)
        self.seen.seconds = end - self._warm
        return self.seen

    def _at(self, ask: Ask) -> Process:
        yield self.env.timeout(ask.at)
        yield from self._turn(ask)

    def _conversations(self, load: Load, weights: Sequence[float], number: int) -> Process:
        draw, packs = self._draw, range(load.packs)
        # Where each one is in its pause when the clock begins.
        yield self.env.timeout(draw.expovariate(1 / load.think))
        while True:
            number += load.conversations
            (pack,) = draw.choices(packs, cum_weights=weights)
            history = 0
            while True:
                reply = min(load.longest, _geometric(draw, load.reply))
                ask = Ask(self.env.now, pack, number, load.prefix, load.message, reply, history)
                yield from self._turn(ask)
                history = min(_HISTORY, history + load.message + reply)
                yield self.env.timeout(draw.expovariate(1 / load.think))
                if draw.random() < 1 / load.turns:
                    break

    def _turn(self, ask: Ask) -> Process:
        came, costs = self.env.now, self._costs
        replica = self._choose(ask)
        while replica.full():
            if self.counts():
                self.seen.refused += 1
            yield self.env.timeout(self._draw.expovariate(1 / _RETRY))
            replica = self._choose(ask)
        replica.places += 1
        yield from self._use(replica.server, "around_busy", _BEFORE * costs.around)
        yield from self._adapter(replica, ask)
        job = _Job(ask, self.env.event(), 0)
        replica.submit(job)
        yield job.done
        yield from self._use(replica.server, "around_busy", (1 - _BEFORE) * costs.around)
        if came >= self._warm:
            self.seen.first.append(job.first - came)
            self.seen.last.append(self.env.now - came)

    def _use(self, resource: simpy.Resource, what: str, seconds: float) -> Process:
        if seconds <= 0:
            return
        with resource.request() as request:
            yield request
            yield self.env.timeout(seconds)
            self.busy(what, seconds)

    def _adapter(self, replica: Replica, ask: Ask) -> Process:
        with replica.desk.request() as request:
            yield request
            known = replica.adapters.has(ask.pack)
            if self.counts():
                self.seen.hits += known
                self.seen.loads += not known
            if not known:
                yield self.env.timeout(self._costs.load)
                self.busy("desk_busy", self._costs.load)
            replica.adapters.keep(ask.pack)

    def _choose(self, ask: Ask) -> Replica:
        replicas = self._replicas
        if self._plan.balance == "conversation":
            return replicas[hash((ask.conversation, 7)) % len(replicas)]
        if self._plan.balance == "any":
            return min(replicas, key=lambda one: (one.places, self._draw.random()))
        most = math.ceil(_BOUND * (sum(one.places for one in replicas) + 1) / len(replicas))
        return next(one for one in self._order(ask.pack) if one.places < most)

    def _order(self, pack: int) -> list[Replica]:
        """A pack's own order of the replicas (consistent hashing with bounded loads, arXiv:1608.01350)."""
        if pack not in self._orders:
            order = list(self._replicas)
            random.Random(pack).shuffle(order)
            self._orders[pack] = order
        return self._orders[pack]


def _geometric(draw: random.Random, mean: float) -> int:
    """At least 1."""
    if mean <= 1:
        return 1
    return 1 + int(math.log(1 - draw.random()) / math.log(1 - 1 / mean))


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank; 0 for nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
