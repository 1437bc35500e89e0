"""The parts of pretraining: packing, schedules, weights, presets, stopping, precision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from senmon.bases.catalog import EMBEDDED_PATH, BaseFiles, load_model, load_tokenizer, resolve
from senmon.errors import BaseCorrupt, BaseNotFound, ConfigError
from senmon.pretraining import precision
from senmon.pretraining.curve import thinned
from senmon.pretraining.learner import Learner
from senmon.pretraining.mixing import Mix
from senmon.pretraining.optimiser import Muon, cosine, optimisers, orthogonalise
from senmon.pretraining.packing import packed, packed_batches
from senmon.pretraining.plan import Plan
from senmon.pretraining.presets import configuration, fresh_base
from senmon.pretraining.release import write_base
from senmon.pretraining.shards import Origin, Shard
from senmon.pretraining.stopping import rising
from senmon.pretraining.weighting import check_mix, default_mix, parse_weights
from senmon.rendering import Renderer


def rows(count: int = 9, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(8, 8000, size=length) for length in random.integers(2, 60, size=count)]


def learner(base: BaseFiles, **changes: object) -> Learner:
    plan = Plan(tokens=1, context=64, **changes)  # type: ignore[arg-type]
    return Learner(load_model(base), plan, end=0, device="cpu", precision="fp32", compiled=False)


def test_packed_lines_give_the_loss_and_gradient_of_each_document_alone(tiny_base: BaseFiles) -> None:
    documents = rows()
    alone, together = learner(tiny_base, packed=False), learner(tiny_base, packed=True)
    one_by_one = sum(alone.loss([[row]]) for row in documents)
    lines = packed(documents, 64)
    assert any(len(line) > 1 for line in lines)
    loss = together.loss(lines)
    assert loss.item() == pytest.approx(one_by_one.item(), rel=1e-6)  # type: ignore[union-attr]
    loss.backward()  # type: ignore[no-untyped-call]
    one_by_one.backward()  # type: ignore[union-attr]
    for (name, a), b in zip(alone.model.named_parameters(), together.model.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-4 * float(a.grad.abs().max()) + 1e-7), name


def test_lines_of_like_length_give_the_same_loss_too(tiny_base: BaseFiles) -> None:
    documents = rows()
    one = learner(tiny_base, packed=False)
    assert one.loss([[row] for row in documents]).item() == pytest.approx(
        sum(one.loss([[row]]).item() for row in documents), rel=1e-6
    )


def test_packing_loses_nothing_and_leaves_little_room() -> None:
    documents = rows(200)
    lines = packed(documents, 64)
    assert sorted(map(id, documents)) == sorted(id(row) for line in lines for row in line)
    assert all(sum(len(row) - 1 for row in line) <= 64 for line in lines)
    assert sum(len(row) - 1 for row in documents) > 0.9 * 64 * len(lines)
    steps = packed_batches(documents, 512, 128, 64, np.random.default_rng(0))
    assert all(len(micro) <= 2 for step in steps for micro in step)
    assert all(len(step) <= 4 for step in steps)
    assert sum(len(line) for step in steps for micro in step for line in micro) == 200


def test_micro_batches_add_up_to_one_step(tiny_base: BaseFiles) -> None:
    documents = rows(6)
    whole, parts = learner(tiny_base), learner(tiny_base)
    first = whole.step([[[row] for row in documents]], 0.5, 0)
    second = parts.step([[[row]] for row in documents], 0.5, 0)
    assert first[1] == second[1]
    assert first[0] == pytest.approx(second[0], rel=1e-5)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-3)


def test_batched_muon_does_what_muon_does() -> None:
    torch.manual_seed(0)
    starts = [torch.randn(12, 20), torch.randn(12, 20), torch.randn(20, 12)]
    gradients = [torch.randn_like(start) for start in starts]
    results = []
    for batched in (False, True):
        parameters = [torch.nn.Parameter(start.clone()) for start in starts]
        optimiser = Muon(parameters, 0.1, batched=batched)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.clone()
        optimiser.step()
        results.append([parameter.detach() for parameter in parameters])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*results, strict=True))
    assert not torch.allclose(results[0][0], starts[0], atol=1e-3)


def test_orthogonalise_takes_stacks_and_tall_matrices() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 40, 24), torch.float32))
    assert values.shape == (3, 24)
    assert float(values.min()) > 0.5 and float(values.max()) < 1.5


def test_adamw_alone_takes_every_parameter(tiny_base: BaseFiles) -> None:
    model = load_model(tiny_base)
    made = optimisers(
        model,
        muon_rate=1,
        adam_rate=1e-3,
        weight_decay=0.1,
        dtype=torch.float32,
        batched=False,
        method="adamw",
    )
    assert len(made) == 1
    assert sum(len(group["params"]) for group in made[0].param_groups) == len(list(model.parameters()))


def test_cosine_warms_up_and_ends_at_its_floor() -> None:
    assert cosine(0.0, warmup=0.1) < 0.01
    assert cosine(0.1, warmup=0.1) == pytest.approx(1.0)
    assert cosine(0.55, warmup=0.1) == pytest.approx(0.525)
    assert cosine(1.0, warmup=0.1) == pytest.approx(0.05)


def shard(group: str, **origins: Origin) -> Shard:
    empty = np.zeros(0)
    return Shard(group, empty, np.zeros(1), empty, tuple(origins), "", group, dict(origins))


SHARDS = [
    shard("wiki", enwiki=Origin(100, 90_000, 0, 0)),
    shard("support", sgd=Origin(50, 40_000, 50, 40), faq=Origin(50, 40_000, 50, 0)),
    shard("math", gsm=Origin(50, 40_000, 50, 0)),
]


def test_the_default_weights_turn_to_conversations_tools_and_maths_at_the_end() -> None:
    mix = default_mix(SHARDS)
    gain = {name: mix.anneal[name] / mix.start[name] for name in mix.start}
    against = {name: round(value / gain["support/faq"], 2) for name, value in gain.items()}
    assert against == {"wiki/enwiki": 0.17, "support/sgd": 2.0, "support/faq": 1.0, "math/gsm": 1.33}
    assert sum(mix.start.values()) == pytest.approx(1, abs=1e-3)
    assert mix.start["wiki/enwiki"] / mix.start["math/gsm"] == pytest.approx(1.5, rel=1e-3)
    check_mix(mix, SHARDS)


def test_weights_that_name_nothing_are_told() -> None:
    assert parse_weights([]) is None
    assert parse_weights(["wiki=0.4:0.1", "math=1"]) == Mix(
        {"wiki": 0.4, "math": 1}, {"wiki": 0.1, "math": 1}
    )
    with pytest.raises(ConfigError, match=r"wiki: not GROUP=SHARE"):
        parse_weights(["wiki"])
    with pytest.raises(ConfigError, match=r"has not: wikis .* math, support, wiki"):
        check_mix(Mix({"wikis": 1.0}, {"wiki": 1.0}), SHARDS)
    with pytest.raises(ConfigError, match="every weight in the last third is 0"):
        check_mix(Mix({"wiki": 1.0}, {"wiki": 0.0}), SHARDS)
    with pytest.raises(ConfigError, match="from 0 on"):
        check_mix(Mix({"wiki": -1.0}, {"wiki": 1.0}), SHARDS)


def test_a_group_stops_when_it_rose_as_often_as_asked() -> None:
    curve = [{"valid": {"a": a, "b": b}} for a, b in ((3.0, 3.0), (2.0, 2.0), (2.1, 2.1), (2.2, 2.0))]
    assert rising(curve, ["a", "b", "unmeasured"], 2) == {"a"}
    assert rising(curve[:3], ["a", "b"], 2) == frozenset()
    assert rising(curve[:3], ["a", "b"], 1) == {"a", "b"}
    assert rising(curve, ["a", "b"], 0) == frozenset()


def test_precision_is_chosen_or_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision.choose_precision("fp32", "cuda") == "fp32"
    assert precision.choose_precision("auto", "cuda") == "bf16"
    monkeypatch.setattr(precision, "bf16_pays", lambda: False)
    assert precision.choose_precision("auto", "cpu") == "fp32"
    monkeypatch.setattr(precision, "bf16_pays", lambda: True)
    assert precision.choose_precision("auto", "cpu") == "bf16"
    with pytest.raises(ConfigError, match="fp16"):
        precision.choose_precision("fp16", "cpu")


def test_compiling_waits_for_long_runs_and_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "compiler", lambda: "g++")
    assert precision.choose_compile(None, "cuda", None)
    assert not precision.choose_compile(None, "cpu", 10)
    assert precision.choose_compile(None, "cpu", 30)
    assert not precision.choose_compile(False, "cuda", 60)
    monkeypatch.setattr(precision, "compiler", lambda: None)
    assert not precision.choose_compile(None, "cpu", 60)
    with pytest.raises(ConfigError, match=r"C\+\+ compiler"):
        precision.choose_compile(True, "cpu", 60)


def test_full_fits_its_budget() -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    with torch.device("meta"):
        model = Qwen3ForCausalLM(Qwen3Config(**configuration("full", 16_384, end=2, pad=7)))
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 18e6 < count < 20e6
    assert 2 * count < 40e6
    assert model.config.max_position_embeddings == 2048


def test_a_raw_tokenizer_becomes_a_base_that_chats(tmp_path: Path) -> None:
    raw = json.loads((EMBEDDED_PATH / "tokenizer.json").read_text(encoding="utf-8"))
    raw["added_tokens"] = [one for one in raw["added_tokens"] if one["content"] != "<tool_call>"]
    del raw["model"]["vocab"]["<tool_call>"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw), encoding="utf-8")
    files, config = fresh_base("tiny", tmp_path / "tokenizer.json", tmp_path / "start")
    tokenizer = load_tokenizer(files)
    renderer = Renderer(tokenizer)
    assert renderer.tool_start is not None
    assert tokenizer.eos_token == "<|im_end|>"
    assert config["vocab_size"] % 64 == 0
    assert len(tokenizer) <= config["vocab_size"]
    from transformers import Qwen3Config, Qwen3ForCausalLM

    write_base(Qwen3ForCausalLM(Qwen3Config(**config)), files.path, tmp_path / "base")
    base = resolve(str(tmp_path / "base"))
    assert load_model(base).config.eos_token_id == tokenizer.eos_token_id
    assert load_tokenizer(base).get_chat_template() == tokenizer.get_chat_template()
    again, _ = fresh_base("tiny", tmp_path / "tokenizer.json", tmp_path / "start")
    assert again.digest == files.digest


def test_a_start_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiny, small, full"):
        fresh_base("huge", EMBEDDED_PATH, tmp_path / "start")
    with pytest.raises(BaseNotFound, match="no tokenizer"):
        fresh_base("tiny", tmp_path, tmp_path / "start")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BaseCorrupt, match="not a tokenizer"):
        fresh_base("tiny", tmp_path, tmp_path / "start")


def test_weights_of_a_large_base_lie_in_small_shards(tmp_path: Path) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    sizes = {**configuration("tiny", 8192, end=2, pad=7), "hidden_size": 256, "intermediate_size": 4096}
    model = Qwen3ForCausalLM(Qwen3Config(**sizes))
    write_base(model, EMBEDDED_PATH, tmp_path / "base")
    shards = list((tmp_path / "base").glob("*.safetensors"))
    assert len(shards) > 1
    assert max(path.stat().st_size for path in shards) <= 15 * 2**20
    assert next(model.parameters()).dtype == torch.float32


def test_a_long_curve_is_thinned_to_its_last_point() -> None:
    points = [[float(number)] for number in range(10_001)]
    few = thinned(points)
    assert len(few) <= 2000
    assert few[-1] == [10_000.0]
