"""Budgets, batches, schedules, divergence and the lock: no model needed."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Literal

import pytest

from senmon.errors import TuningDiverged, TuningInProgress
from senmon.packs.manifest import RecipeSpec
from senmon.tuning.batches import cost, epoch_steps, pack, supervised_tokens
from senmon.tuning.budget import Limits, even_sample, limits, plan_everything, plan_within, run_steps
from senmon.tuning.divergence import Divergence
from senmon.tuning.lock import tuning_lock
from senmon.tuning.recipe import recipe_digest
from senmon.tuning.rows import Row
from senmon.tuning.schedule import learning_rate

Schedule = Literal["cosine", "linear", "constant", "wsd"]
PREFIX = tuple(range(20))


def row(index: int, intent: str = "a", length: int = 30, supervised: int = 10) -> Row:
    ids = PREFIX + tuple(range(length))
    labels = (-100,) * (len(ids) - supervised) + ids[len(ids) - supervised :]
    return Row(str(index), intent, ids, labels, len(PREFIX), supervised, 0)


def test_a_sample_is_even_over_intents() -> None:
    sizes = {"big": 500, "middle": 100, "small": 7}
    rows = [row(i, intent) for intent, size in sizes.items() for i in range(size)]
    chosen = even_sample(rows, 100, seed=0)
    assert len(chosen) == len(set(chosen)) == 100
    assert Counter(rows[i].intent for i in chosen) == {"small": 7, "middle": 46, "big": 47}
    assert chosen == even_sample(rows, 100, seed=0) != even_sample(rows, 100, seed=1)
    assert even_sample(rows, 10_000, seed=0) == tuple(range(len(rows)))
    assert Counter(rows[i].intent for i in even_sample(rows, 2, seed=0)).total() == 2


def test_every_row_is_in_an_epoch_once_and_budgets_are_kept() -> None:
    rows = [row(i, length=10 + i % 40, supervised=5 + i % 5) for i in range(200)]
    recipe = RecipeSpec(micro_batch_tokens=300, step_tokens=100)
    steps = epoch_steps(rows, range(200), recipe, 0)
    batches = [batch for step in steps for batch in step]
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    for batch in batches:
        assert len(batch) * max(rows[i].suffix for i in batch) <= 300
    assert all(sum(supervised_tokens(rows, b) for b in step) >= 50 for step in steps)
    assert steps == epoch_steps(rows, range(200), recipe, 0)
    assert steps != epoch_steps(rows, range(200), recipe, 1)
    # Sorted by length: little padding.
    padded = sum(cost(rows, b) - rows[b[0]].cut for b in batches)
    assert padded < 1.1 * sum(r.suffix for r in rows)


def test_groups_of_other_prefixes_stay_apart() -> None:
    import dataclasses

    rows = [dataclasses.replace(row(i), group=i % 2) for i in range(10)]
    for batch in pack(rows, range(10), tokens=10_000, supervised=10_000):
        assert len({rows[i].group for i in batch}) == 1


def test_limits() -> None:
    assert limits("auto", "cuda") is None and limits("full", "cpu") is None
    assert limits("auto", "cpu") == Limits(300, 360)
    ten = limits("10m", "cuda")
    assert ten is not None and ten.limit == 600


@pytest.mark.parametrize("seconds", [30, 100, 400, 4000])
def test_a_plan_fits_its_time(seconds: int) -> None:
    rows = [row(i, str(i % 7), length=20 + i % 60, supervised=8) for i in range(3000)]
    valid = [row(i, str(i % 7)) for i in range(400)]
    recipe, speed = RecipeSpec(step_tokens=512), 1000.0
    plan = plan_within(rows, valid, recipe, seconds=seconds, speed=speed)
    steps = run_steps(rows, plan.rows, recipe, plan.epochs)
    assert len(steps) == plan.steps > 0
    train = sum(cost(rows, b) for step in steps for b in step) / speed
    evaluate = (
        0.4 * 8 * sum(cost(valid, b) for b in pack(valid, plan.valid, tokens=4096, supervised=10**9)) / speed
    )
    assert 0.8 * (seconds - 10) < train + evaluate < 1.1 * (seconds - 10) or plan.epochs == recipe.epochs
    if plan.epochs < 1 or len(plan.rows) < len(rows):
        counts = Counter(rows[i].intent for i in plan.rows)
        assert max(counts.values()) - min(counts.values()) <= 1
    else:
        assert len(plan.rows) == len(rows)


def test_everything_is_everything() -> None:
    rows = [row(i) for i in range(50)]
    plan = plan_everything(rows, [], RecipeSpec(step_tokens=100, epochs=2.5))
    assert plan.rows == tuple(range(50)) and plan.epochs == 2.5
    one = len(epoch_steps(rows, range(50), RecipeSpec(step_tokens=100), 0))
    assert plan.steps == pytest.approx(2.5 * one, abs=1)


@pytest.mark.parametrize(
    ("schedule", "half", "last"),
    [("cosine", 0.5, 0.0), ("linear", 0.5, 0.0), ("constant", 1, 1), ("wsd", 1, 0.1)],
)
def test_schedules(schedule: Schedule, half: float, last: float) -> None:
    recipe = RecipeSpec(schedule=schedule, warmup=0.1, learning_rate=1.0)
    rates = [learning_rate(recipe, step, 1000) for step in range(1000)]
    assert rates[:100] == sorted(rates[:100]) and 0 < rates[0] < 0.02
    assert rates[100] == pytest.approx(1)
    assert rates[550] == pytest.approx(half, abs=0.01)
    assert rates[-1] == pytest.approx(last, abs=0.01)
    assert max(rates) <= 1


def test_divergence() -> None:
    watch = Divergence()
    watch.watch(1, 2.0, 1.0)
    with pytest.raises(TuningDiverged, match="not finite") as error:
        watch.watch(2, float("nan"), 1.0)
    assert "learning_rate" in error.value.remedy
    with pytest.raises(TuningDiverged):
        watch.watch(2, 1.0, float("inf"))
    for step in range(3, 22):
        watch.watch(step, 6.5, 1.0)
    with pytest.raises(TuningDiverged, match="3 times its best"):
        watch.watch(22, 6.5, 1.0)
    calm = Divergence(best=0.01)
    for step in range(100):  # far above its best, yet small
        calm.watch(step, 0.9, 1.0)


def test_one_tuning_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from senmon.tuning.lock import tuning_lock\n"
        f"with tuning_lock(Path({str(tmp_path)!r}), 'shop'): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(TuningInProgress, match=f"process {holder.pid}"), tuning_lock(tmp_path, "shop"):
            pass
        with tuning_lock(tmp_path, "other"):
            pass
    finally:
        holder.kill()
        holder.wait()
    with tuning_lock(tmp_path, "shop"):
        pass


def test_the_recipe_digest_ignores_the_machine() -> None:
    recipe = RecipeSpec()
    assert recipe_digest(recipe) == recipe_digest(recipe.model_copy(update={"budget": "full"}))
    assert recipe_digest(recipe) != recipe_digest(recipe.model_copy(update={"learning_rate": 1e-4}))
