"""The simulation against what queueing theory knows, its caches, its costs, and what is told of it."""

from __future__ import annotations

import heapq
import json
import math
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from senmon.bench.fleet import Ask, Costs, Kept, Load, Plan, World, percentile
from senmon.bench.fleet_costs import Held, Meter
from senmon.bench.scaling import data, lines, read_costs, study, write_plot
from senmon.errors import ConfigError

TICK = 0.005
NOTHING = Costs(0, 0, TICK, 0, 0, 0, 0)
MEASURED = Costs(0.02, 0.0002, 0.005, 0.0007, 0.0006, 0.02, 0.03)


def erlang_c(servers: int, offered: float) -> float:
    """The share that waits in M/M/c (Erlang 1917)."""
    full = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return full / (full + sum(offered**k / math.factorial(k) for k in range(servers)))


def poisson(servers: int, busy: float, steps: float, count: int, seed: int) -> list[Ask]:
    """Messages whose service, in steps, is geometric: exponential, near enough."""
    draw, at, asks = random.Random(seed), 0.0, []
    for number in range(count):
        at += draw.expovariate(busy * servers / (steps * TICK))
        work = 1 + int(math.log(1 - draw.random()) / math.log(1 - 1 / steps))
        asks.append(Ask(at, 0, number, 0, 1, 1 + work))  # the first token comes with the prompt
    return asks


def waiting(servers: int, asks: list[Ask]) -> float:
    """The mean wait of the same messages, first come, first served (Kiefer, Wolfowitz 1955)."""
    free, whole = [0.0] * servers, 0.0
    for ask in asks:
        begun = max(ask.at, heapq.heappop(free))
        whole += begun - ask.at
        heapq.heappush(free, begun + (ask.reply - 1) * TICK)
    return whole / len(asks)


@pytest.mark.parametrize(("servers", "busy", "seed"), [(1, 0.6, 0), (4, 0.7, 0)])
def test_waiting_is_that_of_m_m_c(servers: int, busy: float, seed: int) -> None:
    steps = 20.0
    asks = poisson(servers, busy, steps, 5000, seed)
    seen = World(NOTHING, Plan(1, slots=servers, queue=10**6), seed=seed).play(asks)
    # The first token comes with the first step; where others are served, that waits for the step under way.
    found = sum(seen.first) / len(asks) - TICK
    service = steps * TICK
    theory = erlang_c(servers, servers * busy) * service / (servers * (1 - busy))
    assert found == pytest.approx(theory, rel=0.2)
    assert found == pytest.approx(waiting(servers, asks), abs=1e-9 if servers == 1 else 0.6 * TICK)


def test_adapters_kept_are_those_that_che_expects() -> None:
    """LRU under independent draws: Che, Tung, Wang 2002."""
    packs, kept, draw = 200, 40, random.Random(5)
    shares = [1 / rank for rank in range(1, packs + 1)]
    whole = sum(shares)
    shares = [share / whole for share in shares]
    low, high = 0.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        filled = sum(1 - math.exp(-share * middle) for share in shares)
        low, high = (middle, high) if filled < kept else (low, middle)
    theory = sum(share * (1 - math.exp(-share * low)) for share in shares)
    cache, hits, count = Kept(kept), 0, 30_000
    for pack in draw.choices(range(packs), shares, k=count):
        hits += cache.has(pack)
        cache.keep(pack)
    assert hits / count == pytest.approx(theory, abs=0.02)


def test_one_message_alone_takes_what_its_parts_take() -> None:
    costs = replace(MEASURED, around=0.1)
    seen = World(costs, Plan(1), seed=0).play([Ask(0.0, 0, 0, 300, 100, 3)])
    # 400 tokens in two pieces; the reply's first token comes with the second, and a step behind each.
    pieces = 2 * costs.prompt + 400 * costs.prompt_token
    step = costs.step + costs.row + costs.adapter
    assert seen.first == [pytest.approx(0.07 + costs.load + pieces + step)]
    assert seen.last == [pytest.approx(0.1 + costs.load + pieces + 2 * step)]
    assert (seen.loads, seen.hits, seen.prompt_tokens, seen.cached_tokens) == (1, 0, 400, 0)


def test_what_was_said_is_kept_where_it_was_said() -> None:
    asks = [Ask(0.0, 0, 7, 300, 100, 3), Ask(9.0, 0, 7, 300, 50, 3, history=103), Ask(18.0, 0, 8, 300, 50, 3)]
    seen = World(MEASURED, Plan(1), seed=0).play(asks)
    assert seen.cached_tokens == (300 + 103) + 300
    small = World(MEASURED, Plan(1, prefix_tokens=200), seed=0).play(asks)
    assert small.cached_tokens < seen.cached_tokens and max(small.first) > min(seen.first)


def test_a_full_queue_refuses_and_everybody_is_answered_later() -> None:
    asks = [Ask(0.0, 0, number, 10, 10, 30) for number in range(40)]
    seen = World(MEASURED, Plan(1, slots=2, queue=3), seed=1).play(asks)
    assert seen.refused > 0 and len(seen.last) == 40


def test_the_same_seed_gives_the_same_fleet() -> None:
    load = Load(60, 20, think=5.0)
    one, other, third = (
        World(MEASURED, Plan(2), seed=seed, warm=10).converse(load, 20) for seed in (3, 3, 4)
    )
    assert one.first == other.first != third.first
    assert one.rate() == pytest.approx(60 / (5 + sum(one.last) / len(one.last)), rel=0.25)  # Little's law


def test_affinity_keeps_adapters_in_memory() -> None:
    load = Load(200, 300, think=10.0, popularity=0.5)
    kept = {}
    for balance in ("any", "pack"):
        seen = World(MEASURED, Plan(4, adapters=40, balance=balance), seed=2, warm=30).converse(load, 30)
        kept[balance] = seen.hits / (seen.hits + seen.loads)
    assert kept["pack"] > kept["any"] + 0.1


def test_costs_are_fitted_and_lost_time_is_left_out() -> None:
    meter = Meter()
    meter.prompts = [(count, 0.01 + 0.001 * count) for count in (10, 50, 200)]
    meter.steps = [
        (rows, kinds, 0.004 + 0.001 * rows + 0.002 * kinds) for rows in (1, 4, 16) for kinds in (1, 4)
    ]
    meter.besides = [(written, 0.0005 + 0.0001 * written) for written in (1, 5, 9)]
    found = meter.costs(0.02, 0.06)
    assert asdict(found) == pytest.approx(asdict(Costs(0.01, 0.001, 0.0045, 0.0011, 0.002, 0.02, 0.06)))
    meter.spans = [(1.0, 3.0, 1.0), (4.0, 5.0, 1.0)]
    assert [meter.own_time(at) for at in (1.0, 2.0, 3.0, 6.0)] == [1.0, 1.5, 2.0, 5.0]
    assert meter.stretch() == 1.5


def test_a_study_says_what_it_takes(tmp_path: Path) -> None:
    load = Load(40, 20, think=4.0)
    found = study(MEASURED, load, price=0.1, target=1.5, seconds=5.0, warm=5.0)
    assert found.chosen.first_95 <= 1.5 and not found.chosen.refused
    assert found.chosen.cost == pytest.approx(0.1 * found.chosen.plan.replicas / 3.6 / found.chosen.turns)
    assert found.strain[-1].first_95 > found.chosen.first_95
    held = Held(10, 0.5, 1.2, {"first token, p50, s": 0.2}, {"first token, p50, s": 0.25})
    text = "\n".join(lines(found, [held], "Busy."))
    assert "+25%" in text and "| conversation |" in text and text.endswith("Busy.")
    write_plot(found, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes()[:4] == b"\x89PNG"
    kept = tmp_path / "costs.json"
    kept.write_text(json.dumps(data(found, None)), encoding="utf-8")
    assert read_costs(kept) == MEASURED


@pytest.mark.parametrize("text", ["", "{}", '{"study": {"costs": {"prompt": "fast"}}}', "[" * 10_000])
def test_a_file_without_costs_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "costs.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="no measured costs"):
        read_costs(file)


def test_a_target_below_one_reply_is_given_up() -> None:
    with pytest.raises(ConfigError, match="one reply alone"):
        study(MEASURED, Load(4, 2, think=4.0), price=0.1, target=0.001, seconds=3.0, warm=1.0)


def test_percentiles_are_of_the_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([], 0.5)) == (50.0, 95.0, 0.0)
