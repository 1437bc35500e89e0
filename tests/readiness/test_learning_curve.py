"""The learning curve: the fit, its interval, and a real run on a tiny base."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from senmon.bases.catalog import BaseFiles
from senmon.dataset.example import Example
from senmon.dataset.loading import load_dataset
from senmon.errors import ConfigError
from senmon.packs.loader import load_pack
from senmon.readiness.learning_curve import (
    RUNS,
    LearningCurve,
    Point,
    PowerLaw,
    _affordable,
    fit,
    interval,
    learning_curve,
)
from senmon.readiness.plots import curve_plot

SIZES = np.array([100.0, 100, 200, 200, 400])


def test_a_known_power_law_is_found_again() -> None:
    law = fit(SIZES, 0.5 + 8 * SIZES**-0.6)
    assert law.at(800) == pytest.approx(0.5 + 8 * 800**-0.6, rel=0.02)


def test_a_flat_and_a_rising_curve_promise_nothing() -> None:
    assert fit(SIZES, np.full(5, 1.3)).at(800) == pytest.approx(1.3)
    assert fit(SIZES, 1 + SIZES / 1000).at(800) >= 1.0
    with pytest.raises(ValueError, match="positive"):
        fit(SIZES, np.zeros(5))


def test_the_interval_holds_the_truth_and_narrows_with_held_out_examples() -> None:
    numbers = np.random.default_rng(3)
    truth = 0.4 + 6 * np.append(SIZES, 800) ** -0.5
    widths = []
    for held in (20, 400):
        hard = numbers.gamma(4, 0.25, size=held)
        losses = truth[:5, None] * hard * np.exp(numbers.normal(0, 0.01, size=(5, held)))
        low, high = interval(SIZES, losses, np.ones(held), 800)
        assert low < truth[5] * hard.mean() < high
        widths.append((high - low) / truth[5])
    assert widths[1] < widths[0]


def test_a_real_run_on_a_tiny_base(
    tiny_base: BaseFiles, pack_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = pack_folder("shop", recipe={"epochs": 1, "evaluations": 1, "step_tokens": 256})
    words = random.Random(1)
    with (folder / "data/train.jsonl").open("w", encoding="utf-8") as file:
        for number in range(56):
            said = " ".join(words.choices(("tent", "rope", "lamp", "boot", "map", "cup", "axe"), k=6))
            talk = [{"role": "user", "content": said}, {"role": "assistant", "content": f"You said {said}."}]
            split = "valid" if number % 5 == 0 else "train"
            file.write(json.dumps({"intent": f"i{number % 3}", "split": split, "messages": talk}) + "\n")
    pack = load_pack(folder)
    seen: list[str] = []
    curve = learning_curve(
        pack,
        load_dataset(pack),
        base=tiny_base,
        work=tmp_path / "work",
        minutes=None,
        device="cpu",
        threads=1,
        on_run=lambda number, of, what: seen.append(f"{number}/{of} {what}"),
    )
    assert len(curve.points) == len(RUNS) and len(seen) == len(RUNS) + 1
    assert [point.examples for point in curve.points] == [11, 11, 22, 22, 44]
    assert all(point.loss < curve.base for point in curve.points)
    assert curve.low <= curve.doubled <= curve.high and curve.held_out == 12
    assert not (tmp_path / "work").exists()
    assert "88" in curve.meaning and "<svg" in curve_plot(curve)


def test_a_curve_of_a_sample_does_not_say_whether_to_collect() -> None:
    points = tuple(Point(size, 3 - size / 1000, run) for size, run in ((25, 0), (50, 0), (100, 0)))
    curve = LearningCurve(points, PowerLaw(0.0, 4.0, 0.1), 3.2, 30, 2.35, 2.3, 2.4, 600.0, available=1000)
    assert "100 of the 1,000" in curve.meaning and "--curve-minutes 100 " in curve.meaning
    assert "worth collecting." in replace(curve, available=110).meaning


def test_too_little_data_is_refused(
    tiny_base: BaseFiles, pack_folder: Callable[..., Path], tmp_path: Path
) -> None:
    pack = load_pack(pack_folder("shop"))
    with pytest.raises(ConfigError, match="no curve"):
        learning_curve(pack, load_dataset(pack), base=tiny_base, work=tmp_path / "work")


@pytest.mark.parametrize(("seconds", "minutes", "kept"), [(0.0, 10, 100), (1.0, 10, 30), (0.2, 10, 75)])
def test_a_slow_machine_measures_fewer_held_out_examples(
    monkeypatch: pytest.MonkeyPatch, pack_folder: Callable[..., Path], seconds: float, minutes: int, kept: int
) -> None:
    clock = [0.0]
    monkeypatch.setattr("senmon.readiness.learning_curve.time.monotonic", lambda: clock[0])
    (one, *_) = load_dataset(load_pack(pack_folder("shop"))).examples
    held = tuple(replace(one, id=f"e{number}", intent=f"i{number % 4}") for number in range(100))

    def measure(some: Sequence[Example]) -> None:
        clock[0] += seconds * len(some)

    assert len(_affordable(held, minutes, measure)) == kept
    assert _affordable(held, None, measure) is held
