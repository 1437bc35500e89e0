"""Stop strings in a stream: nothing that may become one is let through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` may go out. `found` is the stop string that ended the stream, `rest` what followed it."""

    text: str
    found: str | None = None
    rest: str = ""


class StopWatch:
    """Looks for stop strings across chunk borders; the earliest wins, of several there the longest."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(sorted({stop for stop in stops if stop}, key=len, reverse=True))
        self._held = ""

    def feed(self, text: str) -> Piece:
        text = self._held + text
        places = [(place, stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            place, stop = min(places, key=lambda found: found[0])
            self._held = ""
            return Piece(text[:place], stop, text[place + len(stop) :])
        keep = self._partial(text)
        self._held = text[len(text) - keep :]
        return Piece(text[: len(text) - keep])

    def flush(self) -> str:
        """What was held back: the stream ended without completing a stop string."""
        held, self._held = self._held, ""
        return held

    def _partial(self, text: str) -> int:
        """Length of the longest end of `text` that begins a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return size
        return 0
