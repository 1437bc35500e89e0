"""Tunings that are killed again and again: they end with the same bits as one that was left alone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from senmon.bench.killing import changes_of, killed_before
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


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    count = Count("tune", "tuning, killed before changes of its files: the same weights in the end")
    with workbench() as root:
        base = make_tiny_base(root / "base")
        pack = load_pack(scaffold("shop", root))
        data, out = load_dataset(pack), root / "out"

        def work() -> None:
            tune(pack, data, base=base, out=out, recipe=RECIPE, device="cpu")

        tell("tune: left alone")
        total = changes_of(work, out)
        whole, draw = _weights(out), effort.draw("tune")
        left, ends = effort.points, 0
        while left:
            shutil.rmtree(out)
            kills = min(KILLS, left)
            tell(f"tune: {effort.points - left} of {effort.points} kills")
            for _ in range(kills):
                change = draw.randint(1, max(2, total // 3))
                ended = killed_before(work, out, change)
                if ended:  # else it was over before that change: no fault
                    with count.point(f"change {change}"):
                        must(ended < 0, f"a tuning that was killed can't be gone on with ({ended})")
            left -= kills
            ends += 1
            with count.point("the end"):
                must(killed_before(work, out, 0) == 0, "it can't be gone on with")
                must(_weights(out) == whole, "other weights than without kills")
    told = f"{count.points - ends} of them kills, up to {KILLS} in one tuning of {total} changes of files"
    return [count.row(f"{told}; the others compare the ends")]


def _weights(out: Path) -> str:
    (path,) = out.rglob("adapter_model.safetensors")
    return sha256(path.read_bytes()).hexdigest()
