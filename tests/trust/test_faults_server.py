"""A server that is killed while it answers, and one that gets more than it can take: a few points each."""

from __future__ import annotations

import sys

import pytest

from senmon.bench import trust_messages
from senmon.bench.trust import Effort

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_a_killed_server_has_every_acknowledged_message() -> None:
    rows = trust_messages.run(Effort(points=3), lambda line: None)
    assert [row.points for row in rows] == [3, 3]
    assert [row.why for row in rows if row.failures] == []
