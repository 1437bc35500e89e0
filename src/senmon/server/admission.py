"""Who is let in while many replies are under way: refused at the door, where it costs least, so that those
who were let in keep their pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from senmon.errors import EngineBusy
from senmon.server.runturn import Turn

#: Runs under way at once, where the settings say nothing.
MOST = 1000
#: Beyond half of them, one visitor may have so large a part.
SHARE = 16
#: A back end speaks for many people.
MANY = frozenset({"key", "operator"})
#: Seconds.
RETRY = 2.0


class Admission:
    """At most `most` turns under way, those that are about to begin among them."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._entering: list[Turn] = []

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
            raise EngineBusy(
                f"{len(taken)} replies are under way",
                retry_after=RETRY,
                remedy="try again in a moment",
            )
        own = sum(_who(other) == _who(turn) for other in taken)
        if own >= max(1, self._most // SHARE) and MANY.isdisjoint(turn.identity.roles):
            raise EngineBusy(
                f"{own} replies to you are under way",
                retry_after=RETRY,
                remedy="wait for one of them",
            )


def _who(turn: Turn) -> tuple[str, str]:
    return turn.identity.site, turn.identity.visitor
