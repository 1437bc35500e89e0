"""New packs: complete or minimal, whole or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from senmon.dataset.hygiene import conflicts, exact_duplicates, suite_leaks
from senmon.dataset.loading import load_dataset
from senmon.dataset.report import count_dataset
from senmon.errors import PackExists, PackInvalid
from senmon.packs.atomic import new_folder
from senmon.packs.loader import load_pack
from senmon.packs.scaffold import NewPack, scaffold, write_minimal


def test_a_new_pack_loads_and_its_data_too(tmp_path: Path) -> None:
    folder = scaffold("front-desk", tmp_path / "domains")
    pack = load_pack(folder)
    dataset = load_dataset(pack)
    assert pack.manifest.title == "Front desk" and len(dataset) >= 30 and len(dataset.intents()) >= 5
    assert len(pack.articles) == 2 and all(article.facts for article in pack.articles)
    assert not exact_duplicates(dataset) and not conflicts(dataset)
    assert not suite_leaks(dataset, pack.suite_files)
    counts = count_dataset(pack, dataset)
    assert (counts.uncalled_actions, counts.unused_articles) == ((), ()) and counts.splits["valid"] >= 3
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file())
    assert "__NAME__" not in text and "__TITLE__" not in text
    assert sorted(path.name for path in tmp_path.joinpath("domains").iterdir()) == ["front-desk"]


def test_the_readme_explains_every_file(tmp_path: Path) -> None:
    folder = scaffold("desk", tmp_path)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        known = name if "/" not in name else f"{name.split('/')[0]}/*{path.suffix}"
        assert path.is_dir() or name == "README.md" or f"`{known}`" in readme, name


def test_its_suite_and_its_action_work(tmp_path: Path) -> None:
    from senmon.actions.runner import ActionRequest, ActionRunner
    from senmon.evaluation.suite import load_suites
    from senmon.messages import Identity

    pack = load_pack(scaffold("desk", tmp_path))
    assert {item.kind for item in load_suites(pack)} == {"reply", "action", "route"}
    call = ActionRequest(pack, pack.actions["hours_on_day"], {"day": "sunday"}, {}, Identity(), (), "s")
    outcome = asyncio.run(ActionRunner(lambda pack: True).run(call))
    assert outcome.result == {"day": {"name": "Sunday", "hours": "closed"}}


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir()
    with pytest.raises(PackExists, match="another name"):
        scaffold("desk", tmp_path)
    assert list((tmp_path / "desk").iterdir()) == []


@pytest.mark.parametrize("name", ["auto", "Desk", "../desk", "", "a" * 60, "1desk"])
def test_names_that_no_pack_may_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(PackInvalid) as caught:
        scaffold(name, tmp_path)
    assert caught.value.problems[0].field == "name" and caught.value.problems[0].remedy
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_fails_half_way_vanishes(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_folder(tmp_path / "desk") as folder:
        (folder / "half").write_text("x", encoding="utf-8")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_minimal_pack_loads_with_any_text_in_its_fields(tmp_path: Path) -> None:
    pack = NewPack.of("desk", title='A "quoted": [title] # é', licence="CC-BY-4.0", attribution="x: y\n- z")
    with new_folder(tmp_path / "desk") as folder:
        write_minimal(folder, pack)
        (folder / "data/x.jsonl").write_text("", encoding="utf-8")
    manifest = load_pack(tmp_path / "desk").manifest
    assert (manifest.title, manifest.licence) == ('A "quoted": [title] # é', "CC-BY-4.0")


def test_a_minimal_pack_with_a_title_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackInvalid) as caught:
        write_minimal(tmp_path, NewPack.of("desk", title="x" * 100))
    assert caught.value.problems[0].field == "title"


def test_every_example_of_a_new_pack_renders(tmp_path: Path) -> None:
    from senmon.bases.catalog import load_tokenizer, resolve
    from senmon.rendering import Renderer, check_prefix, prefix_message

    pack = load_pack(scaffold("desk", tmp_path))
    renderer = Renderer(load_tokenizer(resolve()))
    assert check_prefix(renderer, pack) == ()
    for example in load_dataset(pack).examples:
        rendered = renderer.example([prefix_message(pack), *example.messages])
        assert len(rendered.ids) < pack.manifest.recipe.max_tokens
        assert any(label >= 0 for label in rendered.labels)
