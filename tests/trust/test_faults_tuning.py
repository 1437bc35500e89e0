"""A tuning that is killed twice in changes of its files ends with the bits of one that was left alone."""

from __future__ import annotations

import os

import pytest

from senmon.bench import trust_tune
from senmon.bench.trust import Effort


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_killed_tuning_goes_on_to_the_same_weights() -> None:
    killed, ended = trust_tune.run(Effort(points=2), lambda line: None)
    assert killed.points == 2 and ended.points, (killed, ended)
    assert not killed.failures and not ended.failures, (killed.why, ended.why)
