"""Three server processes on one PostgreSQL and one Redis: any may be killed, any may be asked."""

from __future__ import annotations

import asyncio
import http.server
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from cluster_server import SENTENCES
from senmon.server.console.session import COOKIE
from senmon.server.registering import new_site
from senmon.store.store import Store
from server_rig import client_of, read_events
from store.conftest import Postgres, apart, execute, missing

pytestmark = pytest.mark.xdist_group("postgres")
#: Seconds of each server's lease. One is so long that nobody would wait for its end.
LEASES = (2, 2, 2, 2, 2, 2, 300)
#: How long PostgreSQL is away; a failover takes longer than the suite has.
AWAY_SECONDS = float(os.environ.get("SENMON_TEST_AWAY_SECONDS", "1"))
T = TypeVar("T")
WHOLE = " ".join(f"This is number {number}." for number in range(SENTENCES))


def start_redis(folder: Path, port: int) -> subprocess.Popen[bytes]:
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    started = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return started
        time.sleep(0.02)
    raise AssertionError("redis-server did not start")


@dataclass
class Cluster:
    folder: Path
    port: int
    redis: subprocess.Popen[bytes]
    database: str
    patient: int = 0
    urls: dict[int, str] = field(default_factory=dict)
    token: str = ""

    def at(self, which: int) -> httpx.Client:
        """The visitor at the server `which` of those that live."""
        url = list(self.urls.values())[which % len(self.urls)]
        return client_of(url, Authorization=f"Bearer {self.token}")

    def arrive(self) -> None:
        url = next(iter(self.urls.values()))
        self.token = client_of(url).post("/v1/visitors").json()["token"]

    def kill(self, which: int) -> int:
        pid = list(self.urls)[which]
        os.kill(pid, signal.SIGKILL)
        del self.urls[pid]
        return pid

    def say(self, which: int, conversation: str, text: str, client_id: str = "1") -> httpx.Response:
        body = {"client_id": client_id, "text": text, "pack": "shop"}
        return self.at(which).post(f"/v1/conversations/{conversation}/messages", json=body)

    def conversation(self) -> str:
        return str(self.at(0).post("/v1/conversations").json()["conversation_id"])

    def follow(self, which: int, run: str, after: int = 0) -> Iterator[dict[str, Any]]:
        headers = {"Last-Event-ID": str(after)}
        with self.at(which).stream("GET", f"/v1/runs/{run}/events", headers=headers) as response:
            assert response.status_code == 200, response.read()
            yield from read_events(response)

    def acted(self) -> list[str]:
        done = self.folder / "shop" / "done.txt"
        return done.read_text().splitlines() if done.exists() else []

    def state(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """What `work` does to the shared state, as a command beside the servers."""

        async def worked() -> T:
            store = await Store.open(self.database, serving=False)
            try:
                return await work(store)
            finally:
                await store.close()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, worked()).result()

    def start(self) -> subprocess.Popen[str]:
        script = Path(__file__).parents[1] / "cluster_server.py"
        redis = f"redis://127.0.0.1:{self.port}/0"
        started = subprocess.Popen(
            [sys.executable, str(script), str(self.folder), self.database, redis, ",".join(map(str, LEASES))],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert started.stdout is not None
        for _ in LEASES:
            pid, url, lease = started.stdout.readline().split()
            self.urls[int(pid)] = url
            if float(lease) == max(LEASES):
                self.patient = int(pid)
        self.urls[self.patient] = self.urls.pop(self.patient)  # the last to be asked or killed
        return started


@pytest.fixture(scope="module")
def running(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if shutil.which("redis-server") is None:
        missing("Redis is not here: apt-get install redis-server")
    folder = tmp_path_factory.mktemp("cluster")
    # Not migrated: several processes start on it at once.
    apart(execute(postgres.format("postgres"), "create database cluster"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Cluster(folder, port, start_redis(folder, port), postgres.format("cluster"))
    started = made.start()
    try:
        yield made
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        made.redis.kill()


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    running.arrive()
    return running


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["data"]["text"] for event in events if event["type"] == "delta")


def owner(cluster: Cluster, run: str, which: int) -> list[dict[str, Any]]:
    """Some events of a run, read at the server that answers it."""
    seen: list[dict[str, Any]] = []
    for event in cluster.follow(which, run):
        seen.append(event)
        if sum(each["type"] == "delta" for each in seen) == 5:
            return seen
    raise AssertionError(f"the run ended too early: {seen}")


def test_any_server_tells_a_run_of_another(cluster: Cluster) -> None:
    talk = cluster.conversation()
    run = cluster.say(0, talk, "count").json()["run_id"]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda which: list(cluster.follow(which, run, which)), range(3)))
    for after, events in enumerate(found):
        assert [event["seq"] for event in events] == list(range(after + 1, len(found[0]) + 1))
        assert text_of(events) == WHOLE


def test_a_killed_server_s_run_goes_on_from_the_released_text(cluster: Cluster) -> None:
    talk = cluster.conversation()
    run = cluster.say(0, talk, "count").json()["run_id"]
    seen = owner(cluster, run, 0)
    cluster.kill(0)
    rest = list(cluster.follow(0, run, seen[-1]["seq"]))
    every = [*seen, *rest]
    assert [event["seq"] for event in every] == list(range(1, len(every) + 1))
    assert text_of(every) == WHOLE
    assert every[-1]["type"] == "done"
    assert every[-1]["data"]["text"] == WHOLE
    assert [event["type"] for event in every].count("route") == 1


def test_an_action_is_not_done_twice(cluster: Cluster) -> None:
    before = len(cluster.acted())
    run = cluster.say(0, cluster.conversation(), "order A1001").json()["run_id"]
    seen = owner(cluster, run, 0)
    cluster.kill(0)
    every = [*seen, *cluster.follow(1, run, seen[-1]["seq"])]
    assert [e["data"]["status"] for e in every if e["type"] == "action"] == ["started", "finished"]
    assert len(cluster.acted()) == before + 1
    assert text_of(every) == WHOLE == every[-1]["data"]["text"]


def test_an_action_under_way_is_told_as_failed(cluster: Cluster) -> None:
    before = len(cluster.acted())
    run = cluster.say(0, cluster.conversation(), "order A1002").json()["run_id"]
    seen: list[dict[str, Any]] = []
    for event in cluster.follow(0, run):
        seen.append(event)
        if event["type"] == "action":
            break
    while len(cluster.acted()) == before:
        time.sleep(0.02)
    cluster.kill(0)
    every = [*seen, *cluster.follow(0, run, seen[-1]["seq"])]
    assert [e["data"]["status"] for e in every if e["type"] == "action"] == ["started", "failed"]
    assert len(cluster.acted()) == before + 1
    assert every[-1]["type"] == "done"
    assert text_of(every)


def test_one_run_at_a_time_whoever_is_asked(cluster: Cluster) -> None:
    talk = cluster.conversation()
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(lambda which: cluster.say(which, talk, "count", "a"), range(4)))
    assert len({answer.json()["run_id"] for answer in same}) == 1
    assert cluster.say(1, talk, "count", "b").status_code == 409
    run = same[0].json()["run_id"]
    for which in range(2):  # one of them is not the one that answers it
        assert cluster.at(which).delete(f"/v1/runs/{run}").json()["state"] == "stopped"
    with ThreadPoolExecutor(4) as pool:
        other = list(pool.map(lambda which: cluster.say(which, talk, "count", f"c{which}"), range(4)))
    assert sorted(answer.status_code for answer in other) == [202, 409, 409, 409]


def test_rates_are_counted_together(cluster: Cluster) -> None:
    begun, made = time.monotonic(), 0
    while cluster.at(made).post("/v1/conversations").status_code == 201:
        made += 1
    refilled = (time.monotonic() - begun) / 2
    assert 30 <= made <= 31 + refilled, "each server alone would have let thirty in"
    assert cluster.at(made + 1).post("/v1/conversations").status_code == 429


def whole(events: list[dict[str, Any]]) -> None:
    """Every event once and in order, to the end, and every word."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events].count("done") == 1 and events[-1]["type"] == "done"
    assert text_of(events) == WHOLE == events[-1]["data"]["text"]


def test_a_client_that_goes_from_server_to_server_sees_each_event_once(cluster: Cluster) -> None:
    run = cluster.say(0, cluster.conversation(), "count").json()["run_id"]
    seen: list[dict[str, Any]] = []
    for which in itertools.count():
        for taken, event in enumerate(cluster.follow(which, run, len(seen))):
            seen.append(event)
            if event["type"] == "done" or taken == 4:
                break
        if seen[-1]["type"] == "done":
            break
    assert which > 3
    whole(seen)


def test_who_is_stopped_hands_over_at_once_and_follows_on(cluster: Cluster) -> None:
    """Its lease would be over after the test's time."""
    run = cluster.say(-1, cluster.conversation(), "count").json()["run_id"]
    following = cluster.follow(-1, run)
    seen = [next(following) for _ in range(8)]
    os.kill(cluster.patient, signal.SIGTERM)
    seen += following  # the same connection, while another server goes on
    del cluster.urls[cluster.patient]
    whole(seen)


def test_who_slept_longer_than_its_lease_says_no_more(cluster: Cluster) -> None:
    talk = cluster.conversation()
    run = cluster.say(0, talk, "count").json()["run_id"]
    sleeping = cluster.follow(0, run)
    seen = [next(sleeping) for _ in range(8)]
    pid = next(iter(cluster.urls))
    os.kill(pid, signal.SIGSTOP)
    try:
        rest = list(cluster.follow(1, run, seen[-1]["seq"]))
    finally:
        os.kill(pid, signal.SIGCONT)
    whole([*seen, *rest])
    assert [*seen, *sleeping] == [*seen, *rest], "who followed the sleeper hears the other one's words"
    assert list(cluster.follow(0, run)) == [*seen, *rest]
    after = cluster.say(0, talk, "count", "2").json()["run_id"]
    whole(list(cluster.follow(0, after)))


def test_a_database_that_is_killed_and_comes_back(cluster: Cluster, postgres_server: Postgres) -> None:
    talk, other = cluster.conversation(), cluster.conversation()
    run = cluster.say(0, talk, "count").json()["run_id"]
    here, there = cluster.follow(0, run), cluster.follow(1, run)
    seen = [next(here) for _ in range(8)]
    told = [next(there) for _ in range(4)]
    postgres_server.kill()
    refused = cluster.say(0, other, "count")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_error"), refused.text
    assert cluster.at(0).get("/readyz").json()["checks"]["store"] == "store_error"
    time.sleep(AWAY_SECONDS)
    postgres_server.start()
    whole([*seen, *here])
    whole([*told, *there])
    for which in range(len(cluster.urls)):  # connections from before are not handed out
        assert cluster.at(which).get("/readyz").status_code == 200
    assert cluster.say(1, other, "count").status_code == 202


def test_what_one_server_is_told_the_others_know(cluster: Cluster) -> None:
    origin = "https://shop.example"
    made = new_site((cluster.folder / "home" / "secret").read_bytes(), "corner-shop", origins=[origin])
    good, _ = cluster.state(lambda store: store.add_key("a"))
    bad, revoked = cluster.state(lambda store: store.add_key("b"))
    boss = cluster.state(lambda store: store.staff.add("mia", "Mia", "agent", "x"))
    session = cluster.state(lambda store: store.staff.open_session(boss.id))
    cluster.state(lambda store: store.sites.add(made.site))

    def asked(which: int) -> list[int]:
        url = list(cluster.urls.values())[which]
        site = {"site_key": made.site.public_key}
        visit = client_of(url, Origin=origin).post("/v1/visitors", json=site)
        keys = [client_of(url, Authorization=f"Bearer {key}").get("/v1/models") for key in (good, bad)]
        console = client_of(url, Cookie=f"{COOKIE}={session}").get("/console/account")
        return [answer.status_code for answer in (visit, *keys, console)]

    servers = range(len(cluster.urls))
    time.sleep(1.05)
    assert [asked(which) for which in servers] == [[201, 200, 200, 200]] * len(servers)
    cluster.state(lambda store: store.revoke_key(revoked.id))
    cluster.state(lambda store: store.staff.change("mia", disabled=datetime.now(UTC)))
    cluster.state(lambda store: store.sites.remove(made.site.id))
    time.sleep(1.05)
    assert [asked(which) for which in servers] == [[404, 200, 401, 303]] * len(servers)


def test_each_delivery_is_made_once(cluster: Cluster) -> None:
    got: list[str] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = cluster.state(lambda s: s.webhooks.add(f"http://127.0.0.1:{server.server_port}/", ("gate",)))

    async def tell(store: Store) -> None:
        for number in range(30):
            await store.webhooks.announce("gate.kept", {"number": number})

    cluster.state(tell)
    for _ in range(100):  # every server looks every two seconds
        made = cluster.state(lambda store: store.webhooks.deliveries(hook.id, 30))
        if all(each.state == "delivered" for each in made):
            break
        time.sleep(0.2)
    server.shutdown()
    assert len(got) == len(set(got)) == 30, made[0]
    cluster.state(lambda store: store.webhooks.remove(hook.id))


def test_without_redis_nothing_taken_is_lost_and_it_comes_back(cluster: Cluster) -> None:
    talk = cluster.conversation()
    run = cluster.say(0, talk, "count").json()["run_id"]
    cluster.redis.kill()
    cluster.redis.wait()
    refused = cluster.say(0, talk, "more", "2")
    assert refused.status_code == 503
    assert "SENMON_REDIS_URL" in refused.text
    assert cluster.at(0).get("/readyz").json()["ready"] is False
    assert text_of(list(cluster.follow(1, run))) == WHOLE
    cluster.redis = start_redis(cluster.folder, cluster.port)
    for _ in range(100):
        if cluster.at(0).get("/readyz").status_code == 200:
            break
        time.sleep(0.1)
    assert cluster.say(0, talk, "more", "2").status_code == 202
