"""The route benchmark on a tiny data set of the same shape, and its errors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from senmon.bench import many_packs_report
from senmon.bench.clinc import Clinc
from senmon.bench.many_packs import made_up, measure_scale
from senmon.bench.peer import run_peer
from senmon.bench.route import Answers, bootstrapped, measure, over_draws, run
from senmon.bench.route_report import END, START, markdown, write_plot, write_section
from senmon.errors import ConfigError

WORDS = {"rain": "weather", "snow": "weather", "train": "travel", "plane": "travel"}


def write(folder: Path, **more: Any) -> Path:
    def pairs(count: int, start: int = 0) -> list[list[str]]:
        asks = ("is there {} today", "tell me of the {} now", "I want a {} please", "any {} tomorrow")
        return [
            [f"{asks[at % 4].format(word)} {'abcdefghijklmnopq'[at]}", word]
            for word in WORDS
            for at in range(start, start + count)
        ]

    strange = [["who wrote this song", "oos"], ["bake me a cake", "oos"], ["fix the sink", "oos"]]
    data = {
        "train": pairs(12), "val": pairs(2, 12), "test": pairs(3, 14),
        "oos_train": strange, "oos_val": strange, "oos_test": strange,
    }  # fmt: skip
    domains: dict[str, list[str]] = {}
    for word, domain in WORDS.items():
        domains.setdefault(domain, []).append(word)
    (folder / "data_full.json").write_text(json.dumps({**data, **more}), encoding="utf-8")
    (folder / "domains.json").write_text(json.dumps(domains), encoding="utf-8")
    return folder


def test_the_benchmark_runs_and_is_written_once(tmp_path: Path) -> None:
    rows = run(Clinc.read(write(tmp_path)), None, 2, lambda _: None)
    assert [(row.setting, row.split) for row in rows] == [
        ("all training examples", "val"),
        ("all training examples", "test"),
        ("10 examples an intent", "test"),
    ]
    assert rows[1].figures["domain"].value > 0.9
    assert rows[1].p95 is not None and rows[1].p95 > 0
    page = tmp_path / "page.md"
    page.write_text("# Benchmarks\n\nbefore\n", encoding="utf-8")
    for note in ("first", "second"):
        write_section(page, markdown(rows, [note]))
    text = page.read_text(encoding="utf-8")
    assert text.count(START) == text.count(END) == 1
    assert "before" in text and "second" in text and "first" not in text.split(START)[1]
    write_plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_what_is_missing_or_of_another_shape_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data_full\.json"):
        Clinc.read(tmp_path)
    write(tmp_path, test=[["where", "unheard"]])
    with pytest.raises(ConfigError, match="unheard"):
        Clinc.read(tmp_path)
    write(tmp_path, val=[1, 2])
    with pytest.raises(ConfigError, match="not CLINC150"):
        Clinc.read(tmp_path / "data_full.json")


def test_figures_are_what_they_say() -> None:
    given = Answers(
        (("a", "x"), ("a", "y"), ("b", "z"), ("b", "z")), ("a", "a", "b", "a"),
        np.array([0.9, 0.8, 0.7, 0.2]), np.array([True, True, True, False]),
        np.array([0.1, 0.75]), np.array([False, True]),
    )  # fmt: skip
    found = measure(["x", "x", "z", "z"], ["a", "a", "b", "b"], given)
    assert found["intent"] == 0.75 and found["domain"] == 0.75
    assert found["auroc"] == pytest.approx((2 + 2 + 1 + 1) / 8)
    assert found["kept"] == 0.75 and found["turned_away"] == 0.5
    drawn = bootstrapped(["x", "x", "z", "z"], ["a", "a", "b", "b"], given)["intent"]
    assert drawn.low < drawn.value == 0.75 < drawn.high
    spread = over_draws([{"a": 0.9}, {"a": 0.8}, {"a": 0.7}])["a"]
    assert spread.value == pytest.approx(0.8) and spread.high == pytest.approx(
        0.8 + 4.3027 * 0.1 / 3**0.5, abs=1e-3
    )


def test_a_peer_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    class Zeros:
        def encode(self, texts: list[str]) -> np.ndarray:
            return np.zeros((len(texts), 4), dtype=np.float32)

    data = Clinc.read(write(tmp_path))
    with pytest.raises(ConfigError) as caught:
        run_peer(tmp_path / "python", data, Zeros(), data.splits["train"])  # type: ignore[arg-type]
    assert "pip install semantic-router" in caught.value.remedy


def test_made_up_packs_are_the_same_every_time_and_found_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert made_up(3, 2, 4) == made_up(3, 2, 4)
    monkeypatch.setattr("senmon.routing.descent.TOGETHER", 20)  # fewer than there are: groups by turns
    figures = measure_scale(None, 20, 4, each=4, timed=40)
    assert figures.intents == 80 and figures.examples == 320
    assert figures.right > 0.4  # by words alone, from 4 examples an intent; chance is 0.05
    page = tmp_path / "page.md"
    page.write_text("# Benchmarks\n\nbefore\n", encoding="utf-8")
    for _ in range(2):  # the second time in place of the first
        write_section(
            page, many_packs_report.markdown(figures), many_packs_report.START, many_packs_report.END
        )
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Benchmarks\n\nbefore\n\n<!-- bench packs: begin -->\n## Router: 20 packs\n")
    assert text.count("bench packs") == 3 and "--count 20 --each 4" in text
    assert f"of 40 | {figures.right:.1%} |" in text
