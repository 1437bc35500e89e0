"""Dataset + recipe → adapter candidate."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from senmon.adapters import AdapterCard
from senmon.adapters.durable import canonical_json
from senmon.bases.arithmetic import bf16_pays
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.dataset.hinting import learn
from senmon.errors import ConfigError, DataInvalid, Problem
from senmon.packs.manifest import RecipeSpec
from senmon.policy.artifact import packaged_encoder
from senmon.rendering import Renderer, prefix_digest, prefix_message
from senmon.tuning import checkpoint, lora, processes
from senmon.tuning.budget import Plan, limits, plan_everything, plan_within
from senmon.tuning.curve import Scalars, write_curve
from senmon.tuning.disk import writing
from senmon.tuning.emphasis import emphasised, repetitions
from senmon.tuning.lock import tuning_lock
from senmon.tuning.preference import Pair, pairs_of, prefer, require_trl
from senmon.tuning.progress import OnProgress, TuneProgress, ignore
from senmon.tuning.recipe import recipe_digest
from senmon.tuning.rows import Row, render_rows
from senmon.tuning.shared_prefix import SharedPrefixLoss, can_share
from senmon.tuning.storage import SharedStorage
from senmon.tuning.training import Job, Training, measure_speed, one_thread_is_faster

if TYPE_CHECKING:
    from senmon.dataset.example import Dataset
    from senmon.embedding import Encoder
    from senmon.packs.pack import Pack
    from senmon.policy.model import Policy

#: Measured with 11.5 M parameters: 2,048 is 20 % faster than 4,096, and 60 % than 512.
CPU_MICRO_BATCH_TOKENS = 2048

__all__ = ["Candidate", "TuneProgress", "tune"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What tuning makes: a folder in PEFT's layout, not yet published. `note` says what was learnt from."""

    path: Path
    card: AdapterCard
    metrics: Mapping[str, float]
    note: str
    curve: Path


def tune(
    pack: Pack,
    dataset: Dataset,
    *,
    base: BaseFiles,
    out: Path,
    recipe: RecipeSpec | None = None,
    on_progress: OnProgress | None = None,
    resume: bool = True,
    threads: int | None = None,
    checkpoint_seconds: float = 30.0,
    device: str | None = None,
    encoder: Encoder | None = None,
    checkpoints: str | None = None,
) -> Candidate:
    """Tune a LoRA adapter on `dataset.split("train")`; early stopping looks at `split("valid")`.

    Writes `adapter/`, `checkpoint/`, `tensorboard/`, `curve.json` and `curve.png` into `out`. Called again
    with the same inputs after a kill it goes on where it was, on a CPU with the same weights to the bit;
    after its end it gives the same candidate at once: `out` is removed by whoever has used it. `device` None
    takes the GPU when there is one; `threads` None the faster of all and one; a resumed run keeps its
    number. `checkpoints` is an address of shared storage (`tuning.storage`), from which each process goes
    on, on whatever machine. `encoder` (None: the installed one) is for packs that say `context.likely`.
    Under `accelerate launch` all processes share the work and the main one writes.

    Raises DataInvalid (every unfit example), ConfigError, TuningInProgress, TuningDiverged, TuningError
    when the disk is full.
    """
    from accelerate import Accelerator

    began = time.monotonic()
    # Without `cpu`, processes on a machine that has no accelerator would not find each other.
    accelerator = Accelerator(cpu=device == "cpu" or not torch.accelerator.is_available())
    lock = tuning_lock(out, pack.name) if accelerator.is_main_process else nullcontext()
    with lock, _threads(threads):
        tuning = _Tuning(pack, dataset, base, out, recipe or pack.manifest.recipe, accelerator)
        tuning.encoder, tuning.checkpoints = encoder, checkpoints
        tuning.report = on_progress if on_progress and accelerator.is_main_process else ignore
        tuning.choose_threads = threads is None and accelerator.device.type == "cpu"
        return tuning.run(began, resume=resume, checkpoint_seconds=checkpoint_seconds)


def fit_to_device(recipe: RecipeSpec, device: str) -> RecipeSpec:
    """On a CPU, micro-batches that stay near its caches."""
    if device != "cpu" or recipe.micro_batch_tokens <= CPU_MICRO_BATCH_TOKENS:
        return recipe
    return recipe.model_copy(update={"micro_batch_tokens": CPU_MICRO_BATCH_TOKENS})


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Tuning:
    """The order of the steps of one `tune` call."""

    def __init__(
        self, pack: Pack, dataset: Dataset, base: BaseFiles, out: Path, recipe: RecipeSpec, accelerator: Any
    ) -> None:
        self.pack, self.dataset, self.base, self.out = pack, dataset, base, out
        self.recipe, self.accelerator = fit_to_device(recipe, str(accelerator.device.type)), accelerator
        self.report: OnProgress = ignore
        self.choose_threads = False
        self.encoder: Encoder | None = None
        self.checkpoints: str | None = None
        self.policy: Policy | None = None
        #: With hints, where the pack asks for them; `dataset` stays what the pack holds.
        self.taught = dataset
        self.renderer = Renderer(load_tokenizer(base))

    def run(self, began: float, *, resume: bool, checkpoint_seconds: float) -> Candidate:
        self.report(TuneProgress("load", note=f"base {self.base.name} on {self._device}"))
        self._teach()
        loss = self._load()
        share = can_share(loss)
        rows, valid = self._rows("train", loss, share), self._rows("valid", loss, share)
        self._pairs  # noqa: B018 - what stands in their way is told before the tuning
        job = Job(
            rows=rows,
            valid=valid,
            recipe=self.recipe,
            limits=limits(self.recipe.budget, self._device),
            pad_id=self.renderer.pad_id,
            folder=self.out / "checkpoint",
            identity=self._identity(),
            began=began,
            checkpoint_seconds=checkpoint_seconds,
            storage=self._storage(),
        )
        saved = self._saved(job) if resume else None
        plan = saved.plan if saved else self._plan(job, loss)
        if plan.threads and self._device == "cpu":
            torch.set_num_threads(plan.threads)
        loss.in_bf16 = plan.half
        training = Training(job, plan, loss, self.accelerator, self.report)
        if saved:
            training.resume(saved)
        how = "shared prefix" if share else "padded (this base can't share a prefix)"
        resumed = f"; resumed at step {training.position.step}" if saved else ""
        note = f"{plan.note}; {how}{resumed}"
        self.report(TuneProgress("plan", training.position.step, plan.steps, note=note))
        self._train(training)
        return self._finish(training)

    def _storage(self) -> SharedStorage | None:
        if self.checkpoints is None:
            return None
        storage = SharedStorage(self.checkpoints, self.pack.name, self._identity())
        if self.accelerator.is_main_process:
            storage.prepare()
        return storage

    def _saved(self, job: Job) -> checkpoint.Checkpoint | None:
        """The checkpoint to go on from, the same in all processes."""
        if job.storage is not None:
            fetched = self.out / "fetched" / str(self.accelerator.process_index)
            saved = None
            if job.storage.fetch(fetched / checkpoint.FILE) is not None:
                saved = checkpoint.load(fetched, job.identity)
            shutil.rmtree(fetched, ignore_errors=True)
        else:
            saved = checkpoint.load(job.folder, job.identity)
        processes.require_same_step(self.accelerator, saved.position.step if saved else None)
        return saved

    def _teach(self) -> None:
        """What each message makes likely, where the pack wants its model told so."""
        if self.pack.manifest.context.likely:
            self.report(TuneProgress("load", note="learning which move a message makes likely"))
            self.encoder = self.encoder or packaged_encoder()
            self.policy, self.taught = learn(self.dataset, self.pack.actions, self.encoder)

    @property
    def _device(self) -> str:
        return str(self.accelerator.device.type)

    def _load(self) -> SharedPrefixLoss:
        # Among several processes accelerate calls the CPU `cpu:0`.
        place = "cpu" if self._device == "cpu" else str(self.accelerator.device)
        model = load_model(self.base, device=place, quantise=self.recipe.quantise)
        return SharedPrefixLoss(lora.attach(model, self.recipe, self.base))

    def _rows(self, split: Any, loss: SharedPrefixLoss, share: bool) -> tuple[Row, ...]:
        examples = self.taught.split(split)
        if split == "train" and not examples:
            problem = Problem(str(self.pack.path), 0, "data.train", "no training example", "add examples")
            raise DataInvalid("there is nothing to learn from", [problem])
        longest = getattr(loss.model.config, "max_position_embeddings", self.recipe.max_tokens)
        most = min(self.recipe.max_tokens, longest)
        if split == "train":
            examples = emphasised(examples)
        return render_rows(self.renderer, prefix_message(self.pack), examples, max_tokens=most, share=share)

    def _identity(self) -> str:
        """Digest of all inputs: a checkpoint of other inputs is not gone on from."""
        inputs = {
            "base": self.base.digest,
            "dataset": self.dataset.digest,
            "prefix": prefix_digest(self.pack),
            "recipe": self.recipe.model_dump(mode="json"),
            "device": self._device,
            "processes": self.accelerator.num_processes,
        }
        if times := repetitions(self.dataset.split("train")):
            inputs["reviewed"] = times
            inputs["contrasts"] = True
        if self.policy is not None:
            inputs["likely"] = self.policy.encoder.digest
        return hashlib.sha256(canonical_json(inputs).encode()).hexdigest()

    def _plan(self, job: Job, loss: SharedPrefixLoss) -> Plan:
        plan = plan_everything(job.rows, job.valid, self.recipe)
        loss.in_bf16 = self._half()
        if job.limits is not None:
            self.report(TuneProgress("measure", note="measuring the speed of this machine"))
            state = torch.get_rng_state()
            speed = self._speed(job, loss) * self.accelerator.num_processes
            torch.set_rng_state(state)
            seconds = job.limits.aim - (time.monotonic() - job.began)
            plan = plan_within(job.rows, job.valid, self.recipe, seconds=seconds, speed=speed)
        if self._device == "cpu":
            plan = replace(plan, threads=torch.get_num_threads(), half=loss.in_bf16)
        if self.accelerator.num_processes > 1:
            from accelerate.utils import broadcast_object_list

            plan = Plan.from_json(broadcast_object_list([plan.to_json()])[0])
        return plan

    def _half(self) -> bool:
        """Whether a CPU run multiplies in bf16; a GPU decides for itself."""
        if self._device != "cpu" or self.recipe.precision == "fp32":
            return False
        return self.recipe.precision == "bf16" or bf16_pays()

    def _speed(self, job: Job, loss: SharedPrefixLoss) -> float:
        """Tokens a second, after choosing the threads."""
        many = torch.get_num_threads()
        if self.choose_threads and many > 1 and one_thread_is_faster(loss, job, many):
            torch.set_num_threads(1)
            self.report(TuneProgress("measure", note=f"one thread is faster here than {many}"))
        return measure_speed(loss, job, self.accelerator.device)

    def _train(self, training: Training) -> None:
        main = self.accelerator.is_main_process
        scalars = Scalars(self.out / "tensorboard", training.position.step) if main else None
        try:
            training.run(scalars)
        finally:
            if scalars:
                scalars.close()

    def _finish(self, training: Training) -> Candidate:
        position = training.position
        self.report(TuneProgress("save", position.step, training.plan.steps))
        if training.best:
            lora.restore(training.loss, training.best)
        preferred = self._prefer(training)
        lora.round_to_stored(training.loss)
        metrics = {**self._metrics(training), **preferred}
        card = self._card(training.plan, metrics)
        path = self.out / "adapter"
        if self.accelerator.is_main_process:
            with writing(path):
                self._write(path, training, card)
        self.accelerator.wait_for_everyone()
        valid, steps = metrics.get("valid_loss"), training.plan.steps
        self.report(TuneProgress("done", position.step, steps, valid_loss=valid, note=str(path)))
        return Candidate(path, card, metrics, training.plan.note, self.out / "curve.png")

    def _prefer(self, training: Training) -> dict[str, float]:
        """Learn from rejected replies, where the recipe says so. A run that was killed in it begins it again,
        from the same weights."""
        wish, pairs = self.recipe.preference, self._pairs
        if not (wish.epochs and pairs):
            return {}
        self.report(TuneProgress("prefer", note=f"{len(pairs)} pairs of replies"))

        def step(number: int, steps: int, loss: float | None) -> None:
            self.report(TuneProgress("prefer", number, steps, loss=loss))

        found = prefer(
            training.loss,
            pairs,
            load_tokenizer(self.base),
            wish,
            seed=self.recipe.seed,
            device=self.accelerator.device,
            on_step=step,
        )
        told = {
            "pairs": found.pairs,
            "pairs_learnt": found.learnt,
            "preferred_before": found.before,
            "preferred_after": found.after,
        }
        note = (
            f"better reply likelier in {found.before:.0%} of {found.pairs} pairs, then in {found.after:.0%}"
        )
        if found.left_out:
            note += f"; {found.left_out} pairs hold what reads like control tokens and are left out"
        self.report(TuneProgress("prefer", note=note))
        return {name: float(value) for name, value in told.items()}

    @cached_property
    def _pairs(self) -> tuple[Pair, ...]:
        """The pairs of the training split; none when the recipe does not ask for them. Raises ConfigError."""
        if not self.recipe.preference.epochs:
            return ()
        require_trl()
        if self.accelerator.num_processes > 1:
            raise ConfigError(
                "recipe.preference is learnt by one process",
                remedy="tune without --workers, or set recipe.preference.epochs to 0",
            )
        return pairs_of(
            self.renderer,
            prefix_message(self.pack),
            self.taught.split("train"),
            max_tokens=self.recipe.max_tokens,
        )

    def _write(self, path: Path, training: Training, card: AdapterCard) -> None:
        curve = write_curve(self.out, training.position, title=f"{self.pack.manifest.title}: tuning loss")
        template = self.renderer.scaffold.jinja()
        lora.save(
            training.loss.model,
            path,
            base=self.base,
            card=card,
            template=template,
            policy=self.policy,
            extras=(curve,),
        )

    def _metrics(self, training: Training) -> dict[str, float]:
        """`valid_loss` is of the rounded weights, as they are published."""
        position, plan = training.position, training.plan
        elapsed = training.elapsed
        tail = [row[1] for row in position.train[-10:]]
        known: dict[str, float | None] = {
            "valid_loss": training.valid_loss(),
            "base_valid_loss": position.base_loss,
            "train_loss": sum(tail) / len(tail) if tail else None,
            "steps": position.step,
            "best_step": position.best_step,
            "epochs": plan.epochs,
            "examples": len(plan.rows),
            "tokens": position.tokens,
            "seconds": round(elapsed, 1),
            "tokens_per_second": round(position.tokens / elapsed, 1),
        }
        return {name: float(value) for name, value in known.items() if value is not None}

    def _card(self, plan: Plan, metrics: dict[str, float]) -> AdapterCard:
        manifest, recipe = self.pack.manifest, self.recipe
        return AdapterCard(
            pack=self.pack.name,
            pack_version=manifest.version,
            base=self.base.spec,
            base_revision=self.base.revision,
            base_digest=self.base.digest,
            dataset_digest=self.dataset.digest,
            prefix_digest=prefix_digest(self.pack),
            recipe_digest=recipe_digest(recipe),
            recipe={**recipe.model_dump(mode="json"), "plan": plan.note},
            metrics=metrics,
            device=_device_name(self.accelerator.device) + (", bf16" if plan.half else ""),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            rank=recipe.lora.rank,
            alpha=recipe.lora.alpha,
            rslora=recipe.lora.rslora,
            target_modules=tuple(sorted(recipe.lora.target_modules)),
            reviewed=tuple(one.id for one in self.dataset.split("train") if one.reviewed),
            title=f"{manifest.title}: adapter",
            description=manifest.description,
            licence=manifest.licence,
            language=manifest.language,
        )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
