"""Runs on disk: one at a time, readable at any moment, honest about the dead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from senmon.errors import TuningDiverged, TuningInProgress
from senmon.lifecycle.runs import RunRecorder, latest_runs, recorded, runs, tuning_now


def test_progress_is_written_and_finished(tmp_path: Path) -> None:
    with recorded(tmp_path, "shop") as run:
        run.update(phase="train", step=3, steps=10, loss=2.5)
        state = json.loads((run.folder / "progress.json").read_text(encoding="utf-8"))
        assert (state["phase"], state["step"], state["steps"], state["loss"]) == ("train", 3, 10, 2.5)
        assert runs(tmp_path, "shop")[-1].phase == "train"
        assert tuning_now(tmp_path, "shop")
        run.finish(phase="done", passed=True)
    (newest,) = latest_runs(tmp_path)
    assert newest["phase"] == "done"
    assert newest["finished"]
    assert not tuning_now(tmp_path, "shop")


def test_two_runs_of_a_pack_at_once_are_refused(tmp_path: Path) -> None:
    with recorded(tmp_path, "shop"):
        with pytest.raises(TuningInProgress, match="wait for it"), recorded(tmp_path, "shop"):
            pass
        with recorded(tmp_path, "tutor") as other:
            other.finish(phase="done")


def test_an_error_is_the_end_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(TuningDiverged), recorded(tmp_path, "shop"):
        raise TuningDiverged("loss is NaN at step 4", remedy="lower the learning rate")
    (run,) = runs(tmp_path, "shop")
    assert run.phase == "failed"
    assert "NaN at step 4" in run.error
    assert run.finished
    with recorded(tmp_path, "shop"):
        pass


def test_a_killed_run_is_shown_as_failed(tmp_path: Path) -> None:
    RunRecorder(tmp_path, "shop")
    (run,) = runs(tmp_path, "shop")
    assert run.phase == "failed"
    assert "ended before" in run.error


def test_runs_of_nothing(tmp_path: Path) -> None:
    assert runs(tmp_path, "shop") == ()
    assert latest_runs(tmp_path) == ()
