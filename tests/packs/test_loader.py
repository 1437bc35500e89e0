"""Loading packs: what a good one gives, and the place and remedy of every fault."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from senmon.errors import PackInvalid, PackNotFound, Problem, SenmonError
from senmon.packs import inventory, loader
from senmon.packs.loader import discover, load_pack

Make = Callable[..., Path]


def problems(folder: Path) -> tuple[Problem, ...]:
    with pytest.raises(PackInvalid) as caught:
        load_pack(folder)
    return caught.value.problems


def only(folder: Path, *, file: str, field: str, why: str, remedy: str, line: int | None = None) -> Problem:
    (problem,) = problems(folder)
    assert problem.path == str(folder / file) and problem.field == field
    assert why in problem.why and remedy in problem.remedy
    if line is not None:
        assert problem.line == line
    return problem


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    path = folder / "pack.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return folder


def line_of(folder: Path, text: str, file: str = "pack.yaml") -> int:
    lines = (folder / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def spec(**changes: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"n": {"type": "string"}}}
    return {"name": "do_it", "description": "does it", "parameters": parameters, **changes}


def with_spec(folder: Path, *specs: dict[str, Any], **actions: Any) -> Path:
    return edit(folder, lambda data: data.update(actions={"specs": list(specs), **actions}))


# --- what a good pack gives


def test_a_pack_loads_whole(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    pack = load_pack(folder)
    assert pack.name == "shop" and pack.label == "shop@0.1.0" and pack.path == folder.resolve()
    assert [article.id for article in pack.articles] == ["hours", "returns"]
    assert pack.articles[1].facts == {"return_days": "30 days"}
    assert pack.articles[1].questions == ("How long can I return an item?",)
    assert pack.negatives == ("what is the weather", "solve 3x = 9")
    assert pack.data_files == (folder.resolve() / "data/train.jsonl",) and pack.suite_files == ()
    assert len(pack.digest) == 64 and len(pack.code_digest) == 64


def test_the_digest_covers_everything_but_adapter_caches_and_hidden_files(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    before = load_pack(folder)
    for name in (
        "adapter/adapter_model.safetensors",
        "__pycache__/x.cpython-311.pyc",
        ".git/HEAD",
        "data/.swp",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x", encoding="utf-8")
    assert load_pack(folder).digest == before.digest
    (folder / "system.md").write_text("You are another.", encoding="utf-8")
    changed = load_pack(folder)
    assert changed.digest != before.digest and changed.code_digest == before.code_digest
    (folder / "actions.py").write_text("# other\n", encoding="utf-8")
    assert load_pack(folder).code_digest != before.code_digest


def test_the_digest_is_the_same_in_another_place(pack_folder: Make, tmp_path: Path) -> None:
    folder = pack_folder("shop")
    shutil.copytree(folder, tmp_path / "elsewhere" / "shop")
    assert load_pack(tmp_path / "elsewhere" / "shop").digest == load_pack(folder).digest


def test_no_python_no_code_digest(pack_folder: Make) -> None:
    folder = pack_folder("shop", actions={"specs": []})
    (folder / "actions.py").unlink()
    assert load_pack(folder).code_digest == ""


def test_facts_keep_their_spelling(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    text = "---\ntitle: T\nfacts: {fee: 4.50, opens: 9:30, day: 2026-01-01, no: no, zip: 00123}\n---\nText\n"
    (folder / "knowledge/fees.md").write_text(text, encoding="utf-8")
    facts = load_pack(folder).articles[0].facts
    assert facts == {"fee": "4.50", "opens": "9:30", "day": "2026-01-01", "no": "no", "zip": "00123"}


def test_a_folder_named_dot_is_itself(pack_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pack_folder("shop"))
    assert load_pack(Path()).name == "shop"


# --- the manifest


def test_no_pack_there(tmp_path: Path) -> None:
    with pytest.raises(PackNotFound, match="senmon new"):
        load_pack(tmp_path)


def test_broken_yaml_has_its_line(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "pack.yaml").write_text("name: shop\ntitle: [a\nlicence: x\n", encoding="utf-8")
    only(folder, file="pack.yaml", field="", why="broken YAML", remedy="syntax", line=3)


def test_bad_utf8_has_its_line(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "pack.yaml").write_bytes(b"name: shop\ntitle: Caf\xe9\n")
    only(folder, file="pack.yaml", field="", why="not UTF-8", remedy="UTF-8", line=2)


def test_control_characters_have_their_line(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "pack.yaml").write_bytes(b"name: shop\ntitle: a\x00b\n")
    only(folder, file="pack.yaml", field="", why="not printable", remedy="delete", line=2)


def test_unknown_field_suggests_the_known_one(pack_folder: Make) -> None:
    folder = edit(pack_folder("shop"), lambda data: data.update(recipe={"lora": {"rnak": 4}}))
    found = only(folder, file="pack.yaml", field="recipe.lora.rnak", why="unknown field", remedy="`rank`")
    assert found.line == line_of(folder, "rnak")


def test_missing_fields_are_all_named(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    edit(folder, lambda data: [data.pop(name) for name in ("title", "licence")])
    found = problems(folder)
    assert [(problem.field, problem.why) for problem in found] == [
        ("title", "is missing"),
        ("licence", "is missing"),
    ]
    assert "SPDX" in found[1].remedy


@pytest.mark.parametrize(
    ("change", "field", "remedy"),
    [
        ({"title": ["a"]}, "title", "quotes"),
        ({"version": 1.0}, "version", "quotes"),
        ({"language": "en"}, "language", "list"),
        ({"recipe": {"epochs": "many"}}, "recipe.epochs", "number"),
        ({"recipe": {"seed": 0.5}}, "recipe.seed", "whole number"),
        ({"context": {"date": "often"}}, "context.date", "true or false"),
        ({"persona": "kind"}, "persona", "mapping"),
        ({"data": {"valid_percent": 80}}, "data.valid_percent", "held out"),
        ({"name": "Shop!"}, "name", "name"),
    ],
)
def test_wrong_types_have_line_and_remedy(
    pack_folder: Make, change: dict[str, Any], field: str, remedy: str
) -> None:
    folder = edit(pack_folder("shop"), lambda data: data.update(change))
    (found,) = problems(folder)
    assert found.field == field and remedy in found.remedy
    assert found.line == line_of(folder, f"{field.split('.')[-1]}:")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text\n", "{}\n"])
def test_a_manifest_that_is_no_mapping_is_a_problem(pack_folder: Make, text: str) -> None:
    folder = pack_folder("shop")
    (folder / "pack.yaml").write_text(text, encoding="utf-8")
    assert problems(folder)


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        ("name: shop\nname: shop\n", "given twice", 2),
        ("title: &a x\ndescription: *a\n", "aliases", 2),
        ("name: shop\ntitle: !!python/object/apply:os.system [ls]\n", "tag", 2),
        ("name: shop\nversion: " + "9" * 30 + "\n", "can't be read as int", 2),
        ("? [a]\n: b\n", "key", 1),
        ("title: " + "[" * 60 + "]" * 60 + "\n", "deep", 1),
        ("name: a\n---\nname: b\n", "document", 2),
        ("x: " + "y" * 300_000 + "\n", "larger than 256 KiB", 0),
    ],
)
def test_yaml_beyond_plain_data_is_refused(pack_folder: Make, text: str, why: str, line: int) -> None:
    folder = pack_folder("shop")
    (folder / "pack.yaml").write_text(text, encoding="utf-8")
    found = problems(folder)
    assert why in found[0].why and found[0].line == line and found[0].remedy


def test_name_and_folder_must_agree(pack_folder: Make) -> None:
    folder = edit(pack_folder("shop"), lambda data: data.update(name="store"))
    only(folder, file="pack.yaml", field="name", why="folder's name `shop`", remedy="rename", line=1)


@pytest.mark.parametrize("name", ["auto", "none", "router", "base"])
def test_reserved_names(pack_folder: Make, name: str) -> None:
    only(pack_folder(name), file="pack.yaml", field="name", why="reserved", remedy="another", line=1)


# --- files and globs


@pytest.mark.parametrize(
    "bad", ["../data/*.jsonl", "/etc/passwd", "data/../../x.jsonl", "~/x", "C:\\x", "a\\b", " "]
)
def test_globs_may_not_escape(pack_folder: Make, bad: str) -> None:
    folder = edit(pack_folder("shop"), lambda data: data.update(data={"train": ["data/*.jsonl", bad]}))
    (found,) = problems(folder)
    assert found.field == "data.train.1" and found.line and "inside the pack's folder" in found.remedy


@pytest.mark.parametrize("field", ["system", "knowledge"])
def test_paths_may_not_escape(pack_folder: Make, field: str) -> None:
    folder = edit(pack_folder("shop"), lambda data: data.update({field: "../secret.md"}))
    only(folder, file="pack.yaml", field=field, why="leads out", remedy="inside", line=line_of(folder, "../"))


def test_links_that_lead_outside_are_refused(pack_folder: Make, tmp_path: Path) -> None:
    folder = pack_folder("shop")
    (tmp_path / "secret.jsonl").write_text("{}", encoding="utf-8")
    (folder / "data/secret.jsonl").symlink_to(tmp_path / "secret.jsonl")
    only(folder, file="data/secret.jsonl", field="", why="leads out of", remedy="copy")


def test_linked_folders_and_special_files_are_refused(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "more").symlink_to(folder / "data")
    os.mkfifo(folder / "pipe")
    found = problems(folder)
    assert [Path(problem.path).name for problem in found] == ["more", "pipe"]
    assert all("not a regular file" in problem.why for problem in found)


def test_links_in_a_circle_are_refused(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    assert [Path(problem.path).name for problem in problems(folder)] == ["a", "b"]


def test_a_file_that_vanishes_meanwhile_is_a_problem(
    pack_folder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pack_folder("shop")
    found = inventory.take_inventory(folder)
    monkeypatch.setattr(loader, "take_inventory", lambda root: found)
    (folder / "actions.py").unlink()
    assert all("can't be read" in p.why and "try again" in p.remedy for p in problems(folder))


def test_compiled_code_is_refused(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "actions.so").write_bytes(b"\x7fELF")
    only(folder, file="actions.so", field="", why="compiled", remedy="source")


def test_missing_and_empty_system_text(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "system.md").write_text(" \n", encoding="utf-8")
    only(folder, file="system.md", field="", why="is empty", remedy="say in a few sentences")
    (folder / "system.md").unlink()
    only(folder, file="pack.yaml", field="system", why="no file fits `system.md`", remedy="add the file")


def test_a_long_system_text(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "system.md").write_text("word " * 1300, encoding="utf-8")
    only(folder, file="system.md", field="", why="at most 6,000", remedy="knowledge/")


def test_no_data_files(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    shutil.rmtree(folder / "data")
    only(
        folder, file="pack.yaml", field="data.train.0", why="no file fits", remedy="add the file under shop/"
    )


def test_training_data_that_is_a_suite(pack_folder: Make) -> None:
    folder = edit(pack_folder("shop"), lambda data: data.update(evaluation={"suites": ["data/*.jsonl"]}))
    only(folder, file="pack.yaml", field="data.train", why="both training data and", remedy="apart")


def test_too_many_files_or_bytes(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    with pytest.raises(PackInvalid, match="more than 3 files"):
        inventory.take_inventory(folder, max_files=3)
    with pytest.raises(PackInvalid, match="keep only what the pack needs"):
        inventory.take_inventory(folder, max_bytes=100)
    with (folder / "huge.bin").open("wb") as file:
        file.truncate(inventory.MAX_BYTES + 1)
    assert "200 MB" in problems(folder)[0].why


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("data/a.jsonl", "data/*.jsonl", True),
        ("data/x/a.jsonl", "data/*.jsonl", False),
        ("data/x/a.jsonl", "data/**/*.jsonl", True),
        ("data/a.jsonl", "data/**/*.jsonl", True),
        ("data/a1.jsonl", "data/a?.jsonl", True),
        ("data/a.jsonlx", "data/*.jsonl", False),
        ("data/[a].jsonl", "data/[a].jsonl", True),
    ],
)
def test_globs(name: str, pattern: str, expected: bool) -> None:
    assert inventory.fits(name, pattern) is expected


# --- knowledge


@pytest.mark.parametrize(
    ("text", "field", "why", "line"),
    [
        ("no front matter\n", "", "no front matter", 1),
        ("---\ntitle: x\n", "", "has no end", 1),
        ("---\ntitle: [x\n---\ntext\n", "", "broken YAML", 2),
        ("---\nurl: https://x.example\n---\ntext\n", "title", "is missing", 2),
        ("---\ntitle: x\nurl: javascript:alert(1)\n---\ntext\n", "url", "not a web address", 3),
        ("---\ntitle: x\nfacts: {Fee: 1}\n---\ntext\n", "facts.Fee", "not a name", 3),
        ("---\ntitle: x\nfacts:\n  fee: [1]\n---\ntext\n", "facts.fee", "", 4),
        ("---\ntitle: x\nfact: {}\n---\ntext\n", "fact", "unknown field", 3),
        ("---\ntitle: x\n---\n\n", "", "has no text", 0),
    ],
)
def test_broken_articles(pack_folder: Make, text: str, field: str, why: str, line: int) -> None:
    folder = pack_folder("shop")
    (folder / "knowledge/bad.md").write_text(text, encoding="utf-8")
    found = problems(folder)[0]
    assert found.path.endswith("knowledge/bad.md") and found.field.startswith(field)
    assert why in found.why and found.line == line and found.remedy


def test_article_ids_are_unique_and_plain(pack_folder: Make) -> None:
    folder = pack_folder("shop", knowledge="knowledge/**/*.md")
    (folder / "knowledge/more").mkdir()
    shutil.copy(folder / "knowledge/hours.md", folder / "knowledge/more/hours.md")
    only(folder, file="knowledge/more/hours.md", field="", why="taken by knowledge/hours.md", remedy="rename")
    (folder / "knowledge/more/hours.md").rename(folder / "knowledge/Our Hours.md")
    only(folder, file="knowledge/Our Hours.md", field="", why="article id", remedy="lower-case")


# --- actions


@pytest.mark.parametrize(
    ("action", "field", "why"),
    [
        (
            spec(parameters={"type": "object", "properties": {"n": {"type": "strin"}}}),
            "properties.n.type",
            "not valid",
        ),
        (spec(parameters={"type": "array"}), "parameters", "object schema"),
        (spec(parameters={"type": "object", "$ref": "#"}), "parameters.$ref", "not resolved"),
        (spec(parameters={"type": "object", "properties": {"n": {"pattern": "("}}}), "n.pattern", "regular"),
        (spec(parameters={"type": "object", "properties": {"customer_id": {}}}), "customer_id", "identity"),
        (spec(parameters={"type": "object", "required": ["m"]}), "parameters.required", "requires `m`"),
        (spec(candidates={"n": "(["}), "candidates.n", "regular expression"),
        (spec(candidates={"n": "a*"}), "candidates.n", "empty text"),
        (spec(candidates={"m": "a"}), "candidates.m", "unknown argument `m`"),
    ],
)
def test_broken_action_declarations(pack_folder: Make, action: dict[str, Any], field: str, why: str) -> None:
    (found,) = problems(with_spec(pack_folder("shop"), action))
    assert found.field.startswith("actions.specs.0.") and found.field.endswith(field)
    assert why in found.why and found.line > 1 and found.remedy


def test_actions_declared_twice(pack_folder: Make) -> None:
    folder = with_spec(pack_folder("shop"), spec(), spec())
    only(folder, file="pack.yaml", field="actions.specs.1.name", why="twice", remedy="rename")


@pytest.mark.parametrize("url", ["", "ftp://x", "javascript:x"])
def test_an_action_server_needs_its_address(pack_folder: Make, url: str) -> None:
    folder = with_spec(pack_folder("shop"), spec(), runtime="server", url=url)
    only(folder, file="pack.yaml", field="actions.url", why="address", remedy="http://127.0.0.1:5055/webhook")


def test_actions_in_process_need_their_file(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    (folder / "actions.py").unlink()
    only(folder, file="pack.yaml", field="actions.specs", why="no actions.py", remedy="runtime: server")


# --- negatives


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"text": ""}', "non-empty"),
        ('{"txt": "a"}', "`text`"),
        ('{"text": 1}', "`text`"),
        ("[1]", "not an object"),
        ('{"text": ', "broken JSON"),
        ('{"text": "a", "text": "b"}', "given twice"),
    ],
)
def test_broken_negatives(pack_folder: Make, line: str, why: str) -> None:
    folder = pack_folder("shop")
    (folder / "negatives.jsonl").write_text('{"text": "a"}\n\n' + line + "\n", encoding="utf-8")
    (found,) = problems(folder)
    assert found.line == 3 and why in found.why and found.remedy


def test_missing_negatives(pack_folder: Make) -> None:
    folder = pack_folder("shop", routing={"negatives": "nowhere.jsonl"})
    only(
        folder, file="pack.yaml", field="routing.negatives", why="no file fits", remedy="correct the pattern"
    )


def test_all_problems_come_together(pack_folder: Make) -> None:
    folder = pack_folder("shop", system="../x.md", evaluation={"suites": ["eval/none.jsonl"]})
    (folder / "knowledge/bad.md").write_text("bad", encoding="utf-8")
    (folder / "negatives.jsonl").write_text("bad\n", encoding="utf-8")
    (folder / "actions.py").unlink()
    assert {Path(problem.path).name for problem in problems(folder)} == {
        "pack.yaml",
        "bad.md",
        "negatives.jsonl",
    }
    assert len(problems(folder)) == 5


# --- discovery


def test_discovery_keeps_the_good_and_reports_the_broken(pack_folder: Make, tmp_path: Path) -> None:
    good, broken = pack_folder("shop"), pack_folder("store")
    (broken / "system.md").unlink()
    (tmp_path / "packs/.hidden").mkdir()
    found = discover([tmp_path / "packs", tmp_path / "missing"])
    assert [pack.path for pack in found.packs] == [good.resolve()]
    (error,) = found.errors
    assert isinstance(error, PackInvalid) and str(broken) in str(error)
    assert found.get("shop").name == "shop"
    with pytest.raises(PackNotFound, match=r"known packs: shop; 1 could not be loaded"):
        found.get("store")
    with pytest.raises(PackInvalid):
        found.all_or_raise()


def test_a_root_may_be_a_pack_and_is_found_once(pack_folder: Make, tmp_path: Path) -> None:
    folder = pack_folder("shop")
    found = discover([folder, tmp_path / "packs"])
    assert [pack.name for pack in found.packs] == ["shop"] and found.errors == ()


def test_of_two_packs_with_one_name_the_first_counts(pack_folder: Make, tmp_path: Path) -> None:
    first = pack_folder("shop")
    shutil.copytree(first, tmp_path / "other/shop")
    found = discover([tmp_path / "packs", tmp_path / "other"])
    assert [pack.path for pack in found.packs] == [first.resolve()]
    (error,) = found.errors
    assert "taken by" in str(error) and "rename one" in str(error)


def test_installed_packs_are_found_without_running_their_python(
    pack_folder: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pack_folder("installed_shop")
    (folder / "__init__.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "packs"))
    point = EntryPoint("installed_shop", "installed_shop", loader.ENTRY_POINTS)
    monkeypatch.setattr(loader, "entry_points", lambda group: [point] if group == "senmon.packs" else [])
    assert [pack.name for pack in discover([]).packs] == ["installed_shop"]


# --- hostile files


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_files_raise_nothing_but_our_errors(pack_folder: Make, data: st.DataObject) -> None:
    folder = pack_folder("shop")
    name = data.draw(st.sampled_from(["pack.yaml", "knowledge/hours.md", "negatives.jsonl", "system.md"]))
    original = (folder / name).read_bytes()
    at = data.draw(st.integers(0, len(original)))
    cut = data.draw(st.integers(0, 12))
    put = data.draw(
        st.one_of(st.binary(max_size=8), st.text(alphabet="{}[]&*!|>%@`'\"#:-?,\n\t 019.e\\~", max_size=8))
    )
    put = put.encode() if isinstance(put, str) else put
    (folder / name).write_bytes(original[:at] + put + original[at + cut :])
    try:
        load_pack(folder)
    except SenmonError as error:
        assert str(error)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60), st.text(alphabet="{}[]&*!|>%@'\"#:-?,\n\t 019.e+_oxTRUEnull~<=", max_size=60)
    )
)
def test_yaml_text_raises_nothing_but_our_errors(text: str) -> None:
    from senmon.packs.yaml_text import parse_yaml

    try:
        parse_yaml(text, "x.yaml")
    except PackInvalid as error:
        assert error.problems[0].line >= 0 and error.problems[0].remedy
