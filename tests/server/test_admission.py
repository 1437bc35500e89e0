"""Who is let in while many replies are under way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from senmon.errors import EngineBusy
from senmon.messages import Identity
from senmon.server.admission import LATELY, LONGEST, PERSONS, RETRY, Admission
from senmon.server.runturn import Turn
from server_rig import FakeWorkspace, serving

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


def test_who_is_refused_is_told_when_their_turn_would_be() -> None:
    """Ten turns end in a second: of those refused at once, each is to come a tenth later than the last."""
    now = 0.0
    admission = Admission(8, lambda: now)
    assert admission.busy(8).retry_after == RETRY, "nothing is known yet"
    for _ in range(LATELY):
        now += 0.1
        admission.ended()
    now += 10
    for _ in range(LATELY):
        now += 0.1
        admission.ended()
    waits = [admission.busy(8).retry_after for _ in range(200)]
    assert waits[0] == pytest.approx(0.1, rel=0.1) and waits[9] == pytest.approx(1.0, rel=0.1)
    assert waits == sorted(waits) and waits[-1] == LONGEST
    now += 2 * LONGEST
    admission.ended()
    assert admission.busy(8).retry_after < 1, "those have had their turn"


def test_conversations_with_a_person_are_remembered_up_to_a_bound() -> None:
    admission = Admission(1)
    for number in range(PERSONS + 1):
        admission.joined(f"c{number}")
    assert not admission.takes_no_place("c0") and admission.takes_no_place(f"c{PERSONS}")
    admission.left(f"c{PERSONS}")
    assert not admission.takes_no_place(f"c{PERSONS}")


def test_a_full_server_refuses_at_the_door_before_it_knows_who_asks(
    make_workspace: Callable[..., FakeWorkspace],
) -> None:
    """But not the message whose reply is under way, nor one to a person who has joined."""
    with serving(make_workspace(live_runs=1)) as site:
        with_person, waiting, other = (site.conversation() for _ in range(3))
        site.events(site.say(with_person, "person please").json()["run_id"])
        (handover,) = site.anonymous.get("/v1/handovers").json()["handovers"]
        accepted = site.anonymous.post(f"/v1/handovers/{handover['id']}/accept", json={"agent": "Ann"})
        assert accepted.status_code == 200
        run = site.say(waiting, "wait for it").json()["run_id"]
        chat = {"model": "shop", "messages": [{"role": "user", "content": "hi"}]}
        for refused in (
            site.say(other, "hello"),
            site.anonymous.post("/v1/conversations/nobodys/messages", json={}),
            site.anonymous.post("/v1/chat/completions", json=chat),
            site.anonymous.post("/webhooks/rest/webhook", content=b"{{{ not even read"),
        ):
            assert refused.status_code == 429 and refused.json()["error"]["code"] == "engine_busy"
            assert 1 <= int(refused.headers["Retry-After"]) <= LONGEST
        assert site.say(waiting, "wait for it").json()["run_id"] == run, "it is sent again"
        assert site.say(with_person, "are you there?", "2").json()["delivered"] is True
        assert site.client.get(f"/v1/conversations/{waiting}").status_code == 200, "reading goes on"
        assert 'code="engine_busy"' in site.anonymous.get("/metrics").text
        site.client.delete(f"/v1/runs/{run}")
        assert site.say(other, "hello").status_code == 202
