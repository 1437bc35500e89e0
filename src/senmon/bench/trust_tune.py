"""Tunings that are killed again and again: they end with the same bits as one that was left alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from senmon.bench.killing import changes_of, killed_after, killed_before
from senmon.bench.tiny_base import make_tiny_base
from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.dataset.loading import load_dataset
from senmon.packs.loader import load_pack
from senmon.packs.manifest import RecipeSpec
from senmon.packs.scaffold import scaffold
from senmon.tuning.tune import tune

RECIPE = RecipeSpec(budget="full", step_tokens=256, epochs=1, evaluations=2, learning_rate=5e-3)
#: How often one tuning is killed before it may end.
KILLS = 10
#: So often it is tried to kill, for each kill that is wanted: some tunings are faster.
TRIES = 3


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    killed = Count(
        "tune", "tuning, killed before a change of its files or at any time: it can be gone on with"
    )
    ended = Count("tune", "tunings that were killed end with the same weights, bit for bit")
    with workbench() as root:
        base = make_tiny_base(root / "base")
        pack = load_pack(scaffold("shop", root))
        data, out = load_dataset(pack), root / "out"

        def work() -> None:
            tune(pack, data, base=base, out=out, recipe=RECIPE, device="cpu")

        tell("tune: left alone")
        begun = time.monotonic()
        total = changes_of(work, out)
        seconds = time.monotonic() - begun
        whole, draw = weights_of(out), effort.draw("tune")
        tries = 0
        while killed.points < effort.points and tries < TRIES * effort.points:
            shutil.rmtree(out)
            for _ in range(min(KILLS, effort.points - killed.points)):
                tell(f"tune: {killed.points} of {effort.points} kills")
                tries += 1
                point = draw.random()
                if tries % 2:
                    status = killed_before(work, out, 1 + int(point * max(2, total // 3)))
                else:
                    status = killed_after(work, point * seconds)
                if status:  # else it was over before: no fault
                    with killed.point(f"{'change' if tries % 2 else 'time'} {point:.3f}"):
                        must(status < 0, f"a tuning that was killed can't be gone on with ({status})")
            with ended.point("the end"):
                must(killed_before(work, out, 0) == 0, "it can't be gone on with")
                must(weights_of(out) == whole, "other weights than without kills")
    note = f"half each; up to {KILLS} kills in a tuning of {total} changes of files and {seconds:.1f} s"
    return [killed.row(note), ended.row()]


def weights_of(out: Path) -> str:
    (path,) = out.rglob("adapter_model.safetensors")
    return sha256(path.read_bytes()).hexdigest()
