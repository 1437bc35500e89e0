"""What a server works with breaks: actions, model servers, visitors, disks, improvements: a few points."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from senmon.bases.catalog import BaseFiles
from senmon.bench import trust_actions, trust_clock, trust_disk, trust_engines
from senmon.bench.killing import killed_after, killed_at_commit
from senmon.bench.trust import Effort, Part, Row
from senmon.bench.trust_disk import Case
from senmon.cli import bench_trust_improve
from senmon.cli.bench_trust import PartName, _parts

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, reads /proc")


def kept(rows: Sequence[Row]) -> None:
    """Every promise was tried, and held. Where a disk of one's own is not allowed, that is said aloud."""
    assert rows
    if any(row.what == "not tried" for row in rows):
        pytest.skip(rows[-1].note)
    assert all(row.points for row in rows), rows
    assert [row.why for row in rows if row.failures] == []


def quiet(line: str) -> None:
    pass


def test_broken_action_servers_end_in_the_packs_words_and_leave_nothing() -> None:
    rows = trust_actions.run(Effort(points=1), quiet)
    assert rows[0].points >= 40, "each way to be broken, both kinds of service"
    kept(rows)


async def test_a_model_server_that_dies_ends_its_replies_with_words(tmp_path: Path) -> None:
    kept(await trust_engines.replicas(tmp_path, Effort(points=4), quiet))


async def test_a_visitor_who_leaves_is_written_to_for_one_step_at_most(tiny_base: BaseFiles) -> None:
    kept(await trust_engines.leaving(tiny_base, Effort(points=3), quiet))


def test_a_killed_improvement_learns_each_decision_once() -> None:
    kept(bench_trust_improve.run(Effort(points=3), quiet, disks=False))


@pytest.mark.parametrize("make", [trust_disk.stored, trust_disk.imported, trust_disk.published])
def test_a_full_disk_is_refused_with_words_and_nothing_is_half_written(
    tmp_path: Path, make: Callable[[Path], Case]
) -> None:
    kept(trust_disk.tried(tmp_path, make(tmp_path), Effort(points=2)))


def test_without_a_clock_to_turn_it_is_said_and_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_clock, "_library", lambda: None)
    (row,) = trust_clock.run(Effort(points=1), quiet)
    assert (row.points, row.failures, row.interval) == (0, 0, (0.0, 1.0)) and "faketime" in row.note


def test_each_part_has_its_name() -> None:
    parts: dict[PartName, Part] = _parts([])
    assert list(parts) == list(PartName)


def test_a_process_is_killed_where_it_was_said(tmp_path: Path) -> None:
    """Else a promise that holds would say nothing."""
    assert killed_after(lambda: asyncio.run(asyncio.sleep(30)), 0.05) < 0
    assert killed_after(lambda: None, 30) == 0
    start = trust_disk.stored(tmp_path).start
    kept_talks: set[str] = set()
    work = lambda: asyncio.run(trust_disk.talked(start, kept_talks))  # noqa: E731
    assert killed_at_commit(work, 1, before=True) < 0 and killed_at_commit(work, 2, before=False) < 0
    assert killed_at_commit(work, 10_000, before=True) == 0
