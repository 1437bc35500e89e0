"""CSV import: all of it or nothing, every broken row with its line."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senmon.dataset.importing import ImportReport, import_csv
from senmon.dataset.loading import load_dataset
from senmon.errors import DataInvalid, PackInvalid, Problem, SenmonError
from senmon.packs.loader import load_pack
from senmon.packs.scaffold import NewPack

Make = Callable[..., Path]
BITEXT = "bitext_support_4k/Bitext_Sample_Customer_Support_Training_Dataset.csv"
HEAD = "question,answer,label\n"


def run(tmp_path: Path, text: str | bytes, **options: Any) -> ImportReport:
    source = tmp_path / "Help Desk.csv"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    names = {"user": "question", "assistant": "answer", "intent": "label"}
    return import_csv(source, tmp_path / "packs" / "desk", **{**names, **options})


def refused(tmp_path: Path, text: str | bytes, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(DataInvalid) as caught:
        run(tmp_path, text, **options)
    assert not (tmp_path / "packs").exists() or list((tmp_path / "packs").iterdir()) == []
    return caught.value.problems


def test_rows_become_a_pack_that_loads(tmp_path: Path) -> None:
    text = HEAD + 'When?,"At nine,\nevery day.",hours\n\nWhere?,"In ""Old"" Street",place\n'
    seen: list[int] = []
    report = run(tmp_path, text, on_progress=seen.append)
    pack = load_pack(tmp_path / "packs/desk")
    examples = load_dataset(pack).examples
    assert [example.intent for example in examples] == ["hours", "place"]
    assert examples[0].messages[1].content == "At nine,\nevery day." and examples[0].origin == "Help Desk.csv"
    assert report.target == tmp_path / "packs/desk/data/help_desk.jsonl"
    assert (report.taken, report.refused_rows, report.created, report.changed) == (2, 0, True, True)
    assert (report.intents, report.placeholders, seen) == (2, 0, [2])
    assert pack.manifest.licence == "LicenseRef-unknown"


def test_a_new_pack_says_what_it_was_told(tmp_path: Path) -> None:
    new = NewPack.of("desk", title="Our desk", licence="CC-BY-4.0", attribution="© Somebody")
    run(tmp_path, HEAD + "a,b,c\n", new_pack=new)
    manifest = load_pack(tmp_path / "packs/desk").manifest
    assert (manifest.title, manifest.licence, manifest.attribution) == ("Our desk", "CC-BY-4.0", "© Somebody")


def test_placeholders_stay_with_single_spaces(tmp_path: Path) -> None:
    report = run(tmp_path, HEAD + "a,Call {{  Support   Phone }} or {{Chat}},c\nb,No {{}} here,c\n")
    replies = [e.messages[1].content for e in load_dataset(load_pack(tmp_path / "packs/desk")).examples]
    assert replies == ["Call {{Support Phone}} or {{Chat}}", "No {{}} here"] and report.placeholders == 1


def test_lengths_are_of_words_and_marks(tmp_path: Path) -> None:
    rows = "".join(f"q{n},{'word ' * n}end.,c\n" for n in range(1, 101))
    lengths = run(tmp_path, HEAD + rows).lengths
    assert (lengths.median, lengths.p95, lengths.longest) == (52, 97, 102)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found_or_given(tmp_path: Path, delimiter: str) -> None:
    text = (
        delimiter.join(("question", "answer", "label"))
        + "\n"
        + delimiter.join(("When, o?", "At 9.", "h"))
        + "\n"
    )
    assert run(tmp_path, text).taken == 1
    assert run(tmp_path, text, delimiter=delimiter).changed is False


def test_a_byte_order_mark_is_not_a_column(tmp_path: Path) -> None:
    assert run(tmp_path, b"\xef\xbb\xbf" + (HEAD + "a,b,c\n").encode()).taken == 1


def test_another_encoding(tmp_path: Path) -> None:
    run(tmp_path, (HEAD + "a,Caf\xe9,c\n").encode("cp1252"), encoding="cp1252")
    assert load_dataset(load_pack(tmp_path / "packs/desk")).examples[0].messages[1].content == "Café"


def test_without_an_intent_column(tmp_path: Path) -> None:
    run(tmp_path, HEAD + "a,b,c\n", intent=None)
    assert load_dataset(load_pack(tmp_path / "packs/desk")).examples[0].intent == "general"


def test_every_broken_row_is_reported_and_nothing_written(tmp_path: Path) -> None:
    rows = [
        b"fine,fine,x",
        b"only,two",
        b",empty user,x",
        b"no reply,,x",
        b"caf\xe9,bytes,x",
        b'"a"b,c,x',
        b"a,see [[it]],x",
    ]
    found = refused(tmp_path, HEAD.encode() + b"\n".join(rows) + b"\n")
    assert [problem.line for problem in found] == [3, 4, 5, 6, 7, 8]
    assert [problem.field for problem in found] == ["", "question", "answer", "", "", "answer"]
    whys = ("2 fields", "is empty", "is empty", "not utf-8", "broken CSV", "[[…]]")
    assert all(why in problem.why and problem.remedy for why, problem in zip(whys, found, strict=True))


def test_broken_rows_may_be_skipped_and_are_reported(tmp_path: Path) -> None:
    report = run(tmp_path, HEAD + "a,b,c\nonly,two\nd,e,f\n", skip_broken=True)
    assert (report.taken, report.refused_rows) == (2, 1) and report.refused[0].line == 3
    assert len(load_dataset(load_pack(tmp_path / "packs/desk"))) == 2


def test_lines_are_right_after_rows_of_many_lines(tmp_path: Path) -> None:
    found = refused(tmp_path, HEAD + '"a\nb\nc",d,e\nbroken\n')
    assert [problem.line for problem in found] == [5]


def test_problems_are_bounded_and_counted(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"500 problems \(the first 200 are listed\)") as caught:
        run(tmp_path, HEAD + "x\n" * 500)
    assert len(caught.value.problems) == 200


@pytest.mark.parametrize(
    ("text", "options", "why", "remedy"),
    [
        (
            HEAD + "a,b,c\n",
            {"user": "q", "intent": "i"},
            "no such column",
            "available: question, answer, label",
        ),
        ("question,answer,answer\na,b,c\n", {"intent": None}, "twice", "available"),
        ("", {}, "no header", "name the columns"),
        (HEAD, {}, "no row", "columns and the delimiter"),
        (HEAD + "a,b,c\n", {"encoding": "klingon"}, "unknown encoding", "utf-8"),
        (HEAD + "a\\ud800,b,c\n", {"encoding": "unicode_escape"}, "is not unicode_escape text", "encoding"),
        (HEAD + "a,b,c\n", {"delimiter": ",,"}, "can't separate", "one character"),
        ("question,answer,label" + "x" * 1_100_000, {}, "longer than", "CSV"),
        ((HEAD + "a,b,c\n").encode("utf-16"), {"encoding": "utf-16-le"}, "no such column", "available"),
    ],
)
def test_files_that_can_t_be_read(
    tmp_path: Path, text: str | bytes, options: dict[str, Any], why: str, remedy: str
) -> None:
    found = refused(tmp_path, text, **options)
    assert why in found[0].why and remedy in found[0].remedy and found[0].path.endswith("Help Desk.csv")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="check the path"):
        import_csv(tmp_path / "none.csv", tmp_path / "desk", user="a", assistant="b")


def test_a_name_that_no_pack_may_have(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,a\nx,y\n", encoding="utf-8")
    with pytest.raises(PackInvalid, match="reserved"):
        import_csv(tmp_path / "a.csv", tmp_path / "auto", user="q", assistant="a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    report = run(tmp_path, HEAD + "a,b,c\n", dry_run=True)
    assert (report.taken, report.changed, report.created, report.dry_run) == (1, False, False, True)
    assert not (tmp_path / "packs").exists()


def test_importing_again_replaces_the_same_file(tmp_path: Path) -> None:
    run(tmp_path, HEAD + "a,b,c\n")
    assert run(tmp_path, HEAD + "a,b,c\n").changed is False
    report = run(tmp_path, HEAD + "d,e,f\n")
    assert (report.changed, report.created) == (True, False)
    assert [e.request for e in load_dataset(load_pack(tmp_path / "packs/desk")).examples] == ["d"]
    refused_before = report.target.read_bytes()
    with pytest.raises(DataInvalid):
        run(tmp_path, HEAD + "broken\n")
    assert report.target.read_bytes() == refused_before
    assert [path.name for path in report.target.parent.iterdir()] == ["help_desk.jsonl"]


def test_a_file_of_another_author_is_not_replaced(tmp_path: Path, pack_folder: Make) -> None:
    folder = pack_folder("shop")
    source = tmp_path / "train.csv"
    source.write_text(HEAD + "a,b,c\n", encoding="utf-8")
    with pytest.raises(DataInvalid, match=r"not made by an import of train\.csv → rename"):
        import_csv(source, folder, user="question", assistant="answer")
    source.rename(tmp_path / "faq.csv")
    import_csv(tmp_path / "faq.csv", folder, user="question", assistant="answer")
    assert len(load_dataset(load_pack(folder))) == 25


def test_a_pack_that_does_not_read_the_target(tmp_path: Path, pack_folder: Make) -> None:
    folder = pack_folder("shop", data={"train": ["data/train.jsonl"]})
    (tmp_path / "faq.csv").write_text(HEAD + "a,b,c\n", encoding="utf-8")
    with pytest.raises(DataInvalid, match=r"fits none of data\.train"):
        import_csv(tmp_path / "faq.csv", folder, user="question", assistant="answer")
    assert not (folder / "data/faq.jsonl").exists()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    source = tmp_path / "big.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("q", "a"), *((f"request {n}", "reply" * 300) for n in range(4_000))])
    tracemalloc.start()
    import_csv(source, tmp_path / "big", user="q", assistant="a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert source.stat().st_size > 5_000_000 and peak < 1_500_000


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text(alphabet=',"\n\r;\tab[]{}\0é', max_size=80).map(str.encode)))
def test_any_bytes_raise_nothing_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    tmp_path = tmp_path_factory.mktemp("csv")
    try:
        report = run(tmp_path, HEAD.encode() + body, skip_broken=True)
    except SenmonError as error:
        assert str(error)
    else:
        assert len(load_dataset(load_pack(tmp_path / "packs/desk"))) == report.taken


@pytest.mark.real_data
def test_bitext(test_data: Path, tmp_path: Path) -> None:
    """4,514 real support requests (CDLA-Sharing-1.0)."""
    source, folder = test_data / BITEXT, tmp_path / "bitext"
    report = import_csv(source, folder, user="instruction", assistant="response", intent="intent")
    pack = load_pack(tmp_path / "bitext")
    dataset = load_dataset(pack)
    assert report.taken == len(dataset) == 4514 and report.refused == ()
    assert len(dataset.intents()) == 27 and report.placeholders > 2000
    assert 100 < report.lengths.median < 200 and report.lengths.longest > 300
    assert 350 < len(dataset.split("valid")) < 550
