"""Who is next: in turn, not by arrival, so that many requests of one don't hold up the others."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from senmon.engines.local_row import Row

Party = tuple[str, ...]
#: Beyond half of all places, a visitor may hold so large a part of them.
VISITOR = 8
#: A pack holds at most so much of all places while another one has asked within so many seconds.
PACK, LATELY = 0.75, 60.0


class FairQueue:
    """Requests that wait, and the places of those that were let in (`limit`). A request's party is a path:
    the pack first, then who asks in it; without one it is only counted.

    Next is the pack with the fewest under way, then the one that had its turn longest ago, and in it the same
    among those who ask. So with one slot they take turns, and with many each has as much as it can use. Not
    safe for threads by itself.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._rows: list[Row] = []
        self._places = 0
        self._held: Counter[Party] = Counter()
        self._running: Counter[Party] = Counter()
        self._started: set[Row] = set()
        self._last: dict[Party, int] = {}
        self._turns = 0
        self._asked: dict[Party, float] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def places(self) -> int:
        return self._places

    def enter(self, party: Party) -> bool:
        """Takes a place for one more request; False when it must not have one."""
        if party:
            self._note(party[:1])
        if self._places >= self._limit or any(
            self._held[each] >= self._most(each) for each in _levels(party)
        ):
            return False
        self._places += 1
        self._held.update(_levels(party))
        return True

    def leave(self, party: Party) -> None:
        """The place is free again."""
        self._places -= 1
        _less(self._held, party)

    def put(self, row: Row) -> None:
        self._rows.append(row)

    def next(self) -> Row | None:
        """The row whose turn it is; it runs from now on."""
        if not self._rows:
            return None
        row = min(self._rows, key=self._rank)
        self._rows.remove(row)
        self._turns += 1
        for party in _levels(row.job.party):
            self._running[party] += 1
            self._last[party] = self._turns
        self._started.add(row)
        return row

    def ended(self, row: Row) -> None:
        """It ran, or is no longer waited for."""
        self.leave(row.job.party)
        if row in self._started:
            self._started.remove(row)
            _less(self._running, row.job.party)
        for party in _levels(row.job.party):
            if not self._held[party]:
                self._last.pop(party, None)

    def take(self, wanted: Callable[[Row], bool]) -> list[Row]:
        """Those that wait and are wanted; they wait no longer."""
        taken = [row for row in self._rows if wanted(row)]
        if taken:
            self._rows = [row for row in self._rows if row not in taken]
        return taken

    def _rank(self, row: Row) -> tuple[tuple[int, int], ...]:
        """Of equals, `min` takes the first that came."""
        return tuple((self._running[party], self._last.get(party, 0)) for party in _levels(row.job.party))

    def _most(self, party: Party) -> float:
        if len(party) == 1:
            return self._limit * PACK if len(self._asked) > 1 else self._limit
        return self._limit if self._places < self._limit / 2 else max(1, self._limit // VISITOR)

    def _note(self, pack: Party) -> None:
        now = self._clock()
        self._asked[pack] = now
        self._asked = {each: when for each, when in self._asked.items() if now - when < LATELY}


def _levels(party: Party) -> Iterator[Party]:
    return (party[: depth + 1] for depth in range(len(party)))


def _less(counts: Counter[Party], party: Party) -> None:
    for each in _levels(party):
        counts[each] -= 1
        if counts[each] <= 0:
            del counts[each]
