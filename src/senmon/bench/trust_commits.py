"""A server that dies at what it writes to its database: right before a commit, or right after it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import httpx

from senmon.bench.trust import Count, Effort, Row, Tell, workbench
from senmon.bench.trust_messages import Talk, answered, begin, check, client_of, send
from senmon.bench.trust_server import Nursery, Served, nursery
from senmon.packs.scaffold import scaffold

TALKS = 2
#: So often it is tried to kill, for each kill that is wanted.
TRIES = 2
#: Seconds that a server may still write something after its replies.
PATIENCE = 2.0


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    count = Count("commits", "server killed at a commit: every acknowledged message there, once")
    again = Count("commits", "the next message after it is answered")
    with workbench() as root:
        scaffold("shop", root / "packs")
        with nursery(root / "home", [root / "packs"]) as born:
            total = _commits(born, root / "count")
            draw, acknowledged = effort.draw("commits"), 0
            for number in range(TRIES * effort.points):
                if count.points == effort.points:
                    break
                tell(f"commits: kill {count.points + 1} of {effort.points}")
                commit, before = draw.randint(1, total), number % 2 == 0
                server = born.server(dies_at=commit, before=before)
                # Conversations that begin here, and what is said in them: all of it is written.
                talks = [talk for _ in range(TALKS) if (talk := _begun(server))]
                _say(server, talks, f"cut {number}")
                if not server.is_dead(PATIENCE):  # it wrote less often than the first one: no fault
                    server.kill()
                    continue
                with count.point(f"{'before' if before else 'after'} commit {commit}"):
                    server = born.server()
                    with client_of(server) as client:
                        acknowledged += sum(check(client, talk) for talk in talks)
                    for talk in talks:
                        answered(server, talk, f"answered {number}", again)
                server.kill()
    note = f"{total} commits in {TALKS} conversations of a message, {acknowledged} messages were acknowledged"
    return [count.row(note), again.row()]


def _commits(born: Nursery, counted: Path) -> int:
    """How many transactions write when nobody is killed."""
    server = born.server(count=counted)
    talks = [begin(server) for _ in range(TALKS)]
    _say(server, talks, "hello")
    server.kill()
    return counted.stat().st_size


def _begun(server: Served) -> Talk | None:
    """A conversation; None when the server died of it."""
    try:
        return begin(server)
    except httpx.HTTPError:
        return None


def _say(server: Served, talks: Sequence[Talk], text: str) -> None:
    """To its end in each conversation at once, or to the server's."""
    with client_of(server) as client:
        threads = [threading.Thread(target=send, args=(client, talk, text)) for talk in talks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
