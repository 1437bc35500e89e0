"""Documents of a team: read, cut, held out, learnt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from senmon.bases.catalog import BaseFiles, load_model, resolve
from senmon.errors import ConfigError, DataInvalid
from senmon.pretraining.adapting import Adaptation, adapt, divided
from senmon.pretraining.documents import Raw, html_text, is_held_out, pieces, read_places

PAGE = """<html><head><title>T</title><style>p{}</style></head><body><nav>Home | Shop</nav>
<h1>Returns</h1><p>Send it   back within <b>30</b> days.</p><script>alert("x")</script>
<ul><li>No shoes</li></ul></body></html>"""


def write(folder: Path) -> Path:
    folder.mkdir()
    (folder / "returns.html").write_text(PAGE, encoding="utf-8")
    (folder / "hours.md").write_text("---\ntitle: x\n---\n# Hours\n\nWe open at 9.\n", encoding="utf-8")
    (folder / "note.txt").write_text("\ufeffCall us.", encoding="utf-8")
    (folder / ".hidden.md").write_text("not this", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "empty.txt").write_text(" \n", encoding="utf-8")
    talk = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    (folder / "talk.jsonl").write_text(json.dumps(talk) + "\n", encoding="utf-8")
    return folder


def test_a_folder_of_all_kinds_is_read(tmp_path: Path) -> None:
    found = read_places([write(tmp_path / "docs")])
    texts = {raw.source: raw.text for raw in found if isinstance(raw, Raw)}
    assert set(texts) == {"returns.html", "hours.md", "note.txt"}
    assert texts["hours.md"] == "# Hours\n\nWe open at 9."
    assert texts["note.txt"] == "Call us."
    assert "alert" not in texts["returns.html"] and "Home" not in texts["returns.html"]
    assert "Send it back within" in texts["returns.html"] and "No shoes" in texts["returns.html"]
    assert len(found) == 4


def test_every_unreadable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    (tmp_path / "bad.jsonl").write_text("{", encoding="utf-8")
    (tmp_path / "big.txt").write_text("x" * 5_000_001, encoding="utf-8")
    with pytest.raises(DataInvalid) as caught:
        read_places([tmp_path / "gone.md", *sorted(tmp_path.iterdir())])
    assert sorted(Path(problem.path).name for problem in caught.value.problems) == [
        "bad.jsonl", "big.txt", "gone.md", "latin.txt",
    ]  # fmt: skip


def test_deeply_nested_pages_do_no_harm() -> None:
    try:
        assert "deep" in html_text("<div>" * 20_000 + "deep")
    except DataInvalid as error:
        assert "nested too deeply" in str(error)


def test_pieces_keep_all_words_and_end_at_headings() -> None:
    sections = [f"# Part {n}\n\n" + "word " * 300 + "\n\n" + "tail " * 60 for n in range(6)]
    made = pieces(Raw("x", "\n\n".join(sections)), 2000)
    assert " ".join(" ".join(made).split()) == " ".join(" ".join(sections).split())
    assert all(piece.startswith("# Part") for piece in made)
    assert max(map(len, made)) < 2200
    assert max(map(len, pieces(Raw("x", "y" * 10_000), 2000))) == 2000


def test_the_same_document_is_always_on_the_same_side() -> None:
    documents = [Raw(str(n), f"Document number {n}.") for n in range(300)]
    train, held = divided([*documents, documents[0]])
    assert len(train) + len(held) == 300
    assert 15 < len(held) < 50
    assert divided(documents[::-1])[1] == held[::-1]
    assert all(is_held_out(record["text"]) for record in held)


def test_few_documents_still_hold_one_out() -> None:
    train, held = divided([Raw("a", "One."), Raw("b", "Two.")])
    assert len(train) == len(held) == 1
    with pytest.raises(DataInvalid, match="at least two"):
        divided([Raw("a", "One."), Raw("b", "One.")])


def test_a_base_learns_the_documents_and_is_told_what_it_forgets(
    tiny_base: BaseFiles, tmp_path: Path
) -> None:
    documents = [Raw(str(n), f"Parcel {n} goes by van number {n} to the depot.") for n in range(80)]
    replay = tmp_path / "talk-00.jsonl"
    lines = [{"text": f"The cat number {n} sat on the mat.", "source": "cats"} for n in range(40)]
    replay.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    how = Adaptation(epochs=2, rate=5e-3, precision="fp32")
    result = adapt(tiny_base, documents, how, out=tmp_path / "out", replay=[replay], valid=replay)
    value, low, high = result.after["documents"].change_from(result.before["documents"])
    assert high < 0
    assert low <= value <= high
    assert set(result.after) == {"documents", "talk"}
    assert result.epochs["documents/documents"] == pytest.approx(2, rel=0.2)
    read = result.state.read
    assert read["talk/cats"] / sum(read.values()) == pytest.approx(how.replay_share, abs=0.08)
    made = resolve(str(tmp_path / "out/base"))
    assert made.digest != tiny_base.digest
    assert load_model(made).config.vocab_size == load_model(tiny_base).config.vocab_size
    again = adapt(tiny_base, documents, how, out=tmp_path / "out", replay=[replay], valid=replay)
    assert again.state.step == result.state.step


def test_senseless_settings_are_refused(tiny_base: BaseFiles, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="replay share"):
        Adaptation(replay_share=1.0)
    clash = tmp_path / "documents.jsonl"
    clash.write_text('{"text": "x"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="called documents"):
        adapt(tiny_base, [Raw("a", "One."), Raw("b", "Two.")], Adaptation(), out=tmp_path, replay=[clash])
