"""One program tunes in a process of its own: `python -m senmon.bench.tune_worker JOBS.json RESULTS.json`."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from senmon.bases.catalog import load_model, load_tokenizer, resolve
from senmon.bench.memory import forget_peak, peak_memory
from senmon.bench.timing import Spent, spending
from senmon.bench.tune_job import TuneJob, TuneResult, row_of
from senmon.packs.manifest import RecipeSpec
from senmon.rendering import IGNORED
from senmon.tuning import lora
from senmon.tuning.batches import collate, pack
from senmon.tuning.rows import Row
from senmon.tuning.shared_prefix import SharedPrefixLoss
from senmon.tuning.tune import CPU_MICRO_BATCH_TOKENS

#: TRL's default batch; the rest of a step is accumulated.
TRL_BATCH = 8


def main(source: Path, target: Path) -> None:
    base, *jobs = json.loads(source.read_text(encoding="utf-8"))
    results = [asdict(work(TuneJob.from_json(job), base)) for job in jobs]
    target.write_text(json.dumps(results), encoding="utf-8")


def work(job: TuneJob, spec: str) -> TuneResult:
    torch.set_num_threads(job.threads)
    base = resolve(spec)
    model = lora.attach(load_model(base), RecipeSpec(seed=job.seed), base)
    pad = int(load_tokenizer(base).pad_token_id or 0)
    rows = [row_of(data, str(number)) for number, data in enumerate(job.rows)]
    if job.program == "trl":
        spent, before, peak = _with_trl(job, model, base)
    else:
        spent, before, peak = _with_senmon(job, model, rows, pad)
    loss = valid_loss(model, [row_of(data, str(number)) for number, data in enumerate(job.valid)], pad)
    return TuneResult(job.name, spent.wall, spent.cpu, loss, peak, before)


def _with_senmon(job: TuneJob, model: Any, rows: list[Row], pad: int) -> tuple[Spent, float, float]:
    loss = SharedPrefixLoss(model)
    loss.in_bf16 = job.half
    parameters = list(lora.parameters(loss).values())
    optimizer = torch.optim.AdamW(parameters, lr=job.rate, weight_decay=0.0)
    before = forget_peak()
    with spending() as spent:
        for start in range(0, len(rows), job.batch):
            step = list(range(start, start + job.batch))
            total = sum(rows[i].supervised for i in step)
            optimizer.zero_grad(set_to_none=True)
            for batch in pack(rows, step, tokens=CPU_MICRO_BATCH_TOKENS, supervised=1 << 60):
                (loss(collate([rows[i] for i in batch], pad)).sum() / total).backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
    return spent, before, peak_memory()


def _with_trl(job: TuneJob, model: Any, base: Any) -> tuple[Spent, float, float]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    data = {
        "input_ids": [list(ids) for ids, _, _ in job.rows],
        "labels": [list(labels) for _, labels, _ in job.rows],
    }
    each = math.gcd(TRL_BATCH, job.batch)
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=each,
            gradient_accumulation_steps=job.batch // each,
            max_steps=job.steps,
            learning_rate=job.rate,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=1.0,
            bf16=job.half,
            gradient_checkpointing=job.checkpointing,
            # The rows come in the order wanted: shuffled, or grouped by length.
            train_sampling_strategy="sequential",
            max_length=None,
            use_cpu=True,
            dataloader_pin_memory=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            seed=job.seed,
        )
        trainer = SFTTrainer(
            model=model,
            args=settings,
            train_dataset=Dataset.from_dict(data),
            processing_class=load_tokenizer(base),
        )
        before = forget_peak()
        with spending() as spent:
            trainer.train()
        peak = peak_memory()
    model.gradient_checkpointing_disable()
    return spent, before, peak


@torch.no_grad()
def valid_loss(model: Any, rows: list[Row], pad: int) -> float:
    """Mean loss per supervised token, float32, by the padded computation."""
    model.eval()
    total = count = 0.0
    for start in range(0, len(rows), 8):
        part = rows[start : start + 8]
        width = max(len(row.ids) for row in part)
        ids = torch.full((len(part), width), pad)
        labels, mask = torch.full_like(ids, IGNORED), torch.zeros_like(ids)
        for at, row in enumerate(part):
            size = len(row.ids)
            ids[at, :size], labels[at, :size], mask[at, :size] = (
                torch.tensor(row.ids),
                torch.tensor(row.labels),
                1,
            )
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
        wanted = labels[:, 1:].flatten()
        summed = nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), wanted, ignore_index=IGNORED, reduction="sum"
        )
        total, count = total + float(summed), count + int((wanted != IGNORED).sum())
    return total / count


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
