"""After a promotion: is the new adapter worse in front of people than the one before?

Each stored turn names the adapter that answered, so the two groups are told apart by what happened, not by
the clock. A guard metric has fallen when the whole interval of its difference lies beyond `TOLERANCE`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senmon.adapters import AdapterStore, durable
from senmon.adapters.canary import end_canary, read_canary
from senmon.errors import AdapterNotFound, ConfigError
from senmon.evaluation.metrics import Metric, rate
from senmon.improvement.course import WATCHED, Course, folder_of, keep, read_course
from senmon.lifecycle import rollback
from senmon.store.exchanges import Exchange
from senmon.store.store import Store
from senmon.wilson import wilson

#: Turns of the new adapter after which it is kept.
TURNS = 200
#: Fewer turns of either say nothing.
LEAST = 20
#: Stored turns that are looked through for the two adapters' own.
SCANNED = 20_000
#: A rise of a rate of faults that nobody would notice.
TOLERANCE = 0.02
#: One-sided 0.3 %: five rates are looked at many times, and a false alarm takes a good adapter away.
Z = 2.75
DECIDING = ".deciding.lock"
#: What must not rise: share of turns.
GUARDS: Mapping[str, Callable[[Exchange], bool]] = {
    "repaired": lambda one: any(verdict["outcome"] == "repair" for verdict in one.verdicts),
    "blocked": lambda one: any(verdict["outcome"] == "block" for verdict in one.verdicts),
    "thumbs down": lambda one: any(each.rating == "down" for each in one.feedback),
    "handed over": lambda one: one.handed_over is not None,
    "failed": lambda one: bool(one.error) or one.state == "failed",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """A rate before and after (with 95 % intervals), and the interval of `after − before` at level `Z`."""

    name: str
    before: Metric
    after: Metric
    low: float
    high: float

    @property
    def fallen(self) -> bool:
        return self.low > TOLERANCE


@dataclass(frozen=True, slots=True)
class Watch:
    """`turns` of the new adapter of `wanted`, `compared` with so many of the former one."""

    turns: int
    wanted: int
    compared: int
    guards: tuple[Guard, ...]

    @property
    def fallen(self) -> tuple[Guard, ...]:
        return tuple(one for one in self.guards if one.fallen)

    @property
    def over(self) -> bool:
        return bool(self.fallen) or self.turns >= self.wanted

    def to_json(self) -> dict[str, Any]:
        rates = {
            one.name: {
                "before": one.before.to_json(),
                "after": one.after.to_json(),
                "difference": [round(one.low, 4), round(one.high, 4)],
                "fallen": one.fallen,
            }
            for one in self.guards
        }
        return {"turns": self.turns, "wanted": self.wanted, "compared": self.compared, "guards": rates}


async def looked(store: Store, course: Course, *, turns: int = TURNS) -> Watch:
    """How the promoted adapter of `course` does so far. Changes nothing."""
    new, former = _short(course.version), _short(course.before)
    after: list[Exchange] = []
    before: list[Exchange] = []
    async for each in store.reviews.exchanges(most=SCANNED):
        if each.pack != course.pack:
            continue
        # Without a former adapter the bare base answered, before this improvement began.
        if each.adapter == new:
            after.append(each)
        elif each.adapter == former and len(before) < turns:
            before.append(each)
        if len(before) >= turns and each.created.isoformat() < course.started:
            break
    return compared(before, after[-turns:], turns)


def compared(before: Sequence[Exchange], after: Sequence[Exchange], wanted: int) -> Watch:
    guards: tuple[Guard, ...] = ()
    if min(len(before), len(after)) >= LEAST:
        guards = tuple(_guard(name, test, before, after) for name, test in GUARDS.items())
    return Watch(len(after), wanted, len(before), guards)


def _guard(
    name: str, test: Callable[[Exchange], bool], before: Sequence[Exchange], after: Sequence[Exchange]
) -> Guard:
    hits = [sum(map(test, group)) for group in (before, after)]
    low, high = difference(hits[0], len(before), hits[1], len(after))
    return Guard(name, rate(hits[0], len(before)), rate(hits[1], len(after)), low, high)


def difference(hits: int, n: int, later_hits: int, later_n: int, z: float = Z) -> tuple[float, float]:
    """The interval of a difference of rates (later − earlier), Newcombe's hybrid score method
    (Statistics in Medicine 17, 1998, method 10)."""
    first, (low1, high1) = hits / n, wilson(hits, n, z)
    later, (low2, high2) = later_hits / later_n, wilson(later_hits, later_n, z)
    change = later - first
    down = math.sqrt((later - low2) ** 2 + (high1 - first) ** 2)
    up = math.sqrt((high2 - later) ** 2 + (first - low1) ** 2)
    return change - down, change + up


async def judged(
    store: Store, adapters: AdapterStore, home: Path, course: Course, *, turns: int = TURNS
) -> tuple[Watch, Course]:
    """One look, and what follows of it: take it back when a guard metric has fallen, keep it after `turns`.

    What somebody decided by hand meanwhile is left alone: the course is over. Raises ConfigError when the
    course is not one to watch, AdapterError when the rollback fails.
    """
    if course.phase not in WATCHED:
        raise ConfigError(
            f"there is nothing to watch: the improvement is {course.phase}",
            remedy=f"senmon improve {course.pack}",
        )
    watch = await looked(store, course, turns=turns)
    # The server and a command may look at the same time: one of them decides.
    with durable.locked(folder_of(home, course.pack), DECIDING):
        now = read_course(home, course.pack) or course
        if now.id != course.id or now.phase not in WATCHED:
            return watch, now
        after = _decided(adapters, home, now, watch)
    if after.phase in ("rolled back", "kept"):
        data = {"pack": course.pack, "version": course.version, "reasons": list(after.reasons)}
        await store.webhooks.announce(f"gate.{after.phase.replace(' ', '_')}", data)
    return watch, after


def _decided(adapters: AdapterStore, home: Path, course: Course, watch: Watch) -> Course:
    if overtaken := _overtaken(adapters, course):
        return keep(home, course, **overtaken)
    if watch.fallen:
        words = "; ".join(
            f"{one.name}: {one.before.value:.1%} → {one.after.value:.1%} of {one.after.n} turns"
            for one in watch.fallen
        )
        # A process that dies between the two finds the rollback in the adapters' history next time.
        _take_back(adapters, course, f"improvement {course.id}: {words}")
        return keep(home, course, phase="rolled back", reasons=(words,))
    if watch.turns >= watch.wanted:
        told = () if watch.guards else (f"nothing to compare with: {watch.compared} turns of the former",)
        _keep_for_all(adapters, course)
        return keep(home, course, phase="kept", reasons=told)
    return course


def _overtaken(adapters: AdapterStore, course: Course) -> dict[str, Any]:
    """How the course ends when somebody decided meanwhile, or a process died before it said so."""
    promoted = adapters.promoted(course.pack)
    served = promoted.version if promoted else None
    trial = read_canary(adapters, course.pack) if course.phase == "canary" else None
    if served == course.version or (trial is not None and trial.version == course.version):
        return {}
    last = (adapters.history(course.pack) or ({},))[-1]
    mine = course.version in (last.get("before"), last.get("version"))
    if last.get("event") in ("rollback", "canary ended") and mine:
        return {"phase": "rolled back", "reasons": (str(last.get("reason", "")),)}
    return {"phase": "kept", "reasons": ("another version was promoted meanwhile",)}


def _take_back(adapters: AdapterStore, course: Course, reason: str) -> None:
    promoted = adapters.promoted(course.pack)
    if promoted is not None and promoted.version == course.version:  # of a trial too: by hand meanwhile
        rollback(adapters, course.pack, reason=reason)
    with suppress(AdapterNotFound):
        end_canary(adapters, course.pack, reason=reason, version=course.version or "")


def _keep_for_all(adapters: AdapterStore, course: Course) -> None:
    """What was on trial is everybody's. Promoted first, so that a process that dies between serves it."""
    if course.phase == "canary" and course.version:
        adapters.promote(course.pack, course.version, reason=f"improvement {course.id}: passed its trial")
        with suppress(AdapterNotFound):
            end_canary(adapters, course.pack, reason="promoted", version=course.version)


def _short(version: str | None) -> str | None:
    return version[:12] if version else None
