"""`senmon bench scaling`: how many replicas a load takes, which caches, what breaks first; by simulation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from senmon.errors import ConfigError

if TYPE_CHECKING:
    from senmon.bench.fleet import Costs, Load, Plan, Seen
    from senmon.bench.fleet_costs import Held, Measured

Progress = Callable[[str], None]
BALANCES: tuple[Literal["any", "conversation", "pack"], ...] = ("any", "conversation", "pack")
WARM, SECONDS = 90.0, 45.0
#: Memory of a token's keys and values in the embedded base.
KB_A_TOKEN = 18
#: Replicas beyond the least that a load can do with, before the target is given up.
_MOST_TIMES = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """One simulated fleet. Seconds; shares of 1; `cost` of 1,000 turns in the price's currency."""

    plan: Plan
    conversations: int
    turns: float
    first_median: float
    first_95: float
    last_95: float
    engine: float
    server: float
    adapters_kept: float
    prompt_cached: float
    refused: float
    cost: float


@dataclass(frozen=True, slots=True)
class Study:
    """`sizes`: the chosen plan with fewer and more replicas, each way to balance. `caches`: the chosen plan
    with other caches. `strain`: the chosen plan under more conversations."""

    load: Load
    costs: Costs
    price: float
    target: float
    chosen: Outcome
    sizes: tuple[Outcome, ...]
    caches: tuple[Outcome, ...]
    strain: tuple[Outcome, ...]


def require_simpy() -> None:
    """ConfigError without it."""
    if find_spec("simpy") is None:
        raise ConfigError("the simulation needs SimPy", remedy="pip install 'senmon[bench]'")


def read_costs(path: Path) -> Costs:
    """From a file that `senmon bench scaling --json` wrote. ConfigError for anything else."""
    from senmon.bench.fleet import Costs

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = {name: float(value) for name, value in data["study"]["costs"].items()}
        if any(not 0 <= value < 60 for value in found.values()):
            raise ValueError("out of bounds")
        return Costs(**found)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{path} holds no measured costs", remedy="write it with `senmon bench scaling --json > FILE`"
        ) from error


def study(
    costs: Costs,
    load: Load,
    *,
    price: float,
    target: float,
    seed: int = 0,
    seconds: float = SECONDS,
    warm: float = WARM,
    progress: Progress = lambda _: None,
) -> Study:
    """`price` of a replica an hour; `target`: seconds within which 95 % of first tokens come."""
    from senmon.bench.fleet import Plan

    def outcome(plan: Plan, more: float = 1.0) -> Outcome:
        count = round(more * load.conversations)
        progress(f"{count:,} conversations, {plan.replicas} replicas, {plan.balance}")
        return simulate(costs, replace(load, conversations=count), plan, price, seed, seconds, warm)

    chosen = _smallest(lambda count: outcome(Plan(count)), target, _least(costs, load, Plan(1).slots))
    plan = chosen.plan
    counts = sorted({max(1, round(share * plan.replicas)) for share in (0.85, 1.0, 1.15, 1.4)})
    sizes = [outcome(replace(plan, replicas=count, balance=how)) for how in BALANCES for count in counts]
    others = [
        replace(plan, adapters=8), replace(plan, adapters=256),
        *(replace(plan, prefix_tokens=tokens) for tokens in (1024, 65_536, 262_144)),
        replace(plan, prefix_tokens=262_144, balance="conversation"),
    ]  # fmt: skip
    return Study(
        load,
        costs,
        price,
        target,
        chosen,
        tuple(sizes),
        tuple(outcome(other) for other in others),
        tuple(outcome(plan, more) for more in (1.1, 1.25, 1.5, 2.0)),
    )


def simulate(
    costs: Costs, load: Load, plan: Plan, price: float, seed: int, seconds: float, warm: float
) -> Outcome:
    from senmon.bench.fleet import World

    seen = World(costs, plan, seed=seed, warm=warm).converse(load, seconds)
    return _outcome(seen, load, plan, price)


def _outcome(seen: Seen, load: Load, plan: Plan, price: float) -> Outcome:
    from senmon.bench.fleet import percentile

    available, turns = seen.seconds * plan.replicas, seen.rate()
    asked = seen.hits + seen.loads
    return Outcome(
        plan,
        load.conversations,
        turns,
        percentile(seen.first, 0.5),
        percentile(seen.first, 0.95),
        percentile(seen.last, 0.95),
        seen.engine_busy / available,
        seen.around_busy / available,
        seen.hits / asked if asked else 0.0,
        seen.cached_tokens / seen.prompt_tokens if seen.prompt_tokens else 0.0,
        seen.refused / (seen.refused + len(seen.last)) if seen.last else 1.0,
        price * plan.replicas / 3600 / turns * 1000 if turns else float("inf"),
    )


def _smallest(outcome: Callable[[int], Outcome], target: float, least: int) -> Outcome:
    """The fewest replicas that keep the target, `least` or more. ConfigError when none does."""

    def keeps(found: Outcome) -> bool:
        return found.first_95 <= target and not found.refused

    low, high = least - 1, outcome(least)
    while not keeps(high):
        low = high.plan.replicas
        if low > _MOST_TIMES * least:
            raise ConfigError(
                f"{low} replicas don't keep {target:g} s",
                remedy="raise --target: one reply alone takes longer",
            )
        high = outcome(math.ceil(1.2 * low) + 1)
    while high.plan.replicas - low > 1:
        middle = outcome((low + high.plan.replicas) // 2)
        if keeps(middle):
            high = middle
        else:
            low = middle.plan.replicas
    return high


def _least(costs: Costs, load: Load, slots: int) -> int:
    """Replicas whose engines never rest, each step full, only what is new of a prompt run."""
    turn = costs.prompt + load.message * costs.prompt_token
    turn += load.reply * (costs.step / slots + costs.row)
    asked = load.conversations / (load.think + turn)
    return max(1, math.floor(asked * max(turn, costs.around)))


# Telling

HEADS = (
    "replicas", "who gets a message", "turns a second", "first token, p50, s", "p95, s", "engine busy",
    "server busy", "adapters from memory", "prompt tokens from memory", "refused", "1,000 turns",
)  # fmt: skip
PLOT = "scaling.png"


def cells(one: Outcome) -> list[str]:
    shares = (one.engine, one.server, one.adapters_kept, one.prompt_cached, one.refused)
    return [
        f"{one.plan.replicas}", one.plan.balance, f"{one.turns:.0f}", f"{one.first_median:.2f}",
        f"{one.first_95:.2f}", *(f"{100 * share:.0f}%" for share in shares), f"{one.cost:.3f}",
    ]  # fmt: skip


def lines(found: Study, held: Sequence[Held], note: str) -> Iterator[str]:
    """The section of the page."""
    from senmon.bench.page import table

    load, costs, chosen = found.load, found.costs, found.chosen
    yield f"**{chosen.plan.replicas} replicas** keep 95 % of first tokens within {found.target:g} s:"
    yield f"{load.packs:,} packs (Zipf, exponent {load.popularity:g}), {load.conversations:,} conversations"
    yield f"at once, {load.think:g} s between turns; {chosen.turns:.0f} turns a second, {chosen.cost:.3f} for"
    yield f"1,000 turns at an assumed {found.price:g} an hour for a replica of two cores."
    yield ""
    yield "### How many replicas"
    yield ""
    yield from table(HEADS, [cells(one) for one in found.sizes])
    yield ""
    yield f"![First token by replicas]({PLOT})"
    yield ""
    yield "### Which caches"
    yield ""
    heads = ("adapters kept", "prefix tokens kept (MB)", *HEADS[1:])
    caches = sorted((chosen, *found.caches), key=lambda one: (one.plan.prefix_tokens, one.plan.adapters))
    yield from table(heads, [_with_caches(one) for one in caches])
    yield ""
    yield "### What breaks first"
    yield ""
    yield from table(
        ("conversations", *HEADS),
        [[f"{one.conversations:,}", *cells(one)] for one in (chosen, *found.strain)],
    )
    yield ""
    yield "### Measured"
    yield ""
    yield from table(
        ("CPU seconds of", "measured"), [[says, f"{getattr(costs, name):.5f}"] for name, says in COSTS]
    )
    yield ""
    yield from _beside(held)
    yield ""
    yield note


COSTS = (
    ("prompt", "running a prompt, whatever its length"),
    ("prompt_token", "a token of it that is not kept"),
    ("step", "a decode step"),
    ("row", "each reply in it"),
    ("adapter", "each different adapter in it"),
    ("load", "reading an adapter from disk"),
    ("around", "a turn besides the engine"),
)


def _with_caches(one: Outcome) -> list[str]:
    tokens = one.plan.prefix_tokens
    return [f"{one.plan.adapters}", f"{tokens:,} ({tokens * KB_A_TOKEN / 1000:,.0f})", *cells(one)[1:]]


def _beside(held: Sequence[Held]) -> Iterator[str]:
    from senmon.bench.page import table

    if not held:
        yield "No real run stands beside it: the costs were read from a file."
        return
    rows = [
        [f"{one.asked} messages, {one.gap:g} s apart", name, f"{value:.3g}", f"{one.simulated[name]:.3g}",
         f"{100 * one.errors()[name]:+.0f}%"]
        for one in held for name, value in one.real.items() if value
    ]  # fmt: skip
    yield from table(("real run, one engine", "figure", "real", "simulated", "error"), rows)


def write_plot(found: Study, path: Path) -> None:
    from matplotlib.figure import Figure

    from senmon.bench.page import save_plot

    canvas = Figure(figsize=(7, 3.6), dpi=150, layout="constrained")
    axes = canvas.subplots()
    for how in BALANCES:
        ones = [one for one in found.sizes if one.plan.balance == how]
        axes.plot([one.plan.replicas for one in ones], [one.first_95 for one in ones], marker="o", label=how)
    axes.axhline(found.target, color="grey", linestyle=":", label="target")
    axes.set(xlabel="replicas", ylabel="first token, p95, s", yscale="log")
    axes.set_title(f"{found.load.conversations:,} conversations over {found.load.packs:,} packs")
    axes.legend(title="who gets a message")
    axes.grid(alpha=0.3)
    save_plot(canvas, path)


def data(found: Study, measured: Measured | None) -> dict[str, Any]:
    return {"study": asdict(found), "measured": asdict(measured) if measured else None}
