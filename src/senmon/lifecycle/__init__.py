"""The life of an adapter: tuned, judged, promoted, rolled back, released."""

from senmon.lifecycle.gating import GateVerdict, gate, judge
from senmon.lifecycle.releasing import RELEASE_BYTES, release
from senmon.lifecycle.runs import RunProgress, latest_runs, runs, tuning_now
from senmon.lifecycle.switching import promote, rollback
from senmon.lifecycle.tuning_run import TuneResult, tune_pack

__all__ = [
    "RELEASE_BYTES",
    "GateVerdict",
    "RunProgress",
    "TuneResult",
    "gate",
    "judge",
    "latest_runs",
    "promote",
    "release",
    "rollback",
    "runs",
    "tune_pack",
    "tuning_now",
]
