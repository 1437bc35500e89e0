"""GSM8K and Bitext: the shapes of two public sets."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from senmon.dataset.importing import ImportReport, import_bitext, import_gsm8k
from senmon.dataset.imports.bitext import is_evaluation
from senmon.dataset.imports.bitext_slots import Slots, spoken
from senmon.dataset.loading import load_dataset
from senmon.errors import DataInvalid
from senmon.packs.loader import load_pack

Make = Callable[..., Path]
BITEXT = "bitext_support_4k/Bitext_Sample_Customer_Support_Training_Dataset.csv"
COLUMNS = ("instruction", "intent", "entity_type", "entity_value", "category", "tags", "response")
PEN = "Two pens at 3 cost 2*3 = <<2*3=6>>6.\nWith a cap it is 6 + 1 = $<<6+1=7>>7.\n#### 1,007"


def gsm8k(tmp_path: Path, *answers: Any, style: Any = "plain") -> ImportReport:
    source = tmp_path / "sums.jsonl"
    rows = [{"question": f"What do {n} pens cost?", "answer": answer} for n, answer in enumerate(answers)]
    source.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return import_gsm8k(source, tmp_path / "sums", style)


def test_gsm8k_plain(tmp_path: Path) -> None:
    report = gsm8k(tmp_path, PEN)
    (example,) = load_dataset(load_pack(tmp_path / "sums")).examples
    assert example.messages[1].content == (
        "Two pens at 3 cost 2*3 = 6.\nWith a cap it is 6 + 1 = $7.\nThe answer is 1,007."
    )
    assert example.tags == ("steps-2", "plain") and example.intent == "word_problem"
    assert report.notes == {"calculator marks removed": 1}


def test_gsm8k_for_a_tutor_gives_the_answer_last(tmp_path: Path) -> None:
    gsm8k(tmp_path, PEN, style="tutor")
    (example,) = load_dataset(load_pack(tmp_path / "sums")).examples
    assert [message.role for message in example.messages] == ["user", "assistant", "user", "assistant"]
    first, last = example.messages[1].content, example.messages[3].content
    assert first.startswith("Two pens at 3 cost 2*3 = 6.") and first.endswith("?") and "7" not in first
    assert last.endswith("The answer is 1,007.")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("no end", "does not end with its answer"),
        ("#### 7", "no line of working"),
        ("x <<1+1\n#### 7", "unclosed calculator mark"),
        ("", "missing or empty"),
        (7, "missing or empty"),
        ("a\n#### ", "does not end with its answer"),
    ],
)
def test_gsm8k_rows_that_can_t_be_taken(tmp_path: Path, answer: Any, why: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        gsm8k(tmp_path, PEN, answer)
    (problem,) = caught.value.problems
    assert problem.line == 2 and problem.field == "answer" and why in problem.why and problem.remedy


def sheet(tmp_path: Path, *rows: dict[str, str]) -> Path:
    source = tmp_path / "support.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return source


def asked(evaluation: bool, start: str = "how do I cancel") -> str:
    """A request that belongs to the fixed fifth, or not."""
    return next(
        text for n in range(99) if is_evaluation(text := f"{start} {'please ' * n}".strip()) is evaluation
    )


def test_the_fixed_split_is_that_of_the_published_rule(tmp_path: Path) -> None:
    texts = [f" request number {n} about orders " for n in range(200)]
    rows = [{"instruction": text, "intent": "a", "response": "yes"} for text in texts]
    import_bitext(sheet(tmp_path, *rows), tmp_path / "desk")
    held = {
        text.strip()
        for text in texts
        if int(hashlib.sha256(text.strip().encode()).hexdigest(), 16) % 100 >= 80
    }
    dataset = load_dataset(load_pack(tmp_path / "desk"))
    assert {example.request for example in dataset.split("test")} == held and 20 < len(held) < 60
    assert not held & {example.request for example in (*dataset.split("train"), *dataset.split("valid"))}


def test_twins_of_evaluation_requests_neither_train_nor_test(tmp_path: Path) -> None:
    held = asked(True)
    twin = next(t for marks in range(1, 60) if not is_evaluation(t := held + "!" * marks))
    rows = [{"instruction": text, "intent": "a", "response": "yes"} for text in (held, twin, asked(False))]
    report = import_bitext(sheet(tmp_path, *rows), tmp_path / "desk")
    assert (report.taken, report.left_out) == (2, {"twins of evaluation requests": 1})


def test_placeholders_become_facts_values_and_words(tmp_path: Path) -> None:
    row = {
        "instruction": "cancel order 00123842 now",
        "intent": "cancel_order",
        "category": "ORDER",
        "tags": "BQB",
        "entity_type": "order_id",
        "entity_value": "123842",
        "response": "Sign in to your {{Website Name}} account.\r\nFind {{Order Number Anonymized}} and press "
        "{{Cancel Order}}, or call {{Customer  Support Phone Number}}: {{Customer Support Availability}}.",
    }
    report = import_bitext(sheet(tmp_path, row), tmp_path / "desk")
    pack = load_pack(tmp_path / "desk")
    (example,) = load_dataset(pack).examples
    assert example.messages[-1].content == (
        "Sign in to your [[article.website_name]] account.\nFind 00123842 and press Cancel Order, "
        "or call [[article.support_phone]]: [[article.support_hours]]."
    )
    assert example.tags == ("category:order", "flag:B", "flag:Q", "slot:order_id")
    assert report.slots == {"website_name": 1, "order_id": 1, "support_phone": 1, "support_hours": 1}
    assert (
        pack.manifest.context.passages == 1 and pack.articles[0].facts["support_phone"] == "our support line"
    )


def test_an_author_s_facts_stay_and_must_be_there(tmp_path: Path) -> None:
    source = sheet(tmp_path, {"instruction": "hi", "intent": "a", "response": "Call {{Phone Number}}."})
    import_bitext(source, tmp_path / "desk")
    article = tmp_path / "desk/knowledge/company.md"
    filled = article.read_text(encoding="utf-8").replace("our support line", "0800 111")
    article.write_text(filled, encoding="utf-8")
    assert import_bitext(source, tmp_path / "desk").changed is False
    assert article.read_text(encoding="utf-8") == filled
    article.write_text(filled.replace("  support_phone", "  phone"), encoding="utf-8")
    with pytest.raises(DataInvalid, match=r"company\.md \[facts\]: lacks the facts support_phone"):
        import_bitext(source, tmp_path / "desk")


def test_a_pack_that_shows_no_article_can_t_fill_facts(tmp_path: Path, pack_folder: Make) -> None:
    source = sheet(tmp_path, {"instruction": "hi", "intent": "a", "response": "Call {{Phone Number}}."})
    folder = pack_folder("shop", context={"passages": 0})
    with pytest.raises(DataInvalid, match=r"context\.passages"):
        import_bitext(source, folder)
    assert not (folder / "knowledge/company.md").exists()
    report = import_bitext(source, folder, "keep")
    assert report.placeholders == 1 and "{{support_phone}}" in report.target.read_text(encoding="utf-8")


def test_requests_with_placeholders_get_values_that_the_reply_shares() -> None:
    slots = Slots("facts")
    request = slots.request("where is {{Order Number}}?")
    number = request.removeprefix("where is ").removesuffix("?")
    assert number.isdigit() and slots.reply("{{Order Number}} is [[here]]") == f"{number} is [here]"


@pytest.mark.parametrize(
    ("request_text", "value", "said"),
    [
        ("cancel 00123842", "123842", "00123842"),
        ("order 370795561790 please", "3707955617", "370795561790"),
        ("bill #12588", "#12588", "#12588"),
        ("a Platinum account", "platinum", "Platinum"),
        ("nothing", "77", ""),
        ("x", "", ""),
    ],
)
def test_entities_as_the_request_writes_them(request_text: str, value: str, said: str) -> None:
    assert spoken(request_text, value) == said


def test_bitext_needs_its_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("question,answer\na,b\n", encoding="utf-8")
    with pytest.raises(DataInvalid, match="available: question, answer"):
        import_bitext(tmp_path / "x.csv", tmp_path / "desk")


@pytest.mark.real_data
def test_the_whole_bitext_sample(test_data: Path, tmp_path: Path) -> None:
    report = import_bitext(test_data / BITEXT, tmp_path / "desk")
    dataset = load_dataset(load_pack(tmp_path / "desk"))
    assert (report.rows, report.taken, report.refused_rows, report.intents) == (4514, 4457, 0, 27)
    assert len(dataset.split("test")) == 889 == report.splits["test"]
    with (test_data / BITEXT).open(encoding="utf-8", newline="") as file:
        asked_there = [row["instruction"].strip() for row in csv.DictReader(file)]
    fixed = [text for text in asked_there if int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100 >= 80]
    assert Counter(example.request for example in dataset.split("test")) == Counter(fixed)
    assert not any("{{" in message.content for example in dataset.examples for message in example.messages)
    assert report.slots["support_phone"] > 2000


@pytest.mark.real_data
def test_the_whole_gsm8k(test_data: Path, tmp_path: Path) -> None:
    report = import_gsm8k(test_data / "gsm8k/train.jsonl", tmp_path / "sums")
    text = report.target.read_text(encoding="utf-8")
    assert (report.taken, report.refused_rows) == (7473, 0) and "<<" not in text and "####" not in text


def test_archives_and_pickles_named_csv(tmp_path: Path) -> None:
    for content, why in ((b"PK\x03\x04zip", "a ZIP archive"), (b"\x80\x04pickle", "a Python pickle")):
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(DataInvalid, match=why):
            import_bitext(tmp_path / "x.csv", tmp_path / "desk")
