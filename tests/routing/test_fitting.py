"""Calibration judges by messages like none that were learnt: near copies are left out of the learning."""

import itertools

import numpy as np
import pytest

from senmon.routing import fitting
from senmon.routing.calibration import thresholds
from senmon.routing.model import RouterModel
from senmon.routing.routes import PackRoutes

VERBS = ("polish", "repair", "measure", "paint", "move", "insure")
THINGS = {"shop": ("violin", "drum"), "farm": ("tractor", "plough")}


def routes(variants: tuple[str, ...]) -> list[PackRoutes]:
    """Two packs of two intents with six requests each, each worded in all `variants`."""
    packs = []
    for pack, things in THINGS.items():
        asked = itertools.product(things, VERBS, variants)
        examples = tuple((how.format(f"{verb} a certain {thing}"), thing) for thing, verb, how in asked)
        packs.append(PackRoutes(pack, pack, examples))
    return packs


def fit(variants: tuple[str, ...]) -> RouterModel:
    return fitting.fit_model(routes(variants), None)


PLAIN = ("where does one {} in the old town",)
TWICE = (*PLAIN, "where does one {} in the old town?")


def calibrated(monkeypatch: pytest.MonkeyPatch, variants: tuple[str, ...]) -> np.ndarray:
    """The scores that the thresholds are made of."""
    seen: list[np.ndarray] = []

    def remembering(scores: list[np.ndarray], promises: list[float]) -> tuple[float, ...]:
        seen.extend(scores)
        return thresholds(scores, promises)

    with monkeypatch.context() as patched:
        patched.setattr(fitting, "thresholds", remembering)
        fit(variants)
    return np.concatenate(seen)


def test_a_copy_in_another_fold_does_not_make_a_message_known(monkeypatch: pytest.MonkeyPatch) -> None:
    once, twice = calibrated(monkeypatch, PLAIN), calibrated(monkeypatch, TWICE)
    assert len(twice) == 2 * len(once) == 48
    monkeypatch.setattr(fitting, "COPY", 2.0)  # as if nothing were a copy
    naive = calibrated(monkeypatch, TWICE)
    assert np.median(twice) == pytest.approx(np.median(once), abs=0.1)
    assert np.median(naive) > np.median(twice) + 0.1
