"""Adapters whose publisher is killed: nothing half-written can be loaded, a promotion is all or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file

from senmon.adapters import AdapterCard, AdapterStore, durable
from senmon.adapters.folder import version_of
from senmon.bench.killing import changes_of, forked, full_disk, killed_before, killed_within
from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.errors import SenmonError

PACK = "shop"
TARGETS = ("q_proj", "v_proj")
Step = Callable[[AdapterStore], object]


def write_adapter(folder: Path, seed: int) -> AdapterCard:
    """A small adapter in PEFT's layout, of random weights."""
    numbers = torch.Generator().manual_seed(seed)
    tensors = {
        f"base_model.model.model.layers.{layer}.self_attn.{name}.lora_{factor}.weight": torch.randn(
            shape, generator=numbers
        ).half()
        for layer in range(2)
        for name in TARGETS
        for factor, shape in (("A", (4, 64)), ("B", (64, 4)))
    }
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    LoraConfig(r=4, lora_alpha=8, target_modules=list(TARGETS), task_type="CAUSAL_LM").save_pretrained(folder)
    return AdapterCard(pack=PACK, base_digest="0" * 64, rank=4, alpha=8.0, target_modules=TARGETS)


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    with workbench() as root:
        cards = [write_adapter(root / f"source-{seed}", seed) for seed in (0, 1)]
        home = root / "home"
        first = AdapterStore(home).publish(root / "source-0", cards[0]).version
        AdapterStore(home).promote(PACK, first, reason="first")
        shutil.copytree(home, root / "two")
        second = AdapterStore(root / "two").publish(root / "source-1", cards[1]).version
        shutil.copytree(root / "two", root / "promoted")
        AdapterStore(root / "promoted").promote(PACK, second, reason="second")
        steps: dict[str, tuple[Path, Step, set[str], str]] = {
            "publish": (home, lambda store: store.publish(root / "source-1", cards[1]), {first}, first),
            "promote": (
                root / "two",
                lambda store: store.promote(PACK, second, reason="killed"),
                {first, second},
                second,
            ),
            "rollback": (
                root / "promoted",
                lambda store: store.rollback(PACK, reason="killed"),
                {first, second},
                first,
            ),
        }
        rows = []
        for name, (start, step, served, then) in steps.items():
            tell(f"adapters: {name} killed")
            rows.append(_killed(name, root, start, step, served, then, effort))
        rows.append(_full(root, home, steps["publish"][1], first, effort))
        tell("adapters: release killed")
        rows.append(_replaced(root, effort))
        return rows


def _killed(
    name: str, root: Path, start: Path, step: Step, served: set[str], then: str, effort: Effort
) -> Row:
    count = Count("adapters", f"{name}, killed: every version whole, the served one old or new")
    home = root / "tried"
    total = _fresh(start, home, lambda: changes_of(lambda: _do(step, home), home))
    draw = effort.draw(name)
    for number in range(effort.points):
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(start, home)
        change, size = draw.randint(1, total), draw.randint(0, 9000)
        within = number % 2 == 1
        with count.point(f"{name} within byte {size}" if within else f"{name} before change {change}"):
            work = lambda: _do(step, home)  # noqa: E731 — forked at once
            ended = killed_within(work, size) if within else killed_before(work, home, change)
            must(within or ended < 0, f"was not killed ({ended})")
            _sound(home, served)
            if (ended < 0 and _version(home) != then) or name == "publish":
                _do(step, home)
            must(_version(home) == then, "the same step again did not complete it")
            _sound(home, served)
    return count.row(f"{total} changes of files in the step")


def _full(root: Path, start: Path, step: Step, first: str, effort: Effort) -> Row:
    count = Count("adapters", "publish, disk full: refused with an error of ours, the store unharmed")
    home, draw = root / "tried", effort.draw("full")
    for _ in range(effort.points):
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(start, home)
        size = draw.randint(0, 4000)  # less than the weights, so that it can't succeed

        def work() -> None:
            full_disk(size)  # noqa: B023 — forked at once
            try:
                _do(step, home)
            except SenmonError:
                return
            raise RuntimeError("it was not refused")

        with count.point(f"publish with {size} bytes"):
            must(forked(work) == 0, "no error of ours")
            _sound(home, {first})
            _do(step, home)
            _sound(home, {first})
    return count.row()


def _replaced(root: Path, effort: Effort) -> Row:
    """A folder that replaces another one, as a release does: there is always one of them, whole."""
    count = Count("adapters", "release, killed: the pack's adapter whole, old or new")
    home, draw = root / "tried", effort.draw("release")
    old, new = (version_of(root / f"source-{seed}") for seed in (0, 1))

    def work() -> None:
        with durable.temporary_folder(home) as draft:
            shutil.copytree(root / "source-1", draft, dirs_exist_ok=True)
            durable.install_folder(draft, home / "adapter")

    def start() -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(root / "source-0", home / "adapter")

    start()
    total = changes_of(work, home)
    for _ in range(effort.points):
        start()
        change = draw.randint(1, total)
        with count.point(f"release before change {change}"):
            must(killed_before(work, home, change) < 0, "was not killed")
            must(version_of(home / "adapter") in (old, new), "neither the old nor the new one")
            work()
            must(version_of(home / "adapter") == new, "the same step again did not complete it")
    return count.row(f"{total} changes of files in the step")


def _fresh(start: Path, home: Path, work: Callable[[], int]) -> int:
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(start, home)
    return work()


def _do(step: Step, home: Path) -> None:
    step(AdapterStore(home))


def _version(home: Path) -> str:
    promoted = AdapterStore(home).promoted(PACK)
    return promoted.version if promoted else ""


def _sound(home: Path, served: set[str]) -> None:
    """What is listed can be loaded bit for bit; what is served is one of `served`."""
    store = AdapterStore(home)
    for adapter in store.list(PACK):
        store.verify(adapter)
    must(_version(home) in served, "neither the old nor the new one is served")
    store.history(PACK)
