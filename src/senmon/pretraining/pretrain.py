"""Corpus → base: the training loop, resumable at any point, measured per group."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from senmon.adapters import durable
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.errors import ConfigError, TuningDiverged
from senmon.pretraining.mixing import POOL_BATCHES, Mix, Sampler, batches, padded
from senmon.pretraining.optimiser import optimisers, wsd
from senmon.pretraining.shards import Shard, tokenise
from senmon.rendering import Renderer

CHECKPOINT = "checkpoint"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to pretrain. Rates are peak rates; `minutes` ends the run by time, `tokens` by count."""

    tokens: int
    minutes: float | None = None
    context: int = 1024
    batch_tokens: int = 8192
    muon_rate: float = 0.01
    adam_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: float = 0.02
    decay_from: float = 0.6
    clip: float = 1.0
    seed: int = 0
    evaluations: int = 10
    valid_documents: int = 40
    checkpoint_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run is. `valid` holds bits per byte per group at the last evaluation."""

    step: int
    tokens: int
    share: float
    loss: float
    tokens_per_second: float
    eta_seconds: float
    valid: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _State:
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    pool: int = 0
    batch: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=dict)


def pretrain(
    corpus: Sequence[Path],
    valid: Path | None,
    *,
    base: BaseFiles,
    fresh: Mapping[str, Any] | None,
    out: Path,
    mix: Mix,
    plan: Plan,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train and write a base in Hugging Face format to `out`; returns `out`.

    `base` gives tokenizer and template; its weights are the start unless `fresh` names a new configuration
    (keys of the model's config). Interrupted runs go on from `out/checkpoint`.
    """
    return _Run(corpus, valid, base, fresh, out, mix, plan, device, on_progress).run()


class _Run:
    def __init__(
        self,
        corpus: Sequence[Path],
        valid: Path | None,
        base: BaseFiles,
        fresh: Mapping[str, Any] | None,
        out: Path,
        mix: Mix,
        plan: Plan,
        device: str,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.plan, self.mix, self.out, self.base, self.device = plan, mix, out, base, device
        self.on_progress = on_progress
        tokenizer = load_tokenizer(base)
        self.renderer = Renderer(tokenizer)
        self.end = _end_of_text(tokenizer)
        self.shards = [self._shard(path, tokenizer) for path in corpus]
        self.valid = self._shard(valid, tokenizer) if valid else None
        self.model = self._model(fresh)
        cuda = device != "cpu"
        self.optimisers = optimisers(
            self.model,
            muon_rate=plan.muon_rate,
            adam_rate=plan.adam_rate,
            weight_decay=plan.weight_decay,
            dtype=torch.bfloat16 if cuda else torch.float32,
            fused=cuda,
        )
        self.rates = [optimiser.param_groups[0]["lr"] for optimiser in self.optimisers]
        self.forward: Any = torch.compile(self.model, dynamic=True) if cuda else self.model
        self.sampler = Sampler(self.shards, plan.context, plan.seed)
        self.state = _State()

    def _shard(self, path: Path, tokenizer: Any) -> Shard:
        return tokenise(
            path,
            self.out.parent / "shards",
            self.renderer,
            tokenizer_digest=self.base.digest,
            end=self.end,
            vocabulary=len(tokenizer),
        )

    def _model(self, fresh: Mapping[str, Any] | None) -> Any:
        torch.manual_seed(self.plan.seed)
        if fresh is None:
            model = load_model(self.base, dtype=torch.float32)
        else:
            from transformers import Qwen3Config, Qwen3ForCausalLM

            model = Qwen3ForCausalLM(Qwen3Config(**fresh))
        return model.to(self.device).train()

    def run(self) -> Path:
        self._restore()
        began, last_save = time.monotonic() - self.state.seconds, time.monotonic()
        next_evaluation = self._next_evaluation(self._share())
        while self._share() < 1.0:
            rng = np.random.default_rng([self.plan.seed, self.state.pool])
            drawn = self.sampler.state()
            weights = self.mix.weights(self._share())
            rows = self.sampler.pool(weights, POOL_BATCHES * self.plan.batch_tokens, rng)
            made = batches(rows, self.plan.batch_tokens, rng)
            for number in range(self.state.batch, len(made)):
                loss, tokens = self._step(made[number])
                self.state.step += 1
                self.state.tokens += tokens
                self.state.batch = number + 1
                self.state.seconds = time.monotonic() - began
                share = self._share()
                self._report(share, loss)
                if share >= next_evaluation or share >= 1.0:
                    self._evaluate(loss)
                    next_evaluation = self._next_evaluation(share)
                if time.monotonic() - last_save > self.plan.checkpoint_seconds:
                    self._save(drawn)
                    last_save = time.monotonic()
                if share >= 1.0:
                    break
            else:
                self.state.pool, self.state.batch = self.state.pool + 1, 0
        return self._finish()

    def _share(self) -> float:
        """Progress in 0..1, by tokens or by time, whichever is further."""
        by_tokens = self.state.tokens / self.plan.tokens
        by_time = self.state.seconds / (self.plan.minutes * 60) if self.plan.minutes else 0.0
        return min(1.0, max(by_tokens, by_time))

    def _next_evaluation(self, share: float) -> float:
        return (math.floor(share * self.plan.evaluations) + 1) / self.plan.evaluations

    def _step(self, rows: Sequence[np.ndarray[Any, Any]]) -> tuple[float, int]:
        factor = wsd(self._share(), warmup=self.plan.warmup, decay_from=self.plan.decay_from)
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * factor
        loss, count = self._loss(rows, self.forward)
        mean = loss / count
        if not torch.isfinite(mean):
            raise TuningDiverged(
                f"the loss is {mean.item()} at step {self.state.step}", remedy="lower the learning rates"
            )
        mean.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return float(mean.item()), count

    def _loss(self, rows: Sequence[np.ndarray[Any, Any]], model: Any) -> tuple[torch.Tensor, int]:
        """Summed next-token loss of padded rows, and the number of targets."""
        width = padded(max(len(row) for row in rows))
        ids = torch.full((len(rows), width), self.end, dtype=torch.long)
        labels = torch.full((len(rows), width), -100, dtype=torch.long)
        for index, row in enumerate(rows):
            piece = torch.from_numpy(row.astype(np.int64))
            ids[index, : len(row)] = piece
            labels[index, : len(row) - 1] = piece[1:]
        ids, labels = ids.to(self.device), labels.to(self.device)
        # Right padding under causal attention: no real token sees a padded one, so no mask is needed.
        cuda = self.device != "cpu"
        with torch.autocast("cuda", torch.bfloat16) if cuda else nullcontext():
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
            kept = labels != -100
            logits = self.model.lm_head(hidden[kept])
        loss = torch.nn.functional.cross_entropy(logits.float(), labels[kept], reduction="sum")
        return loss, int(kept.sum())

    def _report(self, share: float, loss: float) -> None:
        if self.on_progress:
            speed = self.state.tokens / max(self.state.seconds, 1e-9)
            remaining = self.state.seconds * (1 - share) / max(share, 1e-9)
            valid = self.state.curve[-1]["valid"] if self.state.curve else {}
            self.on_progress(
                Progress(self.state.step, self.state.tokens, share, loss, speed, remaining, valid)
            )

    def _evaluate(self, loss: float) -> None:
        record = {"step": self.state.step, "tokens": self.state.tokens, "loss": loss, "valid": {}}
        if self.valid is not None:
            record["valid"] = self.bits_per_byte(self.valid)
        self.state.curve.append(record)
        self.out.mkdir(parents=True, exist_ok=True)
        durable.write_json(self.out / "curve.json", self.state.curve)

    @torch.no_grad()
    def bits_per_byte(self, shard: Shard) -> dict[str, float]:
        """Per source of a validation shard: bits of its tokens over bytes of its text."""
        self.model.eval()
        found: dict[str, float] = {}
        for index, name in enumerate(shard.sources):
            rows = np.flatnonzero(np.asarray(shard.source) == index)[: self.plan.valid_documents]
            bits = size = 0.0
            for row in rows:
                ids = shard.document(int(row))[: self.plan.context + 1]
                loss, count = self._loss([ids], self.model)
                share = (count + 1) / len(shard.document(int(row)))
                bits += float(loss) / math.log(2)
                size += float(shard.bytes[row]) * share
            found[name] = round(bits / max(size, 1.0), 4)
        self.model.train()
        return found

    # --- state

    def _save(self, drawn: Mapping[str, int]) -> None:
        """Weights, optimiser state and position, in one rename."""
        draft = self.out / f"{CHECKPOINT}.tmp"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        tensors = {f"model.{k}": v for k, v in self._weights(torch.float32).items()}
        for number, optimiser in enumerate(self.optimisers):
            for place, state in optimiser.state_dict()["state"].items():
                for name, value in state.items():
                    tensors[f"optimiser.{number}.{place}.{name}"] = torch.as_tensor(value).contiguous().cpu()
        save_file(tensors, draft / "state.safetensors")
        state = {**asdict(self.state), "taken": dict(drawn), "plan": asdict(self.plan)}
        durable.write_json(draft / "state.json", state)
        final, old = self.out / CHECKPOINT, self.out / f"{CHECKPOINT}.old"
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)
            final.replace(old)
        draft.replace(final)
        shutil.rmtree(old, ignore_errors=True)

    def _restore(self) -> None:
        final, old = self.out / CHECKPOINT, self.out / f"{CHECKPOINT}.old"
        folder = final if final.is_dir() else old
        if not folder.is_dir():
            return
        saved = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if saved.pop("plan") != asdict(self.plan):
            raise ConfigError(
                f"{folder} belongs to another plan", remedy="choose another output folder, or remove it"
            )
        self.state = _State(**saved)
        self.sampler.restore(self.state.taken)
        tensors = load_file(folder / "state.safetensors")
        weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        self.model.load_state_dict(weights, strict=False)
        for number, optimiser in enumerate(self.optimisers):
            _restore_optimiser(optimiser, f"optimiser.{number}.", tensors)

    def _weights(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        return {
            name: value.detach().to("cpu", dtype).contiguous()
            for name, value in self.model.state_dict().items()
            if name != "lm_head.weight" or not self.model.config.tie_word_embeddings
        }

    def _finish(self) -> Path:
        """The base in Hugging Face format, bf16, shards of at most 14 MiB."""
        draft = self.out / "base.tmp"
        shutil.rmtree(draft, ignore_errors=True)
        copy = self.model.to(torch.bfloat16)
        copy.save_pretrained(draft, max_shard_size="14MB")
        for name in _TOKENIZER_FILES:
            if (self.base.path / name).is_file():
                shutil.copyfile(self.base.path / name, draft / name)
        final = self.out / "base"
        shutil.rmtree(final, ignore_errors=True)
        draft.replace(final)
        durable.write_json(self.out / "epochs.json", self.sampler.epochs())
        return self.out


def _restore_optimiser(
    optimiser: torch.optim.Optimizer, prefix: str, tensors: Mapping[str, torch.Tensor]
) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            place, name = key.removeprefix(prefix).split(".", 1)
            state.setdefault(int(place), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _end_of_text(tokenizer: Any) -> int:
    known = tokenizer.get_added_vocab()
    return int(known.get("<|endoftext|>", tokenizer.eos_token_id))
