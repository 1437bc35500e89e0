"""Who is let in while many replies are under way."""

from __future__ import annotations

import pytest

from senmon.errors import EngineBusy
from senmon.messages import Identity
from senmon.server.admission import Admission
from senmon.server.runturn import Turn

KEY = frozenset({"key"})


def turn(number: int, visitor: str = "", roles: frozenset[str] = frozenset()) -> Turn:
    return Turn(f"c{number}", "1", "hello", Identity("shop", visitor or f"v{number}", roles=roles))


def enters(admission: Admission, new: Turn, live: list[Turn]) -> bool:
    try:
        with admission.entering(new, lambda: live, len(live)):
            return True
    except EngineBusy as busy:
        assert busy.retry_after > 0 and busy.remedy
        return False


def test_everybody_up_to_the_last_place_then_nobody() -> None:
    admission, live = Admission(32), [turn(number) for number in range(31)]
    assert enters(admission, turn(100), live)
    live.append(turn(31))
    assert not enters(admission, turn(100), live)
    assert enters(admission, live[3], live), "its message is sent again"
    live.pop()
    assert enters(admission, turn(100), live)


def test_those_about_to_begin_count() -> None:
    admission = Admission(2)
    with admission.entering(turn(1), list, 0), admission.entering(turn(2), list, 0):
        assert not enters(admission, turn(3), [])
    assert enters(admission, turn(3), [])
    with pytest.raises(RuntimeError, match="broke"), admission.entering(turn(1), list, 0):
        raise RuntimeError("it broke")
    assert enters(admission, turn(3), [turn(1)]), "what broke has left"


def test_one_visitor_cannot_take_all_places() -> None:
    admission = Admission(32)  # from 16 on, a visitor may have 2
    loud = [turn(number, "loud") for number in range(16)]
    assert enters(admission, turn(50, "loud"), loud[:15]), "there is room for everybody"
    assert not enters(admission, turn(50, "loud"), loud)
    assert enters(admission, turn(51, "calm"), loud)
    keyed = [turn(number, "key:1", KEY) for number in range(20)]
    assert enters(admission, turn(52, "key:1", KEY), keyed), "a back end speaks for many people"
