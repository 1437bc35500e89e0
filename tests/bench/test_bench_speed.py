"""The benchmarks of speed in small: what they ask, what they compare, what they write."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.bench import many_adapters, serve
from senmon.bench.hardware import Hardware, measure_hardware
from senmon.bench.overhead import OverheadFigures, questions, serving
from senmon.bench.overhead_report import lines as overhead_lines
from senmon.bench.page import put_section
from senmon.bench.serve_load import make_asks, write_adapters, zipf
from senmon.bench.serve_report import lines as serve_lines
from senmon.bench.serve_report import write_plot as plot_serving
from senmon.bench.serve_work import Shape, least_at_shapes, least_seconds
from senmon.bench.timing import Spread, alternating, ratios
from senmon.bench.tune import OURS, WAYS, PackFigures, Point, TuneFigures, in_process, require_trl
from senmon.bench.tune_job import TuneJob, by_length, data_of, made_up, row_of, shuffled
from senmon.bench.tune_report import lines as tune_lines
from senmon.bench.tune_report import write_plot as plot_tuning
from senmon.bench.tune_worker import work
from senmon.errors import ConfigError
from senmon.rendering import Renderer

MACHINE = Hardware("a processor", 1, 1e11, 2e10, 3e11)


def test_turns_alternate_and_spreads_are_of_pairs() -> None:
    order: list[str] = []

    def turn(name: str) -> Callable[[], int]:
        def work() -> int:
            order.append(name)
            return len(order)

        return work

    found = alternating({name: turn(name) for name in "ab"}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": [1, 4, 5], "b": [2, 3, 6]}
    assert Spread.of([3.0, 1.0, 2.0]).text(1) == "2.0 (1.0–3.0)"
    assert ratios([2.0, 9.0], [1.0, 3.0]) == Spread(2.5, 2.0, 3.0)


def test_the_limits_of_the_machine_are_measured() -> None:
    found = measure_hardware()
    assert found.flops > 1e8 and found.bytes > 1e8 and found.processor
    assert found.seconds(found.flops, 0) == pytest.approx(1) == found.seconds(0, found.bytes)


def test_what_is_asked_is_as_long_as_said_and_comes_in_order(tiny_base: BaseFiles, tmp_path: Path) -> None:
    renderer = Renderer(load_tokenizer(tiny_base))
    adapters = write_adapters(tiny_base, load_model(tiny_base), tmp_path, 3)
    assert len({one.version for one in adapters}) == 3
    asks = make_asks(renderer, adapters, tokens=60, reply=4, gap=0.5)
    assert all(55 <= len(ask.ids) <= 60 for ask in asks)
    assert len({ask.ids for ask in asks}) == 3
    assert asks[0].at == 0 < asks[1].at < asks[2].at
    drawn = zipf(adapters, 300, seed=0)
    counts = [drawn.count(one) for one in adapters]
    assert counts[0] > counts[1] > counts[2] > 0


def test_the_roofline_grows_with_the_load_and_knows_its_two_sides(tiny_base: BaseFiles) -> None:
    shape = Shape.of(tiny_base)
    assert shape.layer * shape.layers < sum(p.numel() for p in load_model(tiny_base).parameters())
    one = least_seconds(tiny_base, MACHINE, [100], 8, 1)
    assert one < least_seconds(tiny_base, MACHINE, [100, 100], 8, 2)
    slow = Hardware("", 1, MACHINE.flops, MACHINE.bytes / 100)
    assert least_seconds(tiny_base, slow, [100], 8, 1) > 5 * one
    # Products at the shapes of so small a base are never as fast as this machine of the mind.
    assert least_at_shapes(tiny_base, replace(MACHINE, flops=1e13), [100], 8, 1) > least_seconds(
        tiny_base, replace(MACHINE, flops=1e13), [100], 8, 1
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"REQUESTS": 4, "ADAPTERS": 3, "PROMPT": 50, "REPLY": 4, "PREFIX": 48}.items():
        monkeypatch.setattr(serve, name, value)
    for name, value in {"REQUESTS": 6, "PROMPT": 50, "REPLY": 4, "KEPT": 3, "CHECKED": 4, "FEW": 2}.items():
        monkeypatch.setattr(many_adapters, name, value)


@pytest.mark.usefixtures("small")
def test_serving_says_what_peft_says_and_is_written(tiny_base: BaseFiles, tmp_path: Path) -> None:
    figures = serve.run(tiny_base, repetitions=1, threads=1, gap=0.01, progress=lambda _: None)
    assert figures.compared == figures.identical + figures.ties == 8
    assert [group.name for group in figures.groups] == ["at once", "Poisson, 0.01 s apart", "one at a time"]
    burst = figures.groups[0]
    assert set(burst.found) == {serve.OURS, serve.ONE, serve.MIXED}
    assert len({one.tokens for found in burst.found.values() for one in found}) == 1
    assert all(
        first <= last
        for one in burst.found[serve.ONE]
        for first, last in zip(one.first, one.last, strict=True)
    )
    many = many_adapters.run_many(tiny_base, count=9, repetitions=1, threads=1, progress=lambda _: None)
    assert many.right == many.checked > 1
    assert many.loaded <= 3 < many.distinct
    page = tmp_path / "page.md"
    page.write_text("# Benchmarks\n\nkept\n", encoding="utf-8")
    for _ in range(2):
        put_section(page, "serve", list(serve_lines(figures, many)))
    text = page.read_text(encoding="utf-8")
    assert text.count("## Serving many adapters") == 1 and "kept" in text and "9 adapters" in text
    plot_serving(figures, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_rows_of_a_step_are_alike_in_length_and_none_is_lost() -> None:
    draw = random.Random(0)
    rows = [made_up(6, draw.randrange(4, 40), 0.5, 1, 90, seed)[0] for seed in range(70)]
    mixed = shuffled(rows, 8, 8, 0)
    grouped = by_length(mixed, 8, 0)
    assert sorted(row.ids for row in grouped) == sorted(row.ids for row in mixed)

    def padding(order: list[Any]) -> int:
        steps = [order[at : at + 8] for at in range(0, 64, 8)]
        return sum(
            8 * max(len(row.ids) for row in step) - sum(len(row.ids) for row in step) for step in steps
        )

    assert padding(grouped) < padding(mixed) / 3
    again = TuneJob.from_json(
        json.loads(json.dumps(TuneJob("x", "trl", tuple(map(data_of, mixed)), (), 8, False).to_json()))
    )
    assert [row_of(data, "") for data in again.rows] == [row_of(data_of(row), "") for row in mixed]


def job(program: Any, **more: Any) -> TuneJob:
    rows = made_up(24, 16, 0.5, 8, 400, 0)
    return TuneJob("x", program, tuple(map(data_of, rows)), tuple(map(data_of, rows[:4])), 4, False, **more)


def test_tuning_learns_and_trl_ends_with_the_same_loss(tiny_base: BaseFiles) -> None:
    pytest.importorskip("trl", reason="TRL is not here: pip install senmon[bench]")
    spec = str(tiny_base.path)
    before, ours = work(job("senmon", rate=0.0), spec), work(job("senmon", rate=3e-3), spec)
    theirs = work(job("trl", rate=3e-3), spec)
    assert ours.loss < before.loss - 0.1
    assert theirs.loss == pytest.approx(ours.loss, rel=1e-3)
    assert ours.peak >= ours.before > 0 and ours.cpu > 0


def test_a_program_that_fails_is_named(tiny_base: BaseFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ConfigError, match="senmon could not tune"):
        in_process(tiny_base, [job("senmon")])
    monkeypatch.setattr("senmon.bench.tune.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        require_trl()
    assert "senmon[bench]" in caught.value.remedy


def test_figures_of_tuning_are_written(tmp_path: Path) -> None:
    from senmon.bench.tune_job import TuneResult

    found = {way: [TuneResult(way, 9.0, 8.0 - at, 2.5, 900.0, 600.0)] for at, way in enumerate(WAYS)}
    points = tuple(
        Point(prefix, share, Spread(2, 1, 3)) for prefix, share in ((0, 0.4), (150, 0.4), (150, 0.9))
    )
    figures = TuneFigures(MACHINE, (PackFigures("shop", 2, 100, 150.0, 20.0, found, (1.0, 0.5)),), points)
    text = "\n".join(tune_lines(figures))
    assert "| shop | TRL, its defaults | 8.0" in text
    assert "1.33 (1.33–1.33) ×" in text  # TRL's defaults: 8 s; ours in the same order: 6 s
    assert "| 2.5000 (2.5000–2.5000) | +0.00 % |" in text
    assert f"| {OURS} |" in text or f"| shop | {OURS} |" in text
    plot_tuning(figures, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_questions_are_first_messages_and_a_dead_server_is_told(tmp_path: Path) -> None:
    data = tmp_path / "a.jsonl"
    talk = {
        "messages": [
            {"role": "user", "content": "Where is it?"},
            {"role": "assistant", "content": "Here is it."},
        ]
    }
    data.write_text(json.dumps(talk) + "\n\n", encoding="utf-8")
    assert questions([data]) == ["Where is it?"]
    with pytest.raises(ConfigError, match="did not start"), serving([sys.executable, "-c", "pass"]):
        pass
    one = Spread(1, 1, 1)
    assert "32 conversations" in "\n".join(overhead_lines(OverheadFigures(32, 5, *[one] * 6)))
