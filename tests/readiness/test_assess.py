"""The report: what it says of a pack, the score, the suggestions, the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from senmon.bases.catalog import load_tokenizer, resolve
from senmon.dataset.likeness import core
from senmon.dataset.loading import load_dataset
from senmon.embedding import Encoder
from senmon.evaluation.suite import load_suites
from senmon.packs.loader import load_pack
from senmon.readiness import Readiness, assess
from senmon.readiness.assess import to_json
from senmon.readiness.collect import Requests, reworded
from senmon.readiness.contradiction import contradiction
from senmon.readiness.meaning import _likely_conflicts, _Sample, vendi
from senmon.readiness.page import text, to_html
from senmon.readiness.privacy import licence_fault
from senmon.readiness.score import STAGES, evenness
from senmon.readiness.words import measure_words
from senmon.rendering import Renderer

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(load_tokenizer(resolve()))


def report_of(folder: Path, renderer: Renderer, lines: Sequence[dict[str, Any]] | None = None) -> Readiness:
    if lines is not None:
        path = folder / "data/train.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    pack = load_pack(folder)
    return assess(pack, load_dataset(pack), load_suites(pack), renderer=renderer, context_tokens=1024)


def line(request: str, answer: str = "Fine.", intent: str = "x", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": request}, {"role": "assistant", "content": answer}]
    return {"intent": intent, "messages": messages, **more}


# --- parts


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Can I return a jacket?", "please, I want to return the jackets", True),
        ("Where is my order A1001", "where is order a2044 please", True),
        ("hi, what's the price", "Whats the price", True),
        ("cancel my order", "do not cancel my order", False),
        ("do you give answers", "give me the answer", False),
        ("what can you do", "what now?", False),
        ("solve 3x + 4 = 10", "solve 3x + 5 = 10", False),
        ("trains to Berlin", "trains from Berlin", False),
        ("hi", "thanks", False),
    ],
)
def test_the_core_of_a_request(one: str, other: str, same: bool) -> None:
    assert (core(one) == core(other)) is same


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("You have 30 days.", "You have 14 days.", "against"),
        ("Yes, we do.", "No, sorry.", "yes and no"),
        ("It can be washed at home.", "It can not be washed at home.", "denies"),
        ("I can't help with that.", "Our shop opens at nine.", "refuses"),
        ("[[answer.1]]", "[[answer.2]]", "different articles"),
        ("It opens at nine.", "At nine it opens.", ""),
        ("You have [[article.days]].", "There are [[article.days]] for that.", ""),
        ("It costs 5 euros.", "The nearest of our 12 shops is in Bonn.", ""),
    ],
)
def test_contradictions_of_replies(one: str, other: str, why: str) -> None:
    found = contradiction(one, other)
    assert (why in found if why else not found) and bool(contradiction(other, one)) == bool(found)


def test_numbers_of_the_request_are_no_contradiction() -> None:
    asked = "are 3 or 4 tents fine"
    assert contradiction("3 tents are fine.", "4 tents are fine.", (asked, asked)) == ""
    ids = ("cancel purchase 00123", "cancel purchase 9942")
    assert contradiction("I cancel purchase 00123 now.", "I cancel purchase 9942 now.", ids) == ""
    assert contradiction("The fee is 12 euros.", "The fee is 15 euros.", ids)


@pytest.mark.parametrize(
    ("licence", "severity"),
    [
        ("MIT", ""), ("cc-by-4.0", ""), ("Apache-2.0 OR GPL-3.0-only", ""), ("CC-BY-SA-4.0", "warning"),
        ("CC-BY-NC-4.0", "error"), ("CC-BY-ND-4.0", "error"), ("LicenseRef-unknown", "error"), ("", "error"),
        ("LicenseRef-mine", "warning"), ("my own", "warning"), ("<script>", "warning"),
        ("MIT AND CC-BY-NC-4.0", "error"),
    ],
)  # fmt: skip
def test_licences(licence: str, severity: str) -> None:
    fault = licence_fault(licence, "Apache-2.0")
    assert (fault[0] if fault else "") == severity


def test_figures_of_variety() -> None:
    assert evenness([5, 5, 5]) == pytest.approx(1) and evenness([9, 0]) == 0 and evenness([3]) == 1
    words = measure_words(["a b c", "a b d"])
    assert (words.distinct1, words.distinct2, words.vocabulary) == (4 / 6, 3 / 4, 4)
    assert measure_words([]).distinct1 == 0
    assert vendi(np.eye(5)) == pytest.approx(5)
    assert vendi(np.tile(np.eye(3)[0], (7, 1))) == pytest.approx(1)
    assert vendi(np.repeat(np.eye(2), 600, axis=0)) == pytest.approx(2)


# --- the whole


def test_a_sound_pack_has_no_error_and_says_what_is_missing(pack_folder: Make, renderer: Renderer) -> None:
    folder = pack_folder("shop", data={"valid_percent": 1})
    lines = [
        json.loads(one) for one in (folder / "data/train.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    report = report_of(folder, renderer, [{**one, "split": "train"} for one in lines])
    assert report.findings.at_least("error") == 0 and not report.score.blocked
    assert {"no_suite", "few_negatives", "few_held_out", "thin_intent"} <= set(report.findings.counts)
    assert report.coverage.share == 1 and report.lengths.counted == report.counts.examples == 24
    titles = " / ".join(one.title for one in report.suggestions)
    assert "for “hours”" in titles and "evaluation items" in titles and "go on after the first" in titles
    assert all(one.examples for one in report.suggestions if one.kind == "thin_intent")


def test_points_are_the_sum_of_the_parts_and_suggestions_are_worth_what_they_say(
    pack_folder: Make, renderer: Renderer
) -> None:
    report = report_of(pack_folder("shop"), renderer)
    parts = [part for part in report.score.parts if part.value is not None]
    assert len(parts) < len(
        report.score.parts
    )  # no encoder was given: its parts leave their weight to others
    total = sum(report.score.weight(part.name) for part in parts)
    points = sum(report.score.weight(part.name) * (part.value or 0) for part in parts)
    assert total == pytest.approx(100) and points == pytest.approx(report.score.points, abs=0.06)
    gains = [one.points for one in report.suggestions]
    assert gains == sorted(gains, reverse=True) and report.score.points + sum(gains) <= 102
    assert [stage.least for stage in STAGES] == sorted(stage.least for stage in STAGES)


def test_every_frame_makes_another_request_of_it() -> None:
    texts = ["how long does a guided tour take", "Where can I leave my heavy coat?"] * 6
    for request, framed in zip(texts, reworded(texts), strict=True):
        assert request.rstrip("?")[1:] in framed and core(framed) != core(request)
    assert "take. " not in " ".join(reworded(texts))


def test_following_the_suggestion_brings_its_points(pack_folder: Make, renderer: Renderer) -> None:
    """Thirty different requests for each intent fill the part that asks for them."""
    parts = ("bag", "peg", "cap", "tag", "rim", "lid", "hem", "zip")
    things = [f"{kind} {part}" for kind in ("tent", "rope", "lamp", "boot") for part in parts]
    lines = [
        line(f"{verb} {thing}", f"Answer {verb} {thing}.", verb, split="train")
        for verb in ("lend", "paint")
        for thing in things
    ]
    value = {part.name: part.value for part in report_of(pack_folder("shop"), renderer, lines).score.parts}
    assert value["volume"] == 1


def test_places_of_findings_are_lines(pack_folder: Make, renderer: Renderer) -> None:
    lines = [
        line("where is the nearest shop of yours", "In Bonn.", split="train"),
        line("Where is the nearest shop of yours?", "In Bonn.", split="train"),
        line("reach me at k.osei@mail.gh", "I will.", split="train"),
        line("how long can I bring it back", "You have 5 days.", split="train"),
    ]
    report = report_of(pack_folder("shop", checks=[{"name": "grounded"}]), renderer, lines)
    found = {one.kind: one.place for one in report.findings.shown}
    assert found["exact_duplicate"] == "data/train.jsonl:2"
    assert found["personal_data"] == "data/train.jsonl:3" and found["check_failure"] == "data/train.jsonl:4"
    (told,) = report.findings.of_kind("personal_data")
    assert "osei" not in told.what and report.score.blocked and report.score.stage.name != "release"


def test_own_contacts_and_made_up_ones_are_no_errors(pack_folder: Make, renderer: Renderer) -> None:
    folder = pack_folder("shop")
    (folder / "system.md").write_text("Our hotline is +49 30 901820.\n", encoding="utf-8")
    lines = [line("is it +49 30 901820?", "Yes."), line("mine is a@example.com", "Thank you.")]
    report = report_of(folder, renderer, lines)
    (only,) = report.findings.of_kind("personal_data")
    assert only.severity == "note"


@pytest.mark.parametrize(
    "lines",
    [
        [line("only one", split="train")],
        [line("nothing to train on", split="test"), line("nor here", split="valid")],
        [line("?", "!", split="train"), line("…", "…", split="train")],
        [line("同じ質問", "答え", split="train"), line("où est ma commande", "ici", "y", split="train")],
        [line("word " * 3000, "Fine.", split="train")],
    ],
    ids=["one", "no training", "no words", "other scripts", "too long"],
)
def test_odd_data_is_judged(pack_folder: Make, renderer: Renderer, lines: list[dict[str, Any]]) -> None:
    folder = pack_folder("shop")
    if len(lines[0]["messages"][0]["content"]) < 1000:
        for name in ("returns", "hours"):
            (folder / f"knowledge/{name}.md").unlink()
    pack_lines = report_of(folder, renderer, lines)
    assert 0 <= pack_lines.score.points <= 100 and to_html(pack_lines) and to_json(pack_lines)
    assert bool(pack_lines.findings.of_kind("too_long")) is (len(lines[0]["messages"][0]["content"]) > 1000)


def test_odd_data_has_a_meaning_too(pack_folder: Make, renderer: Renderer) -> None:
    encoder = Encoder.find()
    if encoder is None:
        pytest.skip("no sentence encoder is installed")
    for lines in ([line("only one", split="train")], [line("held out", split="valid")]):
        folder = pack_folder("shop")
        (folder / "data/train.jsonl").write_text(
            "".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8"
        )
        pack = load_pack(folder)
        report = assess(pack, load_dataset(pack), (), renderer=renderer, context_tokens=512, encoder=encoder)
        assert report.meaning is not None and report.meaning.accuracy is None and to_html(report)


# --- the page

HOSTILE = (
    '</style></svg><script>alert(1)</script><img src=x onerror="alert(2)">\u202e $\\frac{1}{0}$ & {{7*7}} `'
)


def test_the_page_takes_hostile_text_and_loads_nothing(pack_folder: Make, renderer: Renderer) -> None:
    lines = [
        line(f"{HOSTILE} {n}", f"{HOSTILE} {n % 3}", f"{'</title><b>$x_'}{n % 4}", licence=HOSTILE)
        for n in range(24)
    ]
    lines = [{**one, "tags": [HOSTILE]} for one in lines]
    page = to_html(report_of(pack_folder("shop", title=HOSTILE[:70].strip()), renderer, lines))
    elements = Elements(page)
    allowed = {"html", "head", "meta", "title", "style", "body", "main", "section", "svg", "a"}
    assert allowed <= set(elements.names) | {"a"} and not {"script", "img", "b "} & set(elements.names)
    assert elements.names.count("title") == 1 and "\u202e" not in page
    assert "Content-Security-Policy" in page and "default-src 'none'" in page
    for name, value in elements.attributes:
        assert not name.startswith("on"), name
        if name in ("src", "href", "xlink:href", "action", "srcset"):
            assert value.startswith("#"), value


class Elements(HTMLParser):
    """The elements and attributes of a page, as a browser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_text_is_escaped() -> None:
    assert text('<a href="x">\x00\u202e&') == "&lt;a href=&quot;x&quot;&gt;��&amp;"


def test_everything_is_in_the_json(pack_folder: Make, renderer: Renderer) -> None:
    data = json.loads(json.dumps(to_json(report_of(pack_folder("shop"), renderer))))
    assert {"counts", "score", "findings", "suggestions", "lengths", "coverage", "requests"} <= set(data)
    assert data["findings"]["shown"] and data["score"]["parts"][0]["formula"]


def test_an_article_of_two_paragraphs_that_is_shown_is_no_gap(pack_folder: Make, renderer: Renderer) -> None:
    folder = pack_folder("shop")
    with (folder / "knowledge/hours.md").open("a", encoding="utf-8") as article:
        article.write("\n- On Sundays we sleep.\n- On holidays too.\n")
    report = report_of(folder, renderer)
    assert report.coverage.articles[0] == report.coverage.articles[1]
    assert "uncovered_article" not in {one.kind for one in report.suggestions}


def test_beginnings_are_made_of_plain_requests(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    plain = ["where is my tent now", "my tent is where now", "now where is my tent"]
    lines = [{**line(text), "split": "train"} for text in ["whre is my tnt now!!", "tent?", *plain]]
    (folder / "data/train.jsonl").write_text("".join(map(dumped, lines)), encoding="utf-8")
    assert Requests.of(load_dataset(load_pack(folder))).plainest("x")[:3] == sorted(plain)


def test_signs_without_words_say_nothing_about_intents(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    lines = [line("😭😭", intent="sad"), line("🤷", intent="lost"), line("no idea", intent="lost")]
    (folder / "data/train.jsonl").write_text("".join(map(dumped, lines)), encoding="utf-8")
    vectors = np.full((3, 4), 0.5, dtype=np.float32)
    known = _Sample(load_dataset(load_pack(folder)).examples, vectors, vectors)
    assert [one.what for one in _likely_conflicts(known, 0.9)] == []


def dumped(row: dict[str, Any]) -> str:
    return json.dumps(row) + "\n"
