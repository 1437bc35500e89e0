"""Publishers and importers that are killed or find the disk full: a few points of `senmon bench trust`."""

from __future__ import annotations

import os

import pytest

from senmon.bench import trust_adapters, trust_import
from senmon.bench.trust import QUICK, Count, Part, must

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@pytest.mark.parametrize("part", [trust_adapters.run, trust_import.run], ids=["adapters", "import"])
def test_killed_anywhere_it_is_whole(part: Part) -> None:
    rows = part(QUICK, lambda line: None)
    assert len(rows) >= 3 and all(row.points for row in rows)
    assert [row.why for row in rows if row.failures] == []


def test_what_breaks_a_promise_is_counted_and_named() -> None:
    count = Count("part", "what holds")
    for place in ("a", "b"):
        with count.point(place):
            must(place == "a", "it did not hold")
    row = count.row("a note")
    assert (row.points, row.failures, row.why) == (2, 1, ("b: RuntimeError: it did not hold",))
    low, high = row.interval
    assert 0 < low < 0.5 < high < 1
