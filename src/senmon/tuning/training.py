"""The training loop: optimiser steps, evaluations, checkpoints, and where a run stops."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from senmon.packs.manifest import RecipeSpec
from senmon.tuning import checkpoint, lora
from senmon.tuning.batches import Indices, Step, collate, cost, epoch_steps, pack, supervised_tokens
from senmon.tuning.budget import RESERVE_SECONDS, Limits, Plan, run_steps
from senmon.tuning.checkpoint import Checkpoint, Position
from senmon.tuning.curve import Scalars
from senmon.tuning.divergence import require_finite
from senmon.tuning.progress import OnProgress, Phase, TuneProgress
from senmon.tuning.rows import Row
from senmon.tuning.schedule import learning_rate
from senmon.tuning.shared_prefix import SharedPrefixLoss
from senmon.tuning.storage import SharedStorage

#: A validation loss must fall by this to count as better.
BETTER = 1e-4
#: Steps before a run may be judged too slow for its time.
PACE_STEPS = 5
MEASURE_SECONDS, MEASURE_BATCHES = 4.0, 8
#: How much faster one thread must be than many to be taken.
CLEARLY = 1.05


@dataclass(frozen=True, slots=True)
class Job:
    """What a run works on. `began` is the monotonic time at which tuning was called."""

    rows: Sequence[Row]
    valid: Sequence[Row]
    recipe: RecipeSpec
    limits: Limits | None
    pad_id: int
    folder: Path
    identity: str
    began: float
    checkpoint_seconds: float
    #: Where checkpoints go besides `folder`, for machines that don't share it.
    storage: SharedStorage | None = None


def measure_speed(loss: SharedPrefixLoss, job: Job, device: torch.device) -> float:
    """Tokens a second (as `batches.cost` counts) of forward and backward passes on batches of this run."""
    batches = _sample(job)
    tokens, spent = 0, 0.0
    _timed_pass(loss, job, batches[0], device)  # warms up
    for batch in batches:
        tokens += cost(job.rows, batch)
        spent += _timed_pass(loss, job, batch, device)
        if spent > MEASURE_SECONDS:
            break
    loss.zero_grad(set_to_none=True)
    return tokens / spent


def one_thread_is_faster(loss: SharedPrefixLoss, job: Job, many: int) -> bool:
    """Beside a busy process, `many` threads wait for each other and can be several times slower than one.

    Tried on a part of a batch, as the slower way may be very slow. Leaves `many` threads.
    """
    batch = _sample(job)[0]
    part, device = batch[: -(-len(batch) // 4)], torch.device("cpu")
    spent = {}
    for count in (1, many):
        torch.set_num_threads(count)
        spent[count] = min(_timed_pass(loss, job, part, device) for _ in range(2 if count == 1 else 1))
    loss.zero_grad(set_to_none=True)
    return CLEARLY * spent[1] < spent[many]


def _sample(job: Job) -> list[Indices]:
    steps = epoch_steps(job.rows, range(len(job.rows)), job.recipe, 0)
    batches = [batch for step in steps for batch in step]
    return batches[:: max(1, len(batches) // MEASURE_BATCHES)]


def _timed_pass(loss: SharedPrefixLoss, job: Job, batch: Indices, device: torch.device) -> float:
    start = time.monotonic()
    loss(collate([job.rows[i] for i in batch], job.pad_id).to(device)).sum().backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.monotonic() - start


class Training:
    """One run. `position`, `plan` and `best` are its state; `run` brings it to the end."""

    def __init__(
        self, job: Job, plan: Plan, loss: SharedPrefixLoss, accelerator: Any, report: OnProgress
    ) -> None:
        self.job, self.plan, self.loss, self.accelerator, self._report = job, plan, loss, accelerator, report
        self.position = Position()
        self.best: dict[str, Tensor] = {}
        recipe = job.recipe
        self._parameters = list(lora.parameters(loss).values())
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self._module: Any = accelerator.prepare(loss) if accelerator.num_processes > 1 else loss
        self._began = job.began
        self._committing = False
        self._random = torch.get_rng_state()
        self._pace_from: tuple[int, float] = (0, 0.0)
        self._saved_at = time.monotonic()

    def resume(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint, exactly."""
        checkpoint.apply(saved, self.loss, self._optimizer)
        self.position, self.plan, self.best = saved.position, saved.plan, saved.part("best")
        self._began = self.job.began - self.position.elapsed
        self._random = torch.get_rng_state()

    @property
    def elapsed(self) -> float:
        """Seconds of this run, earlier calls included."""
        return time.monotonic() - self._began

    @property
    def done(self) -> bool:
        return self.position.stopped or self.position.step >= self.plan.steps

    def run(self, scalars: Scalars | None) -> Position:
        """Train to the end of the plan or to early stopping. A KeyboardInterrupt leaves a checkpoint."""
        steps = run_steps(self.job.rows, self.plan.rows, self.job.recipe, self.plan.epochs)
        points = _evaluation_points(self.plan.steps, self.job.recipe.evaluations)
        self._pace_from = (self.position.step, time.monotonic())
        try:
            while True:
                # Asked before each step, so that an interrupted evaluation is made up for.
                if self._evaluation_due(points):
                    self._evaluate(scalars)
                elif self.done:
                    break
                else:
                    self._step(steps[self.position.step], scalars)
                    self._shorten_if_late()
                if time.monotonic() - self._saved_at >= self.job.checkpoint_seconds:
                    self.save()
        except KeyboardInterrupt:
            if not self._committing:
                torch.set_rng_state(self._random)
                self.save()
            raise
        self.save()
        return self.position

    def save(self) -> None:
        """Write the checkpoint, from the main process only."""
        self.position.elapsed = self.elapsed
        if self.accelerator.is_main_process:
            checkpoint.save(
                self.job.folder,
                self.job.identity,
                model=self.loss,
                optimizer=self._optimizer,
                best=self.best,
                position=self.position,
                plan=self.plan,
            )
            if self.job.storage is not None:
                self.job.storage.put(self.job.folder / checkpoint.FILE, self.position.step)
        self._saved_at = time.monotonic()

    def valid_loss(self) -> float | None:
        """Mean loss per supervised token of the plan's validation rows, over all processes."""
        rows, recipe = self.job.valid, self.job.recipe
        batches = list(
            pack(rows, self.plan.valid, tokens=recipe.micro_batch_tokens, supervised=recipe.step_tokens)
        )
        total = sum(supervised_tokens(rows, batch) for batch in batches)
        if not total:
            return None
        lora.set_dropout(self.loss, on=False)
        losses = torch.zeros((), dtype=torch.float64, device=self.accelerator.device)
        with torch.no_grad():
            for batch in batches[self.accelerator.process_index :: self.accelerator.num_processes]:
                losses += self.loss(self._collate(rows, batch)).double().sum()
        return float(self._over_processes(losses)) / total

    def _collate(self, rows: Sequence[Row], batch: Indices) -> Any:
        return collate([rows[i] for i in batch], self.job.pad_id).to(self.accelerator.device)

    def _over_processes(self, value: Tensor) -> Tensor:
        return self.accelerator.reduce(value, "sum") if self.accelerator.num_processes > 1 else value

    def _step(self, step: Step, scalars: Scalars | None) -> None:
        position, recipe = self.position, self.job.recipe
        rate = learning_rate(recipe, position.step, self.plan.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        start = time.monotonic()
        loss = self._backward(step)
        norm = float(nn.utils.clip_grad_norm_(self._parameters, recipe.clip))
        position.divergence.watch(position.step + 1, loss, norm)
        self._committing = True
        self._optimizer.step()
        self._random = torch.get_rng_state()
        position.step += 1
        tokens = sum(len(self.job.rows[i].ids) for batch in step for i in batch)
        position.tokens += tokens
        position.train.append([position.step, loss, rate, norm])
        self._committing = False
        self._tell("train", loss=loss, speed=tokens / max(1e-9, time.monotonic() - start))
        if scalars:
            scalars.write(position.step, train__loss=loss, train__rate=rate, train__gradient_norm=norm)

    def _backward(self, step: Step) -> float:
        """Gradients of the step's mean loss per supervised token; the loss over all processes."""
        lora.set_dropout(self.loss, on=True)
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        total = sum(supervised_tokens(self.job.rows, batch) for batch in step)
        rounds = -(-len(step) // world) * world
        mine = [step[i] if i < len(step) else None for i in range(rank, rounds, world)]
        losses = torch.zeros((), dtype=torch.float64, device=self.accelerator.device)
        for number, batch in enumerate(mine, 1):
            last = number == len(mine)
            with nullcontext() if last or world == 1 else self.accelerator.no_sync(self._module):
                # Every process must take part in every exchange: one without a batch adds nothing.
                weight = 0.0 if batch is None else world / total
                summed = self._module(self._collate(self.job.rows, batch or step[0])).sum()
                self.accelerator.backward(summed * weight)
            losses += summed.detach().double() * weight / world
        return float(self._over_processes(losses))

    def _evaluation_due(self, points: frozenset[int]) -> bool:
        step = self.position.step
        done = bool(self.position.valid) and self.position.valid[-1][0] == step
        return bool(self.plan.valid) and not done and (step in points or (self.done and step > 0))

    def _evaluate(self, scalars: Scalars | None) -> None:
        loss = self.valid_loss()
        if loss is None:
            return
        require_finite(self.position.step, loss)
        best = lora.snapshot(self.loss)
        position, patience = self.position, self.job.recipe.early_stopping
        self._committing = True
        position.valid.append([position.step, loss])
        if position.step == 0:
            position.base_loss = loss
        elif position.best_loss is None or loss < position.best_loss - BETTER:
            position.best_loss, position.best_step, position.waited, self.best = loss, position.step, 0, best
        else:
            position.waited += 1
            position.stopped = 0 < patience <= position.waited
        self._committing = False
        note = f"stopped early: best at step {position.best_step}" if position.stopped else ""
        self._tell("evaluate", valid=loss, note=note)
        if scalars:
            scalars.write(position.step, valid__loss=loss)

    def _shorten_if_late(self) -> None:
        """Keep the promised time when the machine turns out slower than measured."""
        limits, (first, since) = self.job.limits, self._pace_from
        done = self.position.step - first
        if limits is None or done < PACE_STEPS:
            return
        now = time.monotonic()
        room = (limits.aim + limits.limit) / 2 - RESERVE_SECONDS - self.elapsed
        affordable = self._agreed(max(0, int(room / ((now - since) / done))))
        if affordable < self.plan.steps - self.position.step:
            note = f"slower than measured: {self.position.step + affordable} steps, not {self.plan.steps}"
            self.plan = replace(
                self.plan, steps=self.position.step + affordable, note=f"{self.plan.note}; {note}"
            )
            self._tell("plan", note=note)

    def _agreed(self, count: int) -> int:
        """The main process' count, in all processes."""
        if self.accelerator.num_processes == 1:
            return count
        from accelerate.utils import broadcast_object_list

        return int(broadcast_object_list([count])[0])

    def _tell(
        self,
        phase: Phase,
        *,
        loss: float | None = None,
        valid: float | None = None,
        speed: float | None = None,
        note: str = "",
    ) -> None:
        first, since = self._pace_from
        done, left = self.position.step - first, self.plan.steps - self.position.step
        eta = (time.monotonic() - since) / done * left if done else None
        self._report(TuneProgress(phase, self.position.step, self.plan.steps, loss, valid, speed, eta, note))


def _evaluation_points(steps: int, evaluations: int) -> frozenset[int]:
    """Step 0 (the base) and `evaluations` evenly spaced steps, the last one included."""
    return frozenset({0, *(math.ceil(steps * number / evaluations) for number in range(1, evaluations + 1))})
