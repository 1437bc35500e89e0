"""Three published Rasa bots: everything they hold is in the pack or in the report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from senmon.dataset.example import Dataset
from senmon.dataset.loading import load_dataset
from senmon.dataset.normal_form import normalised
from senmon.dataset.rasa.importing import RasaReport, import_rasa
from senmon.dataset.routing import routing_digest, routing_examples
from senmon.evaluation.suite import load_suites
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.routing.router import PackRoutes, Router

BOTS = ("rasa_helpdesk", "rasa_financial", "rasa_1x_markdown")
Made = dict[str, tuple[Path, Pack, Dataset, RasaReport]]


@pytest.fixture(scope="module")
def made(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("packs")
    found = {}
    for name in BOTS:
        report = import_rasa(test_data / name, folder / name)
        pack = load_pack(folder / name)
        found[name] = (test_data / name, pack, load_dataset(pack), report)
    return found


def yaml_parts(root: Path) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Each YAML file of a bot as PyYAML reads it, and whether it is a test."""
    for path in sorted(root.rglob("*.yml")):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            yield "tests" in path.parts, value


def counted(root: Path) -> Counter[str]:
    """What the files hold, counted without the importer."""
    counts: Counter[str] = Counter()
    for test, value in yaml_parts(root):
        for item in value.get("nlu", ()):
            lines = [line for line in item["examples"].split("\n") if line.strip()]
            counts["NLU examples" if "intent" in item else "synonyms"] += len(lines)
        counts["test stories" if test else "stories"] += len(value.get("stories", ()))
        counts["rules"] += len(value.get("rules", ()))
        for key in ("intents", "entities", "slots", "forms"):
            counts[key] += len(value.get(key) or ())
        responses = value.get("responses") or value.get("templates") or {}
        counts["responses"] += len(responses)
        counts["actions"] += len([name for name in value.get("actions", ()) if name not in responses])
    for path in root.rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        if path.name == "stories.md":
            counts["stories"] += len(re.findall(r"^## ", text, re.M))
        for kind, body in re.findall(r"^## (\w+):.*\n((?:(?!##).*\n?)*)", text, re.M):
            counts["NLU examples"] += len(re.findall(r"^- ", body, re.M)) if kind == "intent" else 0
    return +counts


@pytest.mark.parametrize("name", BOTS)
def test_the_report_counts_what_the_files_hold(made: Made, name: str) -> None:
    root, _, _, report = made[name]
    wanted = counted(root)
    synonyms = wanted.pop("synonyms", 0)
    assert {key: report.source[key] for key in wanted} == dict(wanted)
    assert 0 <= synonyms - report.source["synonyms"] <= 2, "equal synonyms count once"


@pytest.mark.parametrize(
    ("name", "examples", "intents", "stories", "rules"),
    [
        ("rasa_helpdesk", 452, 17, 14, 7),
        ("rasa_financial", 578, 22, 19, 20),
        ("rasa_1x_markdown", 358, 10, 16, 0),
    ],
)
def test_the_known_sizes_are_found(
    made: Made, name: str, examples: int, intents: int, stories: int, rules: int
) -> None:
    source = made[name][3].source
    assert (source["NLU examples"], source["intents"]) == (examples, intents)
    assert (source["stories"], source["rules"]) == (stories, rules)


@pytest.mark.parametrize("name", BOTS)
def test_every_nlu_example_is_learnt_held_out_routed_or_a_negative(made: Made, name: str) -> None:
    from senmon.dataset.rasa.reading import read_bot

    root, pack, dataset, _ = made[name]
    kept = {(one.request, one.intent) for one in dataset.examples} | set(pack.requests)
    known = {(normalised(text), intent) for text, intent in kept}
    refused = set(map(normalised, pack.negatives))
    said = {(normalised(one.said.text), one.intent) for one in read_bot(root).examples}
    assert not {text for text, _ in said - known} - refused
    assert pack.negatives


@pytest.mark.parametrize("name", BOTS)
def test_every_custom_action_is_declared_or_listed(made: Made, name: str) -> None:
    root, pack, _, report = made[name]
    wanted = {
        action
        for _, value in yaml_parts(root)
        for action in value.get("actions", ())
        if not action.startswith("utter_")
    }
    listed = {action for action in wanted if any(f"`{action}`" in note.what for note in report.notes)}
    assert wanted == {*pack.actions, *listed} & wanted
    assert pack.manifest.actions.runtime == "server"


@pytest.mark.parametrize("name", BOTS)
def test_every_policy_and_component_is_listed_with_its_line(made: Made, name: str) -> None:
    root, _, _, report = made[name]
    config = (root / "config.yml").read_text(encoding="utf-8").split("\n")
    notes = [note for note in report.notes if note.kind in ("policy", "pipeline")]
    value = yaml.safe_load("\n".join(config))
    pipeline = value["pipeline"]
    assert len(notes) == len(value["policies"]) + (len(pipeline) if isinstance(pipeline, list) else 1)
    for note in notes:
        near = "\n".join(config[note.place.line - 1 : note.place.line + 3])
        assert note.what.strip("`") in near


@pytest.mark.parametrize("name", BOTS)
def test_stories_become_dialogues_with_calls(made: Made, name: str) -> None:
    _, pack, dataset, report = made[name]
    called = {
        call.name for one in dataset.examples for message in one.messages for call in message.tool_calls
    }
    assert len(called) >= len(pack.actions) - 2, "an action that no dialogue reaches is one without examples"
    assert report.pack["dialogues"] >= report.source["stories"]
    assert any(len([m for m in one.messages if m.role == "user"]) >= 3 for one in dataset.examples)


def test_test_stories_are_judged_by(made: Made) -> None:
    for name, (root, pack, _, _) in made.items():
        items = load_suites(pack)
        said = sum(
            "user" in step
            for test, value in yaml_parts(root)
            if test
            for story in value["stories"]
            for step in story["steps"]
        )
        assert bool(items) == bool(said), name
        assert len(items) <= 2 * said
    assert {item.kind for item in load_suites(made["rasa_financial"][1])} == {"reply", "action", "route"}


def test_the_packs_load_in_one_router(made: Made) -> None:
    routes = [
        PackRoutes(
            name,
            routing_digest(dataset, pack.requests),
            routing_examples(dataset, pack.requests),
            pack.negatives,
            frozenset(pack.manifest.routing.always),
        )
        for name, (_, pack, dataset, _) in made.items()
    ]
    router = Router.fit(routes, None)
    asked = {
        "I forgot my password, please reset it": "rasa_helpdesk",
        "my outlook is broken": "rasa_helpdesk",
        "transfer money to my friend": "rasa_financial",
        "is there a transfer fee": "rasa_financial",
    }
    assert {text: router.route(text).pack for text in asked} == asked
