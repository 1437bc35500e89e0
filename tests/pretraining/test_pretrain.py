"""Pretraining on a tiny base: it learns, resumes, and keeps documents apart."""

from __future__ import annotations

import json
import lzma
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from senmon.adapters import durable
from senmon.bases.catalog import EMBEDDED_PATH, BaseFiles, load_model, load_tokenizer, resolve
from senmon.errors import ConfigError, DataInvalid, TuningError, TuningInProgress
from senmon.pretraining.card import card
from senmon.pretraining.corpus import corpus_files, group_of, read_documents, token_ids
from senmon.pretraining.mixing import Mix, Sampler, batches, padded
from senmon.pretraining.optimiser import orthogonalise, wsd
from senmon.pretraining.plan import Plan, Progress
from senmon.pretraining.presets import fresh_base
from senmon.pretraining.pretrain import Result, pretrain
from senmon.pretraining.shards import Shard, tokenise
from senmon.rendering import Renderer

MIX = Mix(start={"talk": 1.0, "prose": 1.0}, anneal={"talk": 1.0})


@pytest.fixture
def corpus(tmp_path: Path) -> list[Path]:
    return write_corpus(tmp_path)


def write_corpus(folder: Path) -> list[Path]:
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
    first, second = folder / "talk-00.jsonl.xz", folder / "prose.jsonl"
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
    for line, why in (
        ("[1]", "not a JSON object"),
        ('{"text": ""}', "neither"),
        ('{"messages": [{"role": "wizard", "content": "x"}]}', "wizard"),
        ('{"messages": [{"role": "user"}]}', "content"),
        ('{"text": ' + "[" * 100_000, "not a document"),
    ):
        path.write_text(f"{line}\n", encoding="utf-8")
        with pytest.raises(DataInvalid, match=rf"bad\.jsonl:1: .*{why}"):
            list(read_documents(path))
    path.write_bytes(b'{"text": "fine"}\n\xff\xfe\n')
    with pytest.raises(DataInvalid, match="not UTF-8"):
        list(read_documents(path))
    damaged = tmp_path / "bad.jsonl.xz"
    damaged.write_bytes(lzma.compress(b'{"text": "fine"}\n' * 2000)[:-30])
    with pytest.raises(DataInvalid, match=r"bad\.jsonl\.xz.*damaged"):
        list(read_documents(damaged))


def test_places_are_found_or_named_together(corpus: list[Path], tmp_path: Path) -> None:
    folder = corpus[0].parent
    assert corpus_files([folder]) == sorted(corpus)
    assert corpus_files([folder], leave_out=[corpus[1]]) == [corpus[0]]
    assert corpus_files(corpus, leave_out=[corpus[1]]) == [corpus[0]]
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataInvalid) as caught:
        corpus_files([tmp_path / "gone.jsonl", tmp_path / "empty", tmp_path / "notes.txt"])
    assert len(caught.value.problems) == 3


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


def plan(**changes: Any) -> Plan:
    known: dict[str, Any] = {
        "tokens": 9000, "context": 128, "batch_tokens": 512, "evaluations": 2, "checkpoint_seconds": 0.0,
        "muon_rate": 0.02, "adam_rate": 0.01, "precision": "fp32", "valid_documents": 8,
    }  # fmt: skip
    return Plan(**{**known, **changes})


Whole = tuple[Path, Result, list[Progress]]


class Stopped(Exception):
    """As if the process had been killed."""


def run(
    corpus: list[Path], base: BaseFiles, out: Path, *, stop_at: int = 0, mix: Mix | None = MIX, **changes: Any
) -> tuple[Result, list[Progress]]:
    seen: list[Progress] = []

    def watch(now: Progress) -> None:
        if now.phase == "training":
            seen.append(now)
            if now.step == stop_at:
                raise Stopped

    result = pretrain(
        corpus, corpus[1], base=base, fresh=None, out=out, mix=mix, plan=plan(**changes), on_progress=watch
    )
    return result, seen


def weights(base: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_model(resolve(str(base))).state_dict()
    return state


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_base: BaseFiles) -> Whole:
    """An undisturbed run and the folder that its corpus is in."""
    folder = tmp_path_factory.mktemp("whole")
    result, seen = run(write_corpus(folder), tiny_base, folder / "out")
    return folder, result, seen


def test_it_learns_and_says_what_it_did(whole: Whole, tiny_base: BaseFiles) -> None:
    folder, result, seen = whole
    assert seen[-1].loss < seen[0].loss / 2
    assert result.after["prose"].value < result.before["prose"].value / 2
    curve = json.loads((folder / "out/curve.json").read_text(encoding="utf-8"))
    assert curve["evaluations"][0]["step"] == 0
    assert curve["evaluations"][-1]["valid"]["prose"] < curve["evaluations"][0]["valid"]["prose"] / 2
    assert [row["step"] for row in curve["train"]] == list(range(1, seen[-1].step + 1))
    assert curve["train"][-1]["rate"] < 0.3
    assert (folder / "out/curve.png").stat().st_size > 10_000
    assert result.epochs["talk/orders"] > 1
    assert result.parameters == sum(p.numel() for p in load_model(tiny_base).parameters())


def test_the_last_third_draws_by_its_own_weights(whole: Whole) -> None:
    """By MIX prose ends with the second third: about two thirds of half of the tokens are prose."""
    _, result, seen = whole
    read = result.state.read
    assert sum(read.values()) == seen[-1].tokens
    assert 0.25 < read["prose/cats"] / seen[-1].tokens < 0.42
    assert result.epochs["prose/cats"] > 1


def test_an_interrupted_run_ends_the_same(whole: Whole, tiny_base: BaseFiles) -> None:
    folder, result, seen = whole
    files = [folder / "talk-00.jsonl.xz", folder / "prose.jsonl"]
    turn = next(one.step for one in seen if one.share >= 2 / 3)
    for stop_at in (4, turn, turn + 1):
        with pytest.raises(Stopped):
            run(files, tiny_base, folder / "parts", stop_at=stop_at)
    again, _ = run(files, tiny_base, folder / "parts")
    assert same(folder / "out/base", folder / "parts/base")
    assert again.state.train == result.state.train
    assert again.epochs == result.epochs
    finished, steps = run(files, tiny_base, folder / "parts")
    assert finished.finished
    assert not steps
    assert same(folder / "out/base", folder / "parts/base")


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
from senmon.bases.catalog import resolve
from test_pretrain import run
folder = Path({folder!r})
run([folder / "talk-00.jsonl.xz", folder / "prose.jsonl"], resolve({base!r}), folder / "killed")
"""


def test_a_killed_process_loses_nothing(whole: Whole, tiny_base: BaseFiles) -> None:
    folder, _, seen = whole
    here = Path(__file__).parent
    code = KILLED.format(tests=str(here.parent), here=str(here), folder=str(folder), base=str(tiny_base.path))
    process = subprocess.Popen([sys.executable, "-c", code])
    state = folder / "killed/checkpoint/state.json"
    try:
        while process.poll() is None and steps_in(state) < 5:
            time.sleep(0.02)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert steps_in(state) < seen[-1].step
    files = [folder / "talk-00.jsonl.xz", folder / "prose.jsonl"]
    _, rest = run(files, tiny_base, folder / "killed")
    assert len(rest) < len(seen)
    assert same(folder / "out/base", folder / "killed/base")


def steps_in(state: Path) -> int:
    try:
        return int(json.loads(state.read_text(encoding="utf-8"))["state"]["step"])
    except FileNotFoundError:
        return 0


def test_a_pause_saves_state_and_weights(whole: Whole, tiny_base: BaseFiles) -> None:
    folder, _, _ = whole
    files = [folder / "talk-00.jsonl.xz", folder / "prose.jsonl"]
    out = folder / "paused"
    paused = pretrain(
        files, files[1], base=tiny_base, fresh=None, out=out, mix=MIX,
        plan=plan(checkpoint_seconds=1000), pause=lambda: True,
    )  # fmt: skip
    assert not paused.finished
    assert paused.state.step == 1
    assert not same(tiny_base.path, out / "base")
    result, seen = run(files, tiny_base, out)
    assert result.finished
    assert seen[0].step == 2
    assert same(folder / "out/base", out / "base")


def test_a_full_disk_leaves_the_checkpoint_before(
    corpus: list[Path], tiny_base: BaseFiles, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        run(corpus, tiny_base, tmp_path / "out", stop_at=3)
    state = tmp_path / "out/checkpoint/state.json"
    before = state.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    try:
        with pytest.raises(TuningError, match="could not be written"):
            run(corpus, tiny_base, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state.read_bytes() == before
    assert not (tmp_path / "out/checkpoint.tmp").exists()


def test_another_plan_or_corpus_is_refused(corpus: list[Path], tiny_base: BaseFiles, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        run(corpus, tiny_base, out, stop_at=2)
    with pytest.raises(
        ConfigError, match=r"another plan: plan\.clip was 1\.0, is 0\.5; plan\.seed was 0, is 1"
    ):
        run(corpus, tiny_base, out, seed=1, clip=0.5)
    with pytest.raises(ConfigError, match="weights was"):
        run(corpus, tiny_base, out, mix=None)
    with corpus[1].open("a", encoding="utf-8") as file:
        file.write('{"text": "one more", "source": "cats"}\n')
    with pytest.raises(ConfigError, match=r"corpus\.prose\.jsonl was"):
        run(corpus, tiny_base, out)
    (out / "checkpoint/state.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="can't be read"):
        run(corpus, tiny_base, out)


def test_one_process_a_folder(corpus: list[Path], tiny_base: BaseFiles, tmp_path: Path) -> None:
    with durable.try_locked(tmp_path / "out", ".pretraining.lock"), pytest.raises(TuningInProgress):
        run(corpus, tiny_base, tmp_path / "out")


def test_groups_stop_at_their_minimum_and_all_stopped_ends_the_run(
    corpus: list[Path], tiny_base: BaseFiles, tmp_path: Path
) -> None:
    """Held out: the talk's words in an order that training unlearns, so its bits per byte rise."""
    valid = tmp_path / "valid.jsonl"
    strange = {"text": "zq " * 40, "source": "cats"}, {"text": "qz " * 40, "source": "orders"}
    valid.write_text("".join(json.dumps(record) + "\n" for record in strange), encoding="utf-8")
    result = pretrain(
        corpus, valid, base=tiny_base, fresh=None, out=tmp_path / "out", mix=None,
        plan=plan(tokens=40_000, evaluations=20, stop_after=1, adam_rate=0.02),
    )  # fmt: skip
    assert set(result.state.stopped) == {"talk", "prose"}
    assert result.finished
    assert result.state.tokens < 40_000
    talk_alone = pretrain(
        corpus, valid, base=tiny_base, fresh=None, out=tmp_path / "talk", mix=Mix({"talk": 1}, {"talk": 1}),
        plan=plan(tokens=40_000, evaluations=40, stop_after=1, adam_rate=0.02),
    )  # fmt: skip
    assert "talk" in talk_alone.state.stopped
    assert talk_alone.finished
    assert talk_alone.state.tokens < 40_000


def test_a_fresh_base_learns_and_can_be_used(corpus: list[Path], tmp_path: Path) -> None:
    base, config = fresh_base("tiny", EMBEDDED_PATH, tmp_path / "start")
    result = pretrain(
        corpus, corpus[1], base=base, fresh=config, out=tmp_path / "out", mix=None,
        plan=plan(tokens=3000, packed=True, schedule="cosine"),
    )  # fmt: skip
    made = resolve(str(tmp_path / "out/base"))
    assert load_model(made).config.model_type == "qwen3"
    assert Renderer(load_tokenizer(made)).tool_start is not None
    assert result.before == {}
    losses = [row[2] for row in result.state.train]
    assert losses[-1] < losses[0] - 1


def test_the_card_states_everything(whole: Whole) -> None:
    _, result, _ = whole
    text = card(result, command="senmon base pretrain x", credit="Cats: CC0 | by hand", title="A base")
    for digest in result.files.values():
        assert digest in text
    for needed in (
        "# A base", "senmon base pretrain x", "Cats: CC0", "| talk/orders | 40 |", "Muon 0.02", "fp32",
        "Seed 0",
        "| prose |", "minutes", f"{result.state.tokens:,} tokens",
    ):  # fmt: skip
        assert needed in text, needed
    assert "No licences" in card(result, command="x")
