"""Pretraining on a tiny base: it learns, resumes, and keeps documents apart."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer, resolve
from senmon.errors import ConfigError, DataInvalid
from senmon.pretraining.corpus import group_of, read_documents, token_ids
from senmon.pretraining.mixing import Mix, Sampler, batches, padded
from senmon.pretraining.optimiser import orthogonalise, wsd
from senmon.pretraining.pretrain import Plan, Progress, pretrain
from senmon.pretraining.shards import Shard, tokenise
from senmon.rendering import Renderer

MIX = Mix(start={"talk": 1.0, "prose": 1.0}, anneal={"talk": 1.0})


@pytest.fixture
def corpus(tmp_path: Path) -> list[Path]:
    talk = [
        {
            "messages": [
                {"role": "user", "content": f"status of order {n}?"},
                {
                    "role": "assistant",
                    "content": f'<tool_call>{{"name": "f", "arguments": {{"id": "{n}"}}}}</tool_call>',
                },
                {"role": "tool", "content": "{}"},
                {"role": "assistant", "content": "It is on its way."},
            ],
            "source": "orders",
        }
        for n in range(40)
    ]
    prose = [{"text": f"The cat number {n} sat on the mat.", "source": "cats"} for n in range(40)]
    first, second = tmp_path / "talk-00.jsonl.xz", tmp_path / "prose.jsonl"
    with lzma.open(first, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in talk)
    second.write_text("".join(json.dumps(record) + "\n" for record in prose), encoding="utf-8")
    return [first, second]


def shard(path: Path, base: BaseFiles, cache: Path) -> Shard:
    tokenizer = load_tokenizer(base)
    renderer = Renderer(tokenizer)
    return tokenise(path, cache, renderer, tokenizer_digest=base.digest, end=0, vocabulary=len(tokenizer))


def test_calls_become_special_tokens(corpus: list[Path], tiny_base: BaseFiles) -> None:
    tokenizer = load_tokenizer(tiny_base)
    ids = token_ids(next(read_documents(corpus[0])), Renderer(tokenizer), 0)
    text = tokenizer.decode(ids)
    assert ids.count(tokenizer.convert_tokens_to_ids("<tool_call>")) == 1
    assert text.endswith("It is on its way.<|im_end|>\n<|endoftext|>")
    assert text.count("<|im_start|>") == 4


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "fine"}\n{"text": \n', encoding="utf-8")
    with pytest.raises(DataInvalid, match=r"bad\.jsonl:2"):
        list(read_documents(path))
    with pytest.raises(DataInvalid, match=r"\.jsonl"):
        group_of(tmp_path / "corpus.txt")


def test_shards_are_made_once(corpus: list[Path], tiny_base: BaseFiles, tmp_path: Path) -> None:
    made = shard(corpus[1], tiny_base, tmp_path / "cache")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    again = shard(corpus[1], tiny_base, tmp_path / "cache")
    assert len(made) == len(again) == 40
    assert np.array_equal(made.document(3), again.document(3))
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}


def test_weights_decide_shares_and_epochs_do_not_repeat(
    corpus: list[Path], tiny_base: BaseFiles, tmp_path: Path
) -> None:
    shards = [shard(path, tiny_base, tmp_path / "cache") for path in corpus]
    sampler = Sampler(shards, 256, 0)
    rows = sampler.pool({"talk": 3.0, "prose": 1.0}, 2000, np.random.default_rng(0))
    long = sum(len(row) for row in rows if len(row) > 25)
    assert 0.6 < long / sum(len(row) for row in rows) < 0.9
    drawn = Sampler(shards, 256, 0).pool({"prose": 1.0}, 400, np.random.default_rng(0))
    seen = [tuple(row) for row in drawn]
    assert len(set(seen)) == len(seen)


def test_batches_hold_every_row_once_within_the_budget() -> None:
    rows = [np.arange(length) for length in (5, 90, 33, 64, 7, 200, 31)]
    made = batches(rows, 256, np.random.default_rng(0), micro_tokens=128)
    micros = [micro for step in made for micro in step]
    assert sorted(len(row) for micro in micros for row in micro) == sorted(len(row) for row in rows)
    assert all(len(micro) == 1 or size(micro) <= 128 for micro in micros)
    assert all(len(step) == 1 or sum(map(size, step)) <= 256 for step in made)
    assert any(len(step) > 1 for step in made)


def size(micro: list[Any]) -> int:
    return padded(max(map(len, micro))) * len(micro)


def test_orthogonalise_evens_the_singular_values() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(24, 40), torch.float32))
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.5


def test_schedule_warms_up_holds_and_decays() -> None:
    factors = [wsd(at, warmup=0.1, decay_from=0.6) for at in (0.0, 0.05, 0.3, 0.6, 0.8, 1.0)]
    assert factors[0] < 0.01
    assert factors[2:4] == [1.0, 1.0]
    assert factors[4] == pytest.approx(0.5)
    assert factors[5] == 0.0


def run(corpus: list[Path], base: BaseFiles, out: Path, **changes: Any) -> list[Progress]:
    seen: list[Progress] = []
    plan = Plan(
        tokens=changes.pop("tokens", 12_000), context=128, batch_tokens=512, evaluations=2,
        checkpoint_seconds=0.0, muon_rate=0.02, adam_rate=0.01, **changes,
    )  # fmt: skip

    def watch(now: Progress) -> None:
        if now.phase != "training":
            return
        seen.append(now)
        if stop_at and now.step == stop_at:
            raise KeyboardInterrupt

    stop_at = stop.pop() if (stop := STOP) else 0
    pretrain(corpus, corpus[1], base=base, fresh=None, out=out, mix=MIX, plan=plan, on_progress=watch)
    return seen


STOP: list[int] = []


def test_it_learns_and_an_interrupted_run_ends_the_same(
    corpus: list[Path], tiny_base: BaseFiles, tmp_path: Path
) -> None:
    whole = run(corpus, tiny_base, tmp_path / "whole")
    assert whole[-1].loss < whole[0].loss / 2
    STOP.append(9)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tiny_base, tmp_path / "parts")
    run(corpus, tiny_base, tmp_path / "parts")
    made = [load_model(resolve(str(tmp_path / name / "base"))).state_dict() for name in ("whole", "parts")]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    curve = json.loads((tmp_path / "whole/curve.json").read_text(encoding="utf-8"))
    assert curve["evaluations"][-1]["valid"]["prose"] < curve["evaluations"][0]["valid"]["prose"] / 2


def test_another_plan_is_refused(corpus: list[Path], tiny_base: BaseFiles, tmp_path: Path) -> None:
    STOP.append(2)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tiny_base, tmp_path / "out")
    with pytest.raises(ConfigError, match="another plan"):
        run(corpus, tiny_base, tmp_path / "out", seed=1)
