"""Packs take turns, and in each those who ask; nobody fills the room."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from senmon.engines.local_queue import FairQueue, Party


class Asked:
    def __init__(self, number: int, party: Party) -> None:
        self.number = number
        self.job = SimpleNamespace(party=party)


def put(queue: FairQueue, number: int, *party: str) -> bool:
    if not queue.enter(party):
        return False
    row: Any = Asked(number, party)
    queue.put(row)
    return True


def drained(queue: FairQueue, slots: int = 1) -> list[int]:
    """The order in which they begin, when the one that began first ends first."""
    order: list[int] = []
    running: list[Any] = []
    while (row := queue.next()) is not None:
        running.append(row)
        order.append(row.number)  # type: ignore[attr-defined]
        if len(running) == slots:
            queue.ended(running.pop(0))
    for row in running:
        queue.ended(row)
    return order


def test_one_who_asks_often_waits_for_those_who_do_not() -> None:
    queue = FairQueue(100)
    for number in range(8):
        assert put(queue, number, "shop", "loud")
    assert put(queue, 100, "shop", "calm") and put(queue, 101, "shop", "calm")
    assert drained(queue) == [0, 100, 1, 101, 2, 3, 4, 5, 6, 7]
    assert queue.places == 0


def test_a_pack_with_many_visitors_takes_turns_with_another() -> None:
    queue = FairQueue(100)
    for number in range(12):
        assert put(queue, number, "shop", f"v{number}")
    for number in range(100, 103):
        assert put(queue, number, "tutor", "pupil")
    order = drained(queue, slots=4)
    assert order[:6] == [0, 100, 1, 101, 2, 102], "half of the slots each, as long as each can use them"


def test_who_is_not_named_is_served_in_order() -> None:
    queue = FairQueue(20)
    for number in range(20):
        assert put(queue, number)
    assert not put(queue, 20)
    assert drained(queue, slots=3) == list(range(20))


def test_beyond_half_of_the_places_a_visitor_has_an_eighth_of_them() -> None:
    queue = FairQueue(32)
    taken = [put(queue, number, "shop", "loud") for number in range(32)]
    assert taken.count(True) == 16, "there was room for that many while nobody else asked"
    assert all(put(queue, 100 + number, "shop", "calm") for number in range(4))
    assert not put(queue, 104, "shop", "calm") and put(queue, 105, "shop", "third")


def test_a_pack_leaves_room_for_one_that_asked_lately() -> None:
    now = 0.0
    queue = FairQueue(40, lambda: now)
    for number in range(40):
        assert put(queue, number, "shop", f"v{number}"), "alone it may have all"
    assert not put(queue, 40, "tutor", "pupil")
    for _ in range(5):
        row = queue.next()
        assert row is not None
        queue.ended(row)
    assert not put(queue, 41, "shop", "v41"), "three quarters, since another one has asked"
    assert put(queue, 42, "tutor", "pupil")
    now = 100.0
    assert put(queue, 43, "shop", "v43"), "nobody else has asked for a while"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=40), st.integers(1, 6))
def test_everybody_is_served_once_and_nothing_is_kept(asked: list[tuple[str, str]], slots: int) -> None:
    queue = FairQueue(32)
    let_in = [number for number, party in enumerate(asked) if put(queue, number, *party)]
    assert sorted(drained(queue, slots)) == let_in
    assert (queue.places, len(queue), queue.enter(())) == (0, 0, True)
    assert not queue._last and not queue._running and not queue._held, "memory is bounded"
