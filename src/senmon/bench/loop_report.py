"""What a loop came to: each gap's held-out suite before and after, everything else, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from senmon.bench.loop_club import right
from senmon.bench.loop_talk import Told
from senmon.wilson import wilson

#: Points (of 100) that each gap must gain, and that each other suite, and all of them together, may lose.
GAIN, LOSS = 30.0, 1.0
HEADS = ("held-out suite", "asked", "before", "after", "change")


@dataclass(frozen=True, slots=True)
class Suite:
    """Right replies to the same questions, before and after."""

    name: str
    asked: int
    before: int
    after: int
    gap: bool = False

    @property
    def change(self) -> float:
        return 100 * (self.after - self.before) / self.asked


@dataclass(frozen=True, slots=True)
class Loop:
    """`restored` of `compared` replies of the former adapter were the same to the letter after the rollback;
    `rerouted` questions went to another pack, or to none, at first: the router stays taught."""

    seed: int
    suites: tuple[Suite, ...]
    corrected: int
    learnt: int
    retired: int
    restored: int
    compared: int
    rerouted: int
    seconds: dict[str, float]
    versions: tuple[str, str]

    @property
    def gaps(self) -> tuple[Suite, ...]:
        return tuple(one for one in self.suites if one.gap)

    @property
    def rest(self) -> Suite:
        """All suites of what the pack could do before, together."""
        others = [one for one in self.suites if not one.gap]
        return Suite("everything else", *(sum(getattr(one, name) for one in others) for name in _COUNTS))

    @property
    def faults(self) -> tuple[str, ...]:
        """What was promised and did not come; empty when all did."""
        found = [f"{one.name}: {one.change:+.1f} points" for one in self.gaps if one.change < GAIN]
        others = (self.rest, *(one for one in self.suites if not one.gap))
        found += [f"{one.name}: {one.change:+.1f} points" for one in others if one.change < -LOSS]
        if self.restored < self.compared or not self.compared:
            found.append(f"after the rollback {self.restored} of {self.compared} replies are as before")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        suites = [
            {"name": one.name, "gap": one.gap, "asked": one.asked, "before": one.before, "after": one.after}
            for one in self.suites
        ]
        names = ("seed", "corrected", "learnt", "retired", "restored", "compared", "rerouted", "seconds")
        return {
            **{name: getattr(self, name) for name in names},
            "suites": suites,
            "faults": list(self.faults),
        }


_COUNTS = ("asked", "before", "after")


def suites_of(before: Sequence[Told], after: Sequence[Told]) -> tuple[Suite, ...]:
    """The gaps first. Both sides were asked the same, in the same order."""
    found: dict[str, list[tuple[Told, Told]]] = {}
    for first, later in zip(before, after, strict=True):
        found.setdefault(first.ask.intent, []).append((first, later))
    suites = [
        Suite(
            name,
            len(pairs),
            sum(one.right for one, _ in pairs),
            sum(one.right for _, one in pairs),
            pairs[0][0].ask.gap,
        )
        for name, pairs in found.items()
    ]
    return tuple(sorted(suites, key=lambda one: not one.gap))


def restored(before: Sequence[Told], back: Sequence[Told]) -> tuple[int, int, int]:
    """Replies that are the same, replies compared, questions that are routed otherwise than at first."""
    pairs = [(one, other) for one, other in zip(before, back, strict=True) if one.pack == other.pack]
    same = sum((one.text, one.adapter) == (other.text, other.adapter) for one, other in pairs)
    return same, len(pairs), len(before) - len(pairs)


def rows(loop: Loop) -> list[tuple[str, ...]]:
    """The gaps, then everything else together, then each suite of it."""
    shown = [(f"{one.name} ({right(one.name).what})", one) for one in loop.gaps]
    shown.append(("**everything else**", loop.rest))
    shown += [(one.name, one) for one in loop.suites if not one.gap]
    return [
        (
            name,
            str(one.asked),
            _share(one.before, one.asked),
            _share(one.after, one.asked),
            f"{one.change:+.1f}",
        )
        for name, one in shown
    ]


def _share(right_ones: int, asked: int) -> str:
    """Per cent, with Wilson's 95 % interval."""
    low, high = wilson(right_ones, asked)
    return f"{100 * right_ones / asked:.1f} % ({100 * low:.0f}–{100 * high:.0f})"


def lines(loop: Loop) -> list[str]:
    """As a page shows it."""
    table = [f"| {' | '.join(HEADS)} |", "| --- | ---: | ---: | ---: | ---: |"]
    table += [f"| {' | '.join(row)} |" for row in rows(loop)]
    return [*table, "", *(f"- {one}" for one in remarks(loop))]


def remarks(loop: Loop) -> list[str]:
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in loop.seconds.items())
    return [
        f"{loop.corrected} replies corrected, {loop.learnt} lines learnt, {loop.retired} outdated retired",
        f"rollback: {loop.restored} of {loop.compared} replies as before, to the letter"
        + (f"; {loop.rerouted} questions are routed otherwise now" if loop.rerouted else ""),
        f"seed {loop.seed}, adapters {loop.versions[0]} and {loop.versions[1]}; wall clock: {took}",
    ]
