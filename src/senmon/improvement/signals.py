"""Why an exchange deserves a look, and how much: what the review queue is ordered by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from senmon.store.exchanges import Exchange

SignalKind = Literal[
    "corrected",
    "thumbs down",
    "failed",
    "handed over",
    "gave up",
    "blocked",
    "unanswered",
    "repaired",
    "close",
    "unsure",
]
SIGNALS: tuple[SignalKind, ...] = get_args(SignalKind)
#: What a signal is worth. A visitor who writes what was right tells most; a check that made the model try
#: again, and then let the reply pass, tells least.
WORTH: Mapping[SignalKind, float] = {
    "corrected": 6.0,
    "thumbs down": 4.0,
    "failed": 3.0,
    "gave up": 3.0,
    "handed over": 2.5,
    "unanswered": 2.0,
    "blocked": 1.5,
    "close": 1.0,
    "repaired": 1.0,
    "unsure": 1.0,
}
#: A reason beside the thumb.
REASON = 1.0
#: A route's margin below which another pack was almost as near.
CLOSE = 0.15
#: The model is unsure from this mean probability of its words down; the less sure, the more it is worth.
UNSURE = 0.8
#: As often as the assistant tries again before it gives up.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Signal:
    kind: SignalKind
    worth: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An exchange with what speaks for looking at it."""

    exchange: Exchange
    signals: tuple[Signal, ...]

    @property
    def value(self) -> float:
        return round(sum(one.worth for one in self.signals), 2)

    @property
    def kinds(self) -> tuple[SignalKind, ...]:
        return tuple(one.kind for one in self.signals)


def signals_of(exchange: Exchange) -> tuple[Signal, ...]:
    """The strongest first; none for an exchange that went well as far as anybody knows."""
    found = (
        *_opinions(exchange),
        *_checks(exchange),
        *_route(exchange),
        *_words(exchange),
        *_endings(exchange),
    )
    return tuple(sorted(found, key=lambda one: -one.worth))


def failing(exchange: Exchange) -> bool:
    """Whether its reply should not be learnt unless a person says so."""
    return any(one.kind not in ("close", "repaired", "unsure") for one in signals_of(exchange))


def ranked(
    exchanges: Iterable[Exchange], *, pack: str | None = None, kind: SignalKind | None = None
) -> tuple[Item, ...]:
    """Those with a signal, the most valuable first; of one pack (`-`: of none), with one kind of signal."""
    items = [Item(each, signals_of(each)) for each in exchanges if _belongs(each, pack)]
    chosen = [item for item in items if item.signals and kind in (None, *item.kinds)]
    return tuple(sorted(chosen, key=lambda item: (-item.value, -item.exchange.created.timestamp())))


def _belongs(exchange: Exchange, pack: str | None) -> bool:
    return pack is None or (exchange.pack or "-") == pack


def _opinions(exchange: Exchange) -> Iterator[Signal]:
    for one in exchange.feedback:
        if one.correction:
            yield Signal("corrected", WORTH["corrected"], one.correction)
        if one.rating == "down":
            yield Signal("thumbs down", WORTH["thumbs down"] + REASON * bool(one.reason), one.reason)


def _checks(exchange: Exchange) -> Iterator[Signal]:
    blocked = [one for one in exchange.verdicts if one["outcome"] == "block"]
    repaired = [one for one in exchange.verdicts if one["outcome"] == "repair"]
    if blocked:
        yield Signal("blocked", WORTH["blocked"], _named(blocked))
    if len(repaired) >= TRIES:
        yield Signal("gave up", WORTH["gave up"], _named(repaired))
    elif repaired:
        yield Signal("repaired", WORTH["repaired"], _named(repaired))


def _named(verdicts: Iterable[Mapping[str, str]]) -> str:
    return "; ".join(dict.fromkeys(f"{one['check']}: {one['reason']}".rstrip(": ") for one in verdicts))


def _route(exchange: Exchange) -> Iterator[Signal]:
    if not exchange.route or exchange.error:
        return
    if exchange.pack is None:
        yield Signal("unanswered", WORTH["unanswered"], str(exchange.route.get("reason", "")))
        return
    margin = exchange.route.get("margin")
    if isinstance(margin, int | float) and margin < CLOSE:
        yield Signal("close", WORTH["close"], f"margin {margin:.2f}")


def _words(exchange: Exchange) -> Iterator[Signal]:
    """How probable the model held its own words: all the worth below half of what is unsure, none above."""
    sure = exchange.provenance.get("confidence")
    if isinstance(sure, int | float) and not isinstance(sure, bool) and 0 <= sure < UNSURE:
        worth = WORTH["unsure"] * min(1.0, 0.2 + 2 * (UNSURE - sure) / UNSURE)
        yield Signal("unsure", round(worth, 2), f"mean probability {sure:.2f}")


def _endings(exchange: Exchange) -> Iterator[Signal]:
    if exchange.error or exchange.state == "failed":
        yield Signal("failed", WORTH["failed"], exchange.error or "no reply")
    if exchange.handed_over is not None:
        yield Signal("handed over", WORTH["handed over"], exchange.handed_over)
