"""Three server processes on one PostgreSQL and one Redis: any may be killed, any may be asked."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster_server import SENTENCES
from server_rig import client_of, read_events
from store.conftest import apart, execute, missing

pytestmark = pytest.mark.xdist_group("postgres")
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

    def more(self, database: str, count: int) -> subprocess.Popen[str]:
        script = Path(__file__).parents[1] / "cluster_server.py"
        redis = f"redis://127.0.0.1:{self.port}/0"
        started = subprocess.Popen(
            [sys.executable, str(script), str(self.folder), database, redis, str(count)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert started.stdout is not None
        for _ in range(count):
            pid, url = started.stdout.readline().split()
            self.urls[int(pid)] = url
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
    made = Cluster(folder, port, start_redis(folder, port))
    started = made.more(postgres.format("cluster"), 5)
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
    codes = [cluster.at(which).post("/v1/conversations").status_code for which in range(34)]
    assert codes.count(201) in (30, 31)
    assert codes[-1] == 429


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
