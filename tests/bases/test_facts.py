"""What a base is, told from its headers; and that the embedded one is ready at once."""

from __future__ import annotations

import time

from senmon.bases.catalog import BaseFiles, load_model, resolve
from senmon.bases.facts import load_seconds, parameter_count


def test_parameters_are_counted_without_loading(tiny_base: BaseFiles) -> None:
    assert parameter_count(tiny_base) == sum(p.numel() for p in load_model(tiny_base).parameters())


def test_the_embedded_base_loads_within_a_second() -> None:
    """Processor seconds: other programs on the machine do not count. Conversion to float32 does."""
    base = resolve()
    assert parameter_count(base) < 20e6
    assert min(load_seconds(base, clock=time.process_time) for _ in range(3)) < 1.0
