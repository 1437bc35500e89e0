"""Corpus → base: the training loop, resumable at any point, measured per group."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from senmon.adapters import durable
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer, resolve
from senmon.bases.facts import shown_name
from senmon.errors import TuningInProgress
from senmon.pretraining import checkpoint
from senmon.pretraining.corpus import Document
from senmon.pretraining.curve import write_curve
from senmon.pretraining.heldout import Measured, held_documents, measure, measure_base, prepare
from senmon.pretraining.learner import Learner
from senmon.pretraining.mixing import POOL_BATCHES, Mix, Sampler, batches
from senmon.pretraining.packing import packed_batches
from senmon.pretraining.plan import Plan, Progress, State
from senmon.pretraining.precision import Precision, choose_compile, choose_precision
from senmon.pretraining.release import write_base
from senmon.pretraining.reply_weight import ReplyWeight
from senmon.pretraining.shards import Shard, sha256, tokenise
from senmon.pretraining.stopping import rising
from senmon.pretraining.weighting import check_mix, default_mix, origins_of
from senmon.rendering import Renderer

CPU_BATCH, GPU_BATCH = 8192, 65_536
#: Logits at once, which bound the memory: 4,096 tokens of 16,384 entries on a CPU, 32,768 on a GPU.
CPU_LOGITS, GPU_LOGITS = 4096 * 16_384, 32_768 * 16_384
BASE = "base"
#: Held-out sources that the corpus has not.
OTHERS = "other held-out text"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run, or of a part of it (`finished` False). `before` and `after` are measured on the
    same held-out documents; `reference` names the base that `before` is of."""

    out: Path
    base: Path
    finished: bool
    plan: Plan
    mix: Mix
    state: State
    device: str
    parameters: int
    config: Mapping[str, Any]
    files: Mapping[str, str]
    epochs: Mapping[str, float]
    documents: Mapping[str, int]
    reference: str
    before: Mapping[str, Measured]
    after: Mapping[str, Measured]


def pretrain(
    corpus: Sequence[Path],
    valid: Path | None,
    *,
    base: BaseFiles,
    fresh: Mapping[str, Any] | None,
    out: Path,
    mix: Mix | None,
    plan: Plan,
    device: str = "cpu",
    compare: BaseFiles | None = None,
    cache: Path | None = None,
    pause: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Train and write a base in Hugging Face format to `out/base`.

    `base` gives tokenizer and template; its weights are the start unless `fresh` names a new configuration
    (keys of a Qwen3Config). `mix` None: the default weights. `compare` is measured beside the result;
    default: `base`. When `pause` says so, after a step, the run is saved, the weights so far are written,
    and the same call goes on later; so does one after a kill, from the last checkpoint, to the same end.

    Raises DataInvalid, ConfigError, TuningDiverged, TuningError, TuningInProgress.
    """
    out.mkdir(parents=True, exist_ok=True)
    with durable.try_locked(out, ".pretraining.lock") as mine:
        if not mine:
            raise TuningInProgress(
                f"another process trains in {out}", remedy="wait for it, or choose another --out"
            )
        run = _Run(corpus, valid, base, fresh, out, mix, plan, device, cache, on_progress)
        finished = run.train(pause)
        return run.finish(compare or (None if fresh else base), finished)


class _Run:
    def __init__(
        self,
        corpus: Sequence[Path],
        valid: Path | None,
        base: BaseFiles,
        fresh: Mapping[str, Any] | None,
        out: Path,
        mix: Mix | None,
        plan: Plan,
        device: str,
        cache: Path | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.plan, self.out, self.base, self.fresh, self.device = plan, out, base, fresh, device
        self.valid_file = valid
        self.on_progress = on_progress
        self.tokenizer = load_tokenizer(base)
        self.renderer = Renderer(self.tokenizer)
        self.end = _end_of_text(self.tokenizer)
        self.shards = [self._shard(path, cache or out / "shards") for path in corpus]
        self.mix = mix or default_mix(self.shards)
        check_mix(self.mix, self.shards)
        self.identity = self._identity(mix)
        self.sampler = Sampler(self.shards, plan.context, plan.seed)
        self.state = State()
        self._prepare_model()
        self.documents = self._documents()
        self.held = prepare(self.documents, self.renderer, self.tokenizer)

    def _shard(self, path: Path, cache: Path) -> Shard:
        def tell(name: str, count: int) -> None:
            self._tell(f"reading {name}, document {count:,}")

        return tokenise(
            path,
            cache,
            self.renderer,
            tokenizer_digest=self.base.digest,
            end=self.end,
            vocabulary=len(self.tokenizer),
            on_progress=tell,
        )

    def _identity(self, mix: Mix | None) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        return {
            "plan": self.plan.identity(),
            "weights": asdict(mix) if mix else "default",
            "corpus": {shard.name: shard.digest for shard in self.shards},
            "valid": sha256(self.valid_file) if self.valid_file else None,
            "start": self.base.digest,
            "fresh": dict(self.fresh) if self.fresh else None,
        }

    def _prepare_model(self) -> None:
        found = checkpoint.peek(self.out, self.identity)
        if found:
            self.state = found[1]
        kept, plan = self.state.precision, self.plan
        precision: Precision = choose_precision(
            kept if kept and plan.precision == "auto" else plan.precision, self.device
        )
        compiled = self.state.compiled if found and plan.compile is None else None
        compiled = choose_compile(plan.compile, self.device, plan.minutes) if compiled is None else compiled
        self.state.precision, self.state.compiled = precision, compiled
        self._tell("loading the model")
        self.learner = Learner(
            self._model(), plan, end=self.end, device=self.device, precision=precision, compiled=compiled,
            weight=self._reply_weight(),
        )  # fmt: skip
        if found:
            checkpoint.load(found[0], self.learner.model, self.learner.optimisers)
            self.sampler.restore(self.state.taken)

    def _reply_weight(self) -> ReplyWeight | None:
        if self.plan.context_weight == 1.0:
            return None
        opened = tuple(self.renderer.prompt(()))
        return ReplyWeight(opened, self.renderer.stop_ids, self.plan.context_weight)

    def _model(self) -> Any:
        torch.manual_seed(self.plan.seed)
        if self.fresh is None:
            return load_model(self.base, dtype=torch.float32)
        from transformers import Qwen3Config, Qwen3ForCausalLM

        return Qwen3ForCausalLM(Qwen3Config(**self.fresh))

    def _documents(self) -> list[Document]:
        if self.valid_file is None:
            return []
        groups = {source: group for group, source in origins_of(self.shards)}
        return held_documents(self.valid_file, self.plan.valid_documents, groups=groups, others=OTHERS)

    # --- training

    def train(self, pause: Callable[[], bool]) -> bool:
        """True when the run is at its end, False when it was paused."""
        if not self.state.step and not self.state.curve:
            self._evaluate(None)
        began, self.last_save = time.monotonic() - self.state.seconds, time.monotonic()
        next_evaluation = self._next_evaluation(self._share())
        drawn = self.sampler.state()
        while self._share() < 1.0:
            drawn, steps = self._pool()
            while self.state.batch < len(steps):
                self._advance(steps[self.state.batch], began)
                share = self._share()
                if share >= next_evaluation or share >= 1.0:
                    self._evaluate(self.state.train[-1][2])
                    next_evaluation = self._next_evaluation(share)
                if self._share() >= 1.0:
                    break
                if self._outdated():
                    self.state.batch = len(steps)
                paused = pause()
                if paused or time.monotonic() - self.last_save > self.plan.checkpoint_seconds:
                    self._save(drawn)
                if paused:
                    return False
            else:
                self._next_pool()
                drawn = self.sampler.state()
        self._save(drawn)
        return True

    def _outdated(self) -> bool:
        """The pool was drawn by weights that hold no more: the last third has begun, or a group stopped."""
        turned = self._weights(self._share()) != self._weights(self.state.pool_share)
        return turned or sorted(self.state.stopped) != self.state.pool_stopped

    def _weights(self, share: float) -> Mapping[str, float]:
        return self.mix.weights(share, self.plan.anneal_from)

    def _next_pool(self) -> None:
        self.state.pool, self.state.batch = self.state.pool + 1, 0
        self.state.pool_share, self.state.pool_tokens = self._share(), self.state.tokens
        self.state.pool_stopped = sorted(self.state.stopped)

    def _pool(self) -> tuple[dict[str, int], list[Any]]:
        """The documents of the next steps, from seed and position alone: the same after a kill."""
        rng = np.random.default_rng([self.plan.seed, self.state.pool])
        drawn = self.sampler.state()
        self.sampler.stopped = frozenset(self.state.pool_stopped)
        cuda = self.device != "cpu"
        size = self.plan.batch_tokens or (GPU_BATCH if cuda else CPU_BATCH)
        fits = (GPU_LOGITS if cuda else CPU_LOGITS) // len(self.tokenizer)
        micro = min(size, self.plan.micro_tokens or max(fits, self.plan.context))
        amount = min(POOL_BATCHES * size, max(size, self._until() - self.state.pool_tokens))
        rows = self.sampler.pool(self._weights(self.state.pool_share), amount, rng)
        if self.learner.packed:
            return drawn, packed_batches(rows, size, micro, self.plan.context, rng)
        steps = batches(rows, size, rng, micro_tokens=micro)
        return drawn, [[[[row] for row in lines] for lines in step] for step in steps]

    def _until(self) -> int:
        """Tokens at which the weights of this pool end: a short run keeps to its shares by that."""
        now = self._weights(self.state.pool_share)
        same = now == self._weights(1.0)
        return self.plan.tokens if same else math.ceil(self.plan.anneal_from * self.plan.tokens)

    def _advance(self, micros: Any, began: float) -> None:
        share = self._share()
        loss, tokens = self.learner.step(micros, share, self.state.step)
        self.state.step += 1
        self.state.tokens += tokens
        self.state.batch += 1
        for piece in (piece for micro in micros for line in micro for piece in line):
            name = self.sampler.origin[id(piece)]
            self.state.read[name] = self.state.read.get(name, 0) + len(piece) - 1
        self.state.seconds = time.monotonic() - began
        rate = round(self.learner.factor(share), 5)
        self.state.train.append([self.state.step, self.state.tokens, round(loss, 5), rate])
        self._report(loss)

    def _share(self) -> float:
        """Progress in 0..1, by tokens or by time, whichever is further. 1 when there is nothing to draw."""
        by_tokens = self.state.tokens / self.plan.tokens
        by_time = self.state.seconds / (self.plan.minutes * 60) if self.plan.minutes else 0.0
        share = min(1.0, max(by_tokens, by_time))
        stopped = self.state.stopped
        return 1.0 if stopped and not self.sampler.can_draw(self._weights(share), stopped) else share

    def _next_evaluation(self, share: float) -> float:
        return (math.floor(share * self.plan.evaluations) + 1) / self.plan.evaluations

    def _report(self, loss: float) -> None:
        if self.on_progress:
            share = self._share()
            speed = self.state.tokens / max(self.state.seconds, 1e-9)
            remaining = self.state.seconds * (1 - share) / max(share, 1e-9)
            valid = self.state.curve[-1]["valid"] if self.state.curve else {}
            self.on_progress(
                Progress(self.state.step, self.state.tokens, share, loss, speed, remaining, valid)
            )

    def _tell(self, phase: str) -> None:
        if self.on_progress:
            self.on_progress(Progress(0, 0, 0.0, math.nan, 0.0, 0.0, {}, phase))

    # --- measuring

    def measured(self) -> dict[str, Measured]:
        """Bits per byte of the model as it is."""
        model = self.learner.model.eval()
        try:
            return measure(
                model,
                self.held,
                context=self.plan.context,
                device=self.device,
                autocast=self.learner.autocast,
            )
        finally:
            model.train()

    def _evaluate(self, loss: float | None) -> None:
        """A point of the curve; and which groups have learnt what they hold."""
        values = {group: round(one.value, 4) for group, one in self.measured().items()}
        record = {"step": self.state.step, "tokens": self.state.tokens, "loss": loss, "valid": values}
        self.state.curve.append(record)
        groups = {shard.group for shard in self.shards} - self.state.stopped.keys()
        for group in sorted(rising(self.state.curve, groups, self.plan.stop_after)):
            self.state.stopped[group] = self.state.step
        write_curve(self.out, self.state, title=f"Pretraining of {self.out.name}")

    # --- state and result

    def _save(self, drawn: Mapping[str, int]) -> None:
        self.state.taken = dict(drawn)
        checkpoint.save(self.out, self.learner.model, self.learner.optimisers, self.state, self.identity)
        self.last_save = time.monotonic()

    def finish(self, reference: BaseFiles | None, finished: bool) -> Result:
        """Write the base as it is now, and measure it beside `reference`."""
        self._tell("writing the base")
        write_curve(self.out, self.state, title=f"Pretraining of {self.out.name}")
        epochs = self._epochs()
        durable.write_json(self.out / "epochs.json", epochs)
        model = self.learner.model
        write_base(model, self.base.path, self.out / BASE)
        made = resolve(str(self.out / BASE))
        measured = [reference, made] if finished and self.documents else []
        return Result(
            out=self.out,
            base=self.out / BASE,
            finished=finished,
            plan=self.plan,
            mix=self.mix,
            state=self.state,
            device=self.device,
            parameters=sum(p.numel() for p in model.parameters()),
            config=model.config.to_dict(),
            files={shard.name: shard.digest for shard in self.shards},
            epochs=epochs,
            documents={f"{g}/{s}": o.documents for (g, s), o in origins_of(self.shards).items()},
            reference=shown_name(reference) if reference else "",
            before=self._measure(reference) if reference in measured else {},
            after=self._measure(made) if measured else {},
        )

    def _epochs(self) -> dict[str, float]:
        """How often each source was seen: targets read over targets there are."""
        found = {}
        for (group, source), origin in origins_of(self.shards).items():
            read = self.state.read.get(f"{group}/{source}", 0)
            if read:
                found[f"{group}/{source}"] = round(read / max(origin.tokens - origin.documents, 1), 4)
        return found

    def _measure(self, base: BaseFiles | None) -> dict[str, Measured]:
        if base is None:
            return {}
        self._tell(f"measuring {base.name}")
        return measure_base(base, self.documents, context=self.plan.context, device=self.device)


def _end_of_text(tokenizer: Any) -> int:
    known = tokenizer.get_added_vocab()
    return int(known.get("<|endoftext|>", tokenizer.eos_token_id))
