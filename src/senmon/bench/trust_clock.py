"""Clocks that jump under a running server, and between two: nobody is locked out, nothing is lost or purged.

libfaketime stands between the server and its clock; without it nothing is tried.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.bench.trust_messages import Talk, answered, check, client_of
from senmon.bench.trust_server import Nursery, Served, nursery
from senmon.packs.scaffold import scaffold

HOUR, DAY = 3600, 24 * 3600
#: By how much the clock is wrong, one after the other; each is a jump from the one before.
OFFSETS = (DAY, 0, -HOUR, 0, 6 * DAY, 6 * DAY - HOUR, 0, -DAY, 2 * HOUR, 0)
#: Seconds that an answer's date may be old: it is made anew now and then.
STALE = 30
#: Seconds until an answer must show the new date.
NOTICED = 10.0
#: Conversations live so many days: more than any jump here takes away.
SETTINGS = {"retention_days": 8, "rate_limit_per_minute": 240}


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    library = _library()
    if library is None:
        return [Row("clock", "not tried", 0, 0, "libfaketime is not here: apt-get install faketime")]
    with workbench() as root:
        scaffold("shop", root / "packs")
        clock = root / "clock"
        _set(clock, 0)
        prefix = (
            "env",
            f"LD_PRELOAD={library}",
            f"FAKETIME_TIMESTAMP_FILE={clock}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        )
        with nursery(root / "home", [root / "packs"], prefix=prefix) as born:
            return _jumps(born, clock, effort, tell)


def _jumps(born: Nursery, clock: Path, effort: Effort, tell: Tell) -> Sequence[Row]:
    living = Count("clock", "clock jumps under a running server: visitors go on, with all that was said")
    between = Count("clock", "clock jumps between two servers: visitors go on, with all that was said")
    again = Count("clock", "messages before and after a jump are answered")
    server, now, draw = born.server(settings=SETTINGS), 0, effort.draw("clock")
    for number in range(effort.points):
        tell(f"clock: jump {number + 1} of {effort.points}")
        offset = OFFSETS[number % len(OFFSETS)] + draw.randint(-300, 300)
        jump, now = offset - now, offset
        talk, refresh = _arrive(server)
        answered(server, talk, f"before {number}", again)
        _set(clock, offset)
        count = between if number % 3 == 2 else living
        if count is between:
            server.kill()
            server = born.server(settings=SETTINGS)
        with count.point(f"by {jump / HOUR:+.1f} h, to {offset / HOUR:+.1f} h"):
            _goes_on(server, talk, refresh, offset)
            answered(server, talk, f"after {number}", again)
            with client_of(server) as client:
                check(client, talk)
    note = f"by −{6 * 24} h to +{6 * 24} h, each by up to 10 minutes more or less"
    return [living.row(note), between.row(note), again.row()]


def _library() -> Path | None:
    found = sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))
    return found[0] if found else None


def _set(clock: Path, offset: int) -> None:
    """In one step: the server reads it whenever it looks at its clock."""
    draft = clock.with_suffix(".part")
    draft.write_text(f"{offset:+d}\n", encoding="ascii")
    draft.replace(clock)


def _arrive(server: Served) -> tuple[Talk, str]:
    with client_of(server) as client:
        token = client.post("/v1/visitors").json()
        headers = {"Authorization": f"Bearer {token['token']}"}
        talk = client.post("/v1/conversations", headers=headers).json()["conversation_id"]
        return Talk(talk, headers), token["refresh_token"]


def _goes_on(server: Served, talk: Talk, refresh: str, offset: int) -> None:
    """As a page does: with its token, else with the next one that its refresh token buys."""
    with client_of(server) as client:
        answer = client.get(f"/v1/conversations/{talk.id}", headers=talk.headers)
        if answer.status_code == 401:
            new = client.post("/v1/visitors", json={"refresh_token": refresh})
            must(new.status_code == 201, f"no new token: {new.status_code} {new.text[:120]}")
            talk.headers["Authorization"] = f"Bearer {new.json()['token']}"
            answer = client.get(f"/v1/conversations/{talk.id}", headers=talk.headers)
        must(answer.status_code == 200, f"{answer.status_code} {answer.text[:120]}")
        # The head of an answer has a date that is made anew once a second.
        end = time.monotonic() + NOTICED
        while abs((wrong := _wrong(answer)) - offset) >= STALE and time.monotonic() < end:
            time.sleep(0.2)
            answer = client.get(f"/v1/conversations/{talk.id}", headers=talk.headers)
        must(abs(wrong - offset) < STALE, f"the server's clock did not jump: it is {wrong:.0f} s wrong")
        must(answer.status_code in (200, 401), f"{answer.status_code} {answer.text[:120]}")


def _wrong(answer: httpx.Response) -> float:
    """By how many seconds the clock of who answered is ahead."""
    return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
