"""Who is let in while many replies are under way, and when those who are not may come again."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from senmon.errors import EngineBusy
from senmon.messages import BACK_ENDS
from senmon.server.runturn import Turn

#: Runs under way at once, where the settings say nothing.
MOST = 1000
#: Beyond half of them, one visitor may have so large a part.
SHARE = 16
#: Seconds, where nothing is known yet.
RETRY = 2.0
#: Nobody is sent away for longer: of those who were told to come again, not all do.
LONGEST = 15.0
#: Turns that ended lately, by which the pace is known.
LATELY = 64
#: Conversations with a person that are remembered.
PERSONS = 10_000


class Admission:
    """At most `most` turns under way, those that are about to begin among them.

    Who is refused gets a place in a queue that nobody stands in: told to come again when, at the pace of now,
    it is their turn, they don't all come at once.
    """

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._entering: list[Turn] = []
        self._ended: deque[float] = deque(maxlen=LATELY)
        self._turn = 0.0
        self._with_person: OrderedDict[str, None] = OrderedDict()

    def full(self, live: int) -> bool:
        """Whether `live` turns and those about to begin take all places."""
        return live + len(self._entering) >= self._most

    def ended(self) -> None:
        """A turn has ended; its place is free."""
        self._ended.append(self._clock())

    def joined(self, conversation: str) -> None:
        """A person speaks there: its messages take no place."""
        self._with_person[conversation] = None
        self._with_person.move_to_end(conversation)
        if len(self._with_person) > PERSONS:
            self._with_person.popitem(last=False)

    def left(self, conversation: str) -> None:
        self._with_person.pop(conversation, None)

    def takes_no_place(self, conversation: str) -> bool:
        return conversation in self._with_person

    def busy(self, taken: int) -> EngineBusy:
        """For one more who is refused."""
        now = self._clock()
        self._turn = min(max(now, self._turn) + self._seconds_a_turn(now), now + LONGEST)
        return EngineBusy(
            f"{taken} replies are under way",
            retry_after=self._turn - now,
            remedy="try again in a moment",
        )

    def _seconds_a_turn(self, now: float) -> float:
        """How long it takes until one more turn has ended, as it went lately."""
        return (now - self._ended[0]) / len(self._ended) if len(self._ended) > 1 else RETRY

    @contextmanager
    def entering(self, turn: Turn, live: Callable[[], Sequence[Turn]], count: int) -> Iterator[None]:
        """Inside, `turn` counts; `live` are the `count` turns under way. Raises EngineBusy.

        A message that is under way already may be sent again however full it is.
        """
        if count + len(self._entering) >= max(1, self._most // 2):
            self._check(turn, [*live(), *self._entering])
        self._entering.append(turn)
        try:
            yield
        finally:
            self._entering.remove(turn)

    def _check(self, turn: Turn, taken: Sequence[Turn]) -> None:
        message = (turn.conversation, turn.client_id)
        if any((other.conversation, other.client_id) == message for other in taken):
            return
        if len(taken) >= self._most:
            raise self.busy(len(taken))
        own = sum(_who(other) == _who(turn) for other in taken)
        if own >= max(1, self._most // SHARE) and BACK_ENDS.isdisjoint(turn.identity.roles):
            raise EngineBusy(
                f"{own} replies to you are under way",
                retry_after=RETRY,
                remedy="wait for one of them",
            )


def _who(turn: Turn) -> tuple[str, str]:
    return turn.identity.site, turn.identity.visitor
