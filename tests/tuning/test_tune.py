"""Whole runs on the tiny base: output, exact resume after kill -9, divergence, interrupts."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from senmon.adapters import AdapterStore
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.dataset.example import Dataset, Example, Split
from senmon.dataset.loading import load_dataset
from senmon.errors import ConfigError, DataInvalid, TuningDiverged, TuningError
from senmon.messages import Message
from senmon.packs.loader import load_pack
from senmon.packs.manifest import Lora, RecipeSpec
from senmon.packs.pack import Pack
from senmon.packs.scaffold import scaffold
from senmon.rendering import prefix_digest, prefix_message
from senmon.tuning.heldout import heldout_losses
from senmon.tuning.progress import TuneProgress
from senmon.tuning.recipe import recipe_digest
from senmon.tuning.tune import tune

RECIPE = RecipeSpec(budget="full", step_tokens=64, epochs=4, evaluations=3, learning_rate=5e-3)
WORDS = ("blue", "green", "heavy", "small", "round", "late", "open", "cheap")


def dataset() -> Dataset:
    examples = [
        Example(
            id=str(i),
            intent=f"i{i % 3}",
            split="valid" if i % 5 == 0 else "train",
            source=f"data/x.jsonl:{i + 1}",
            messages=(
                Message("user", f"is the {WORDS[i % 8]} one {WORDS[(i * 3) % 8]}?"),
                Message("assistant", f"Yes, the {WORDS[i % 8]} one is {WORDS[(i * 3) % 8]}."),
            ),
        )
        for i in range(40)
    ]
    return Dataset(tuple(examples))


@pytest.fixture
def pack(pack_folder: Callable[..., Path]) -> Pack:
    return load_pack(pack_folder("shop"))


def weights(path: Path) -> str:
    return hashlib.sha256((path / "adapter_model.safetensors").read_bytes()).hexdigest()


def test_a_candidate_in_pefts_layout(pack: Pack, tiny_base: BaseFiles, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"precision": "fp32"})  # as served, so losses agree to the last bits
    seen: list[TuneProgress] = []
    candidate = tune(
        pack, dataset(), base=tiny_base, out=tmp_path / "out", recipe=recipe, on_progress=seen.append
    )
    config = json.loads((candidate.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == tiny_base.spec and config["revision"] is None
    assert (config["r"], config["use_rslora"], config["use_dora"], config["modules_to_save"]) == (
        16,
        True,
        False,
        None,
    )
    tensors = load_file(candidate.path / "adapter_model.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    assert all(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in tensors)
    card = candidate.card
    assert card.base_digest == tiny_base.digest and card.dataset_digest == dataset().digest
    assert card.prefix_digest == prefix_digest(pack) and card.recipe_digest == recipe_digest(recipe)
    assert card.recipe["plan"].startswith("all 32 examples") and card.metrics == candidate.metrics
    assert candidate.metrics["valid_loss"] < candidate.metrics["base_valid_loss"] - 0.5
    assert seen[0].phase == "load" and seen[-1].phase == "done"
    assert any(
        p.phase == "train" and p.eta_seconds is not None and (p.tokens_per_second or 0) > 0 for p in seen
    )
    assert (tmp_path / "out/curve.png").read_bytes().startswith(b"\x89PNG")
    curve = json.loads((tmp_path / "out/curve.json").read_text())
    assert len(curve["train"]) == candidate.metrics["steps"] and len(curve["valid"]) == 4
    assert any((tmp_path / "out/tensorboard").iterdir())

    # Asked again, it has nothing left to learn.
    again: list[TuneProgress] = []
    same = tune(
        pack, dataset(), base=tiny_base, out=tmp_path / "out", recipe=recipe, on_progress=again.append
    )
    assert weights(same.path) == weights(candidate.path)
    assert not any(p.phase in ("train", "evaluate") for p in again)

    # The store takes it as it is.
    adapter = AdapterStore(tmp_path / "home").publish(candidate.path, card)
    assert adapter.card.rank == 16 and (adapter.path / "chat_template.jinja").is_file()

    # What was evaluated is what was published: PEFT loads the rounded weights and gives the same loss.
    held = heldout_losses(tiny_base, candidate.path, pack, dataset().split("valid"))
    assert held.mean == pytest.approx(candidate.metrics["valid_loss"], rel=1e-6)
    assert heldout_losses(tiny_base, None, pack, dataset().split("valid")).mean == pytest.approx(
        candidate.metrics["base_valid_loss"], rel=1e-6
    )
    assert len(held.nll) == len(dataset().split("valid")) and held.tokens.min() > 0


def test_in_bf16_it_learns_as_much_and_says_so(pack: Pack, tiny_base: BaseFiles, tmp_path: Path) -> None:
    made = {
        precision: tune(
            pack,
            dataset(),
            base=tiny_base,
            out=tmp_path / precision,
            recipe=RECIPE.model_copy(update={"precision": precision}),
            device="cpu",
        )
        for precision in ("fp32", "bf16")
    }
    assert made["fp32"].card.device == "cpu" and made["bf16"].card.device == "cpu, bf16"
    exact, rounded = (made[name].metrics["valid_loss"] for name in ("fp32", "bf16"))
    assert rounded != exact and rounded == pytest.approx(exact, rel=0.02)
    assert weights(made["fp32"].path) != weights(made["bf16"].path)


def test_held_out_losses_are_those_of_the_plain_model(pack: Pack, tiny_base: BaseFiles) -> None:
    from senmon.rendering import Renderer

    examples = dataset().split("valid")[:3]
    held = heldout_losses(tiny_base, None, pack, examples)
    model, renderer = load_model(tiny_base), Renderer(load_tokenizer(tiny_base))
    for index, example in enumerate(examples):
        rendered = renderer.example([prefix_message(pack), *example.messages])
        ids, labels = torch.tensor([rendered.ids]), torch.tensor([rendered.labels])
        assert held.nll[index] == pytest.approx(
            float(model(input_ids=ids, labels=labels).loss.detach()), rel=1e-5
        )
        assert held.tokens[index] == rendered.supervised


CHILD = """
import importlib.util, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from senmon.bases.catalog import resolve
from senmon.packs.loader import load_pack
from senmon.tuning.tune import tune
spec = importlib.util.spec_from_file_location("runs", sys.argv[1])
runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runs)
def tell(p):
    print(p.phase, p.step, p.note, flush=True)
tune(load_pack(Path(sys.argv[2])), runs.dataset(), base=resolve(sys.argv[3]), out=Path(sys.argv[4]),
     recipe=runs.RECIPE, on_progress=tell, checkpoint_seconds=0)
"""


def killed_run(arguments: list[str], step: int) -> None:
    """Run CHILD and kill it, as `kill -9` does, once it has told of `step`."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(f"train {step} "):
            os.kill(child.pid, signal.SIGKILL)
            break
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()


def test_killed_at_any_step_it_ends_with_the_same_bits(
    pack: Pack, tiny_base: BaseFiles, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    whole = tune(pack, dataset(), base=tiny_base, out=tmp_path / "whole", recipe=RECIPE)
    out, step = tmp_path / "killed", random.randint(2, int(whole.metrics["steps"]) - 1)
    killed_run([__file__, str(pack.path), tiny_base.spec, str(out)], step)
    assert not (out / "adapter").exists()
    seen: list[TuneProgress] = []
    again = tune(pack, dataset(), base=tiny_base, out=out, recipe=RECIPE, on_progress=seen.append)
    (plan,) = [p for p in seen if p.phase == "plan"]
    assert "resumed at step" in plan.note and plan.step in (step - 1, step)
    assert weights(again.path) == weights(whole.path), f"killed at step {step}"
    assert again.metrics["valid_loss"] == whole.metrics["valid_loss"]
    curves = [json.loads((folder / "curve.json").read_text()) for folder in (out, tmp_path / "whole")]
    assert curves[0] == curves[1]


def test_interrupted_again_and_again_it_ends_with_the_same_bits(
    pack: Pack, tiny_base: BaseFiles, tmp_path: Path
) -> None:
    """Every place where a run tells something is a place where it can be stopped."""
    short = RECIPE.model_copy(update={"epochs": 1.0})
    whole = tune(pack, dataset(), base=tiny_base, out=tmp_path / "whole", recipe=short)
    told: list[tuple[str, int]] = []

    def stop(progress: TuneProgress) -> None:
        if (key := (progress.phase, progress.step)) not in told and progress.phase in ("train", "evaluate"):
            told.append(key)
            raise KeyboardInterrupt

    for _ in range(100):
        try:
            again = tune(
                pack, dataset(), base=tiny_base, out=tmp_path / "out", recipe=short, on_progress=stop
            )
            break
        except KeyboardInterrupt:
            continue
    assert len(told) == whole.metrics["steps"] + 4
    assert weights(again.path) == weights(whole.path)


def test_an_interrupt_leaves_a_checkpoint_to_go_on_from(
    pack: Pack, tiny_base: BaseFiles, tmp_path: Path
) -> None:
    dropout = RECIPE.model_copy(update={"lora": Lora(rank=4, dropout=0.2)})
    whole = tune(pack, dataset(), base=tiny_base, out=tmp_path / "whole", recipe=dropout)

    def interrupt(progress: TuneProgress) -> None:
        if progress.phase == "train" and progress.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(pack, dataset(), base=tiny_base, out=tmp_path / "out", recipe=dropout, on_progress=interrupt)
    assert (tmp_path / "out/checkpoint/state.safetensors").is_file()
    again = tune(pack, dataset(), base=tiny_base, out=tmp_path / "out", recipe=dropout)
    assert weights(again.path) == weights(whole.path)


def test_a_checkpoint_of_other_inputs_is_not_gone_on_from(
    pack: Pack, tiny_base: BaseFiles, tmp_path: Path
) -> None:
    def interrupt(progress: TuneProgress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(pack, dataset(), base=tiny_base, out=tmp_path, recipe=RECIPE, on_progress=interrupt)
    other = RECIPE.model_copy(update={"seed": 1, "epochs": 1.0})
    notes: list[str] = []
    tune(
        pack,
        dataset(),
        base=tiny_base,
        out=tmp_path,
        recipe=other,
        on_progress=lambda p: notes.append(p.note),
    )
    assert not any("resumed" in note for note in notes)


def test_divergence_is_told_with_its_remedy(pack: Pack, tiny_base: BaseFiles, tmp_path: Path) -> None:
    wild = RECIPE.model_copy(update={"learning_rate": 1e30, "warmup": 0.0})
    with pytest.raises(TuningDiverged) as error:
        tune(pack, dataset(), base=tiny_base, out=tmp_path, recipe=wild, checkpoint_seconds=0)
    assert "learning_rate" in error.value.remedy
    assert (tmp_path / "checkpoint/state.safetensors").is_file() and not (tmp_path / "adapter").exists()


def test_it_stops_early_and_keeps_the_best(pack: Pack, tiny_base: BaseFiles, tmp_path: Path) -> None:
    # The validation examples contradict the training ones: learning makes them worse soon.
    plan: list[tuple[str, Split]] = [
        *(("heavy", "train") for _ in range(12)),
        *(("round and late", "valid") for _ in range(4)),
    ]
    examples = [
        Example(str(i), (Message("user", "say it"), Message("assistant", word)), "a", split, "x.jsonl:1")
        for i, (word, split) in enumerate(plan)
    ]
    recipe = RECIPE.model_copy(
        update={"epochs": 60.0, "evaluations": 30, "early_stopping": 2, "learning_rate": 0.02}
    )
    candidate = tune(pack, Dataset(tuple(examples)), base=tiny_base, out=tmp_path, recipe=recipe)
    curve = json.loads((tmp_path / "curve.json").read_text())
    assert len(curve["valid"]) < 31
    best = min(point["loss"] for point in curve["valid"][1:])
    assert candidate.metrics["valid_loss"] == pytest.approx(best, abs=1e-3)
    assert candidate.metrics["best_step"] < candidate.metrics["steps"]


def test_auto_on_a_cpu_measures_and_says_so(pack: Pack, tiny_base: BaseFiles, tmp_path: Path) -> None:
    notes: list[str] = []
    recipe = RECIPE.model_copy(update={"budget": "auto", "epochs": 1.0})
    started = time.monotonic()
    candidate = tune(
        pack,
        dataset(),
        base=tiny_base,
        out=tmp_path,
        recipe=recipe,
        on_progress=lambda p: notes.append(p.note),
    )
    assert time.monotonic() - started < 30
    assert any("tokens/s" in note for note in notes) and "tokens/s" in candidate.card.recipe["plan"]
    assert candidate.metrics["examples"] == 32


def test_one_thread_is_taken_when_it_is_faster_and_kept(
    pack: Pack, tiny_base: BaseFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As beside a busy process, where two threads wait for each other."""
    monkeypatch.setattr("senmon.tuning.tune.one_thread_is_faster", lambda *_: True)
    recipe = RECIPE.model_copy(update={"budget": "auto", "epochs": 1.0})
    used: list[int] = []

    def interrupt(progress: TuneProgress) -> None:
        if progress.phase == "train":
            used.append(torch.get_num_threads())
            if len(used) == 2:
                raise KeyboardInterrupt

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            tune(pack, dataset(), base=tiny_base, out=tmp_path, recipe=recipe, on_progress=interrupt)
        monkeypatch.undo()
        tune(pack, dataset(), base=tiny_base, out=tmp_path, recipe=recipe, on_progress=interrupt)
        assert set(used) == {1} and len(used) > 2, "a resumed run keeps the number"
        assert torch.get_num_threads() == 2, "and leaves the process as it was"
    finally:
        torch.set_num_threads(before)


def test_a_disk_that_refuses_is_told(pack: Pack, tiny_base: BaseFiles, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("in the way", encoding="utf-8")
    with pytest.raises(TuningError, match="could not be written") as error:
        tune(pack, dataset(), base=tiny_base, out=tmp_path, recipe=RECIPE, checkpoint_seconds=0)
    assert "disk" in error.value.remedy


def test_a_scaffolded_pack_tunes(tiny_base: BaseFiles, tmp_path: Path) -> None:
    pack = load_pack(scaffold("desk", tmp_path / "packs"))
    recipe = RECIPE.model_copy(update={"epochs": 1.0, "evaluations": 1})
    candidate = tune(pack, load_dataset(pack), base=tiny_base, out=tmp_path / "out", recipe=recipe)
    assert candidate.metrics["valid_loss"] < candidate.metrics["base_valid_loss"]


def test_every_unfit_example_is_named(pack: Pack, tiny_base: BaseFiles, tmp_path: Path) -> None:
    good = dataset().examples
    long = Example(
        "l", (Message("user", "a " * 1200), Message("assistant", "b")), "a", "train", "data/x.jsonl:7"
    )
    empty = Example("e", (Message("user", "a"),), "a", "train", "data/x.jsonl:9")
    with pytest.raises(DataInvalid) as error:
        tune(pack, Dataset((*good, long, empty)), base=tiny_base, out=tmp_path, recipe=RECIPE)
    assert [(p.path, p.line) for p in error.value.problems] == [("data/x.jsonl", 7), ("data/x.jsonl", 9)]
    with pytest.raises(DataInvalid, match="nothing to learn"):
        tune(pack, Dataset(()), base=tiny_base, out=tmp_path, recipe=RECIPE)


def test_wrong_settings_are_config_errors(pack: Pack, tiny_base: BaseFiles, tmp_path: Path) -> None:
    wrong = RECIPE.model_copy(update={"lora": Lora(target_modules=("c_attn",))})
    with pytest.raises(ConfigError, match="c_attn") as error:
        tune(pack, dataset(), base=tiny_base, out=tmp_path, recipe=wrong)
    assert "q_proj" in error.value.remedy
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="quantise"):
            tune(
                pack,
                dataset(),
                base=tiny_base,
                out=tmp_path,
                recipe=RECIPE.model_copy(update={"quantise": True}),
            )
